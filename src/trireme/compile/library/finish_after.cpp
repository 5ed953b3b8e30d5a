// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/library/finish_after.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include "trireme/base/openmp.h"
#include "trireme/compile/library/apply_post_op.h"
#include "trireme/graph/ir/half.h"

namespace trireme::compile {
namespace {

constexpr int64_t kStrip = 256;  // elements of a row that are finished at once: they stay in L1
constexpr int64_t kWorthThreads = 1 << 14;  // elements

bool is_float(DType dtype) {
  return dtype == DType::Float32 || dtype == DType::BFloat16 || dtype == DType::Float16;
}

// `count` elements from the element `at` on, as floats.
void load(DType dtype, const void* from, int64_t at, int64_t stride, std::span<float> to) {
  const auto read = [&](const auto* data, auto convert) {
    data += at;
    for (size_t j = 0; j < to.size(); ++j) {
      to[j] = convert(data[static_cast<int64_t>(j) * stride]);
    }
  };
  if (dtype == DType::Float32) {
    if (stride == 1) {
      std::memcpy(to.data(), static_cast<const float*>(from) + at, to.size_bytes());
    } else {
      read(static_cast<const float*>(from), [](float x) { return x; });
    }
  } else if (dtype == DType::BFloat16) {
    read(static_cast<const uint16_t*>(from), graph::bfloat16_to_float);
  } else {
    read(static_cast<const uint16_t*>(from), graph::float16_to_float);
  }
}

void store(DType dtype, void* to, int64_t at, int64_t stride, std::span<const float> from) {
  const auto write = [&](auto* data, auto convert) {
    data += at;
    for (size_t j = 0; j < from.size(); ++j) {
      data[static_cast<int64_t>(j) * stride] = convert(from[j]);
    }
  };
  if (dtype == DType::Float32) {
    if (stride == 1) {
      std::memcpy(static_cast<float*>(to) + at, from.data(), from.size_bytes());
    } else {
      write(static_cast<float*>(to), [](float x) { return x; });
    }
  } else if (dtype == DType::BFloat16) {
    write(static_cast<uint16_t*>(to), graph::float_to_bfloat16);
  } else {
    write(static_cast<uint16_t*>(to), graph::float_to_float16);
  }
}

GemmProblem without_ops(const GemmProblem& problem) {
  GemmProblem plain = problem;
  plain.bias.reset();
  plain.post_ops.clear();
  if (problem.c.dtype == DType::Float32) return plain;
  plain.c = {DType::Float32, problem.n, 1, std::vector<int64_t>(problem.batch.size())};
  int64_t stride = problem.m * problem.n;
  for (size_t i = problem.batch.size(); i-- > 0;) {
    plain.c.batch_strides[i] = stride;
    stride *= problem.batch[i];
  }
  return plain;
}

class FinishedAfter final : public Gemm {
 public:
  FinishedAfter(const GemmProblem& problem, const GemmProblem& plain, std::unique_ptr<Gemm> gemm)
      : problem_(problem), made_(plain.c), gemm_(std::move(gemm)), threads_(omp_get_max_threads()) {
    if (problem.c.dtype == DType::Float32) return;
    const int64_t count = span_of(made_, problem.batch, problem.m, problem.n);
    sums_bytes_ = (static_cast<size_t>(count) * sizeof(float) + 63) / 64 * 64;
  }

  void run(const GemmPointers& pointers, std::byte* scratch) const override {
    auto* sums = static_cast<float*>(sums_bytes_ == 0 ? pointers.c : scratch);
    gemm_->run({pointers.a, pointers.b, sums, nullptr, {}}, scratch + sums_bytes_);
    const int64_t rows = problem_.batch_count() * problem_.m;
#pragma omp parallel for schedule(static) \
    num_threads(threads_) if (rows * problem_.n >= kWorthThreads)
    for (int64_t row = 0; row < rows; ++row) finish_row(pointers, sums, row);
  }
  size_t scratch_bytes() const override { return sums_bytes_ + gemm_->scratch_bytes(); }
  size_t packed_bytes() const override { return gemm_->packed_bytes(); }
  void pack(const void* b, std::byte* packed, std::byte* scratch) const override {
    gemm_->pack(b, packed, scratch);
  }
  std::string packed_format() const override { return gemm_->packed_format(); }
  std::string description() const override { return gemm_->description() + ", finished after it"; }

 private:
  int64_t place(const GemmMatrix& matrix, int64_t number, int64_t row) const {
    return batch_offset(matrix, problem_.batch, number) + row * matrix.row_stride;
  }

  void finish_row(const GemmPointers& pointers, const float* sums, int64_t at) const {
    const int64_t number = at / problem_.m;
    const int64_t row = at % problem_.m;
    float one[kStrip];
    float other[kStrip];
    for (int64_t first = 0; first < problem_.n; first += kStrip) {
      const auto count = static_cast<size_t>(std::min(kStrip, problem_.n - first));
      const std::span x(one, count);
      const std::span y(other, count);
      const auto at_column = [&](const GemmMatrix& matrix) {
        return place(matrix, number, row) + first * matrix.column_stride;
      };
      load(DType::Float32, sums, at_column(made_), made_.column_stride, x);
      if (problem_.bias) {
        const bool along_m = problem_.bias->along_m;
        load(problem_.bias->dtype, pointers.bias, along_m ? row : first, along_m ? 0 : 1, y);
        for (size_t j = 0; j < count; ++j) x[j] += y[j];
      }
      size_t next = 0;
      for (const GemmPostOp& op : problem_.post_ops) {
        if (!has_other(op.kind)) {
          for (float& value : x) value = apply_post_op(op.kind, value);
          continue;
        }
        load(op.other.dtype, pointers.others[next++], at_column(op.other), op.other.column_stride,
             y);
        if (op.kind == PostOpKind::Add) {
          for (size_t j = 0; j < count; ++j) x[j] += y[j];
        } else {
          for (size_t j = 0; j < count; ++j) x[j] *= y[j];
        }
      }
      store(problem_.c.dtype, pointers.c, at_column(problem_.c), problem_.c.column_stride, x);
    }
  }

  GemmProblem problem_;
  GemmMatrix made_;  // what the product leaves
  std::unique_ptr<Gemm> gemm_;
  int threads_;
  size_t sums_bytes_ = 0;  // of that, where it is not C
};

std::string refuse(const GemmProblem& problem) {
  if (!is_float(problem.c.dtype)) return "its result is no float of at most 32 bits";
  if (problem.bias && !is_float(problem.bias->dtype)) return "its bias is no such float";
  for (const GemmPostOp& op : problem.post_ops) {
    if (op.kind == PostOpKind::Accumulate || op.kind == PostOpKind::Scale) {
      return "what C holds, or a number, is not read after a product";
    }
    if (has_other(op.kind) && !is_float(op.other.dtype)) return "a tensor is no such float";
  }
  return {};
}

}  // namespace

GemmResult finish_after(const GemmProblem& problem,
                        const std::function<GemmResult(const GemmProblem&)>& make) {
  if (std::string reason = refuse(problem); !reason.empty()) return {nullptr, std::move(reason)};
  const GemmProblem plain = without_ops(problem);
  GemmResult made = make(plain);
  if (!made.gemm) return made;
  return {std::make_unique<FinishedAfter>(problem, plain, std::move(made.gemm)), {}};
}

}  // namespace trireme::compile
