// SPDX-License-Identifier: Apache-2.0
// Matrix products by plain loops, for types that no library takes.
#include <algorithm>
#include <type_traits>
#include <utility>

#include "trireme/compile/library/apply_post_op.h"
#include "trireme/compile/library/gemm.h"

namespace trireme::compile {
namespace {

int64_t at(const GemmMatrix& matrix, int64_t row, int64_t column) {
  return row * matrix.row_stride + column * matrix.column_stride;
}

// T: the elements; Sum: what they are added up in (unsigned for integers, which wrap).
template <class T, class Sum>
class LoopGemm final : public Gemm {
 public:
  explicit LoopGemm(GemmProblem problem) : problem_(std::move(problem)) {}

  void run(const GemmPointers& pointers, std::byte* /*scratch*/) const override {
    const int64_t rows = problem_.batch_count() * problem_.m;
    const double work = static_cast<double>(rows) * static_cast<double>(problem_.n) *
                        static_cast<double>(problem_.k);
    constexpr double kWorthThreads = 1e5;
#pragma omp parallel for schedule(static) if (work > kWorthThreads)
    for (int64_t row = 0; row < rows; ++row) run_row(pointers, row);
  }
  size_t scratch_bytes() const override { return 0; }
  std::string description() const override { return "loop"; }

 private:
  void run_row(const GemmPointers& pointers, int64_t row) const {
    const int64_t number = row / problem_.m;
    const int64_t i = row % problem_.m;
    const auto* a = static_cast<const T*>(pointers.a) +
                    batch_offset(problem_.a, problem_.batch, number) + at(problem_.a, i, 0);
    const auto* b =
        static_cast<const T*>(pointers.b) + batch_offset(problem_.b, problem_.batch, number);
    auto* c = static_cast<T*>(pointers.c) + batch_offset(problem_.c, problem_.batch, number) +
              at(problem_.c, i, 0);
    // A strip of the row is held while k passes: B is read along its rows.
    constexpr int64_t kStrip = 64;
    for (int64_t first = 0; first < problem_.n; first += kStrip) {
      const int64_t count = std::min(kStrip, problem_.n - first);
      Sum sums[kStrip] = {};
      for (int64_t k = 0; k < problem_.k; ++k) {
        const auto left = static_cast<Sum>(a[at(problem_.a, 0, k)]);
        const T* right = b + at(problem_.b, k, first);
        if (problem_.b.column_stride == 1) {
          for (int64_t j = 0; j < count; ++j) sums[j] += left * static_cast<Sum>(right[j]);
        } else {
          for (int64_t j = 0; j < count; ++j) {
            sums[j] += left * static_cast<Sum>(right[at(problem_.b, 0, j)]);
          }
        }
      }
      for (int64_t j = 0; j < count; ++j) {
        T& to = c[at(problem_.c, 0, first + j)];
        to = finish(pointers, static_cast<T>(sums[j]), to, number, i, first + j);
      }
    }
  }

  T finish(const GemmPointers& pointers, T sum, T old, int64_t number, int64_t i, int64_t j) const {
    if (problem_.bias) {
      sum = add(sum, static_cast<const T*>(pointers.bias)[problem_.bias->along_m ? i : j]);
    }
    size_t next = 0;
    for (const GemmPostOp& op : problem_.post_ops) {
      switch (op.kind) {
        case PostOpKind::Accumulate:
          sum = add(sum, old);
          break;
        case PostOpKind::Scale:
          sum = static_cast<T>(sum * *static_cast<const float*>(pointers.others[next++]));
          break;
        case PostOpKind::Multiply:
        case PostOpKind::Add: {
          const T other = static_cast<const T*>(
              pointers.others[next++])[batch_offset(op.other, problem_.batch, number) +
                                       at(op.other, i, j)];
          sum = op.kind == PostOpKind::Add
                    ? add(sum, other)
                    : static_cast<T>(static_cast<Sum>(sum) * static_cast<Sum>(other));
          break;
        }
        default:
          sum = apply_post_op(op.kind, sum);
      }
    }
    return sum;
  }
  static T add(T x, T y) { return static_cast<T>(static_cast<Sum>(x) + static_cast<Sum>(y)); }

  GemmProblem problem_;
};

bool only_for_floats(PostOpKind kind) {
  return kind != PostOpKind::Accumulate && kind != PostOpKind::Relu &&
         kind != PostOpKind::Multiply && kind != PostOpKind::Add;
}

std::string refuse(const GemmProblem& problem) {
  if (std::string wrong = check(problem); !wrong.empty()) return wrong;
  if (problem.packed_b) return "plain loops have no packed format";
  const DType dtype = problem.a.dtype;
  if (problem.b.dtype != dtype || problem.c.dtype != dtype ||
      (problem.bias && problem.bias->dtype != dtype)) {
    return "plain loops want one dtype";
  }
  for (const GemmPostOp& op : problem.post_ops) {
    if (has_other(op.kind) && op.other.dtype != dtype) return "plain loops want one dtype";
    if (graph::is_integral(dtype) && only_for_floats(op.kind)) {
      return "integers have no such post-op";
    }
  }
  return {};
}

class LoopLibrary final : public GemmLibrary {
 public:
  std::string name() const override { return "loop"; }
  bool last_resort() const override { return true; }
  GemmResult make(const GemmProblem& problem) const override {
    if (std::string reason = refuse(problem); !reason.empty()) return {nullptr, std::move(reason)};
    switch (problem.a.dtype) {
      case DType::Float32:
        return {std::make_unique<LoopGemm<float, float>>(problem), {}};
      case DType::Float64:
        return {std::make_unique<LoopGemm<double, double>>(problem), {}};
      case DType::UInt8:
        return {std::make_unique<LoopGemm<uint8_t, uint32_t>>(problem), {}};
      case DType::Int8:
        return {std::make_unique<LoopGemm<int8_t, uint32_t>>(problem), {}};
      case DType::Int16:
        return {std::make_unique<LoopGemm<int16_t, uint32_t>>(problem), {}};
      case DType::Int32:
        return {std::make_unique<LoopGemm<int32_t, uint32_t>>(problem), {}};
      case DType::Int64:
        return {std::make_unique<LoopGemm<int64_t, uint64_t>>(problem), {}};
      default:
        return {nullptr, "plain loops have no product of " + std::string(name_of(problem.a.dtype))};
    }
  }
};

}  // namespace

std::unique_ptr<GemmLibrary> loop_library() { return std::make_unique<LoopLibrary>(); }

}  // namespace trireme::compile
