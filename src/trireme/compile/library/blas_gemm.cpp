// SPDX-License-Identifier: Apache-2.0
// Matrix products by the BLAS that libtorch carries (MKL on x86). It is looked up in the process,
// so that this room stays free of torch.
#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "trireme/base/blas.h"
#include "trireme/base/openmp.h"
#include "trireme/compile/library/finish_after.h"
#include "trireme/compile/library/gemm.h"

namespace trireme::compile {
namespace {

// Fortran's interface: https://netlib.org/lapack/explore-html/dd/d09/group__gemm.html
template <class T>
using Function = void (*)(const char* transpose_a, const char* transpose_b, const int* m,
                          const int* n, const int* k, const T* alpha, const T* a, const int* lda,
                          const T* b, const int* ldb, const T* beta, T* c, const int* ldc);

template <class T>
Function<T> function() {
  static const auto found = reinterpret_cast<Function<T>>(
      base::blas_symbol(std::is_same_v<T, float> ? "sgemm_" : "dgemm_"));
  return found;
}

// A matrix as BLAS is told of it: its rows dense, or its columns.
struct Layout {
  bool by_rows = true;
  int leading = 1;  // elements from one row to the next, or one column
};

std::optional<Layout> layout_of(const GemmMatrix& matrix, int64_t rows, int64_t columns) {
  constexpr int64_t kLargest = std::numeric_limits<int>::max();
  const auto dense = [](int64_t inner, int64_t inner_stride, int64_t outer, int64_t outer_stride) {
    return (inner == 1 || inner_stride == 1) && (outer == 1 || outer_stride >= inner);
  };
  const auto leading = [](int64_t inner, int64_t outer, int64_t outer_stride) {
    return outer == 1 ? inner : outer_stride;
  };
  if (dense(columns, matrix.column_stride, rows, matrix.row_stride)) {
    const int64_t stride = leading(columns, rows, matrix.row_stride);
    if (stride <= kLargest) return Layout{true, static_cast<int>(stride)};
  }
  if (dense(rows, matrix.row_stride, columns, matrix.column_stride)) {
    const int64_t stride = leading(rows, columns, matrix.column_stride);
    if (stride <= kLargest) return Layout{false, static_cast<int>(stride)};
  }
  return std::nullopt;
}

struct Layouts {
  Layout a, b, c;  // C's rows are dense
};

std::optional<Layouts> layouts_of(const GemmProblem& problem) {
  const auto a = layout_of(problem.a, problem.m, problem.k);
  const auto b = layout_of(problem.b, problem.k, problem.n);
  const auto c = layout_of(problem.c, problem.m, problem.n);
  if (!a || !b || !c || !c->by_rows) return std::nullopt;
  return Layouts{*a, *b, *c};
}

struct Offsets {
  int64_t a = 0;
  int64_t b = 0;
  int64_t c = 0;
};

std::vector<Offsets> offsets_of(const GemmProblem& problem) {
  std::vector<Offsets> all(static_cast<size_t>(problem.batch_count()));
  for (size_t i = 0; i < all.size(); ++i) {
    const auto number = static_cast<int64_t>(i);
    all[i] = {batch_offset(problem.a, problem.batch, number),
              batch_offset(problem.b, problem.batch, number),
              batch_offset(problem.c, problem.batch, number)};
  }
  return all;
}

template <class T>
class BlasGemm final : public Gemm {
 public:
  // `swapped`: the problem was turned, and its A is the caller's B.
  BlasGemm(const GemmProblem& problem, const Layouts& layouts, bool swapped)
      : m_(static_cast<int>(problem.m)),
        n_(static_cast<int>(problem.n)),
        k_(static_cast<int>(problem.k)),
        layouts_(layouts),
        swapped_(swapped),
        beta_(problem.post_ops.empty() ? T{0} : T{1}),
        offsets_(offsets_of(problem)),
        threads_(omp_get_max_threads()) {
    // A thread to a product, where there are enough of them.
    shared_out_ = std::ssize(offsets_) >= 2 * int64_t{threads_} && threads_ > 1;
  }

  void run(const GemmPointers& pointers, std::byte* /*scratch*/) const override {
    const auto* a = static_cast<const T*>(swapped_ ? pointers.b : pointers.a);
    const auto* b = static_cast<const T*>(swapped_ ? pointers.a : pointers.b);
    auto* c = static_cast<T*>(pointers.c);
    const auto count = std::ssize(offsets_);
    if (!shared_out_) {
      const base::BlasThreads threads(threads_);
      for (int64_t i = 0; i < count; ++i) one(a, b, c, offsets_[static_cast<size_t>(i)]);
      return;
    }
#pragma omp parallel num_threads(threads_)
    {
      const base::BlasThreads alone(1);
#pragma omp for schedule(static)
      for (int64_t i = 0; i < count; ++i) one(a, b, c, offsets_[static_cast<size_t>(i)]);
    }
  }

  size_t scratch_bytes() const override { return 0; }
  std::string description() const override { return "blas"; }

 private:
  // BLAS counts by columns: by rows, C = A B is its C^T = B^T A^T.
  void one(const T* a, const T* b, T* c, const Offsets& at) const {
    const T alpha = 1;
    const char transpose_a = layouts_.a.by_rows ? 'N' : 'T';
    const char transpose_b = layouts_.b.by_rows ? 'N' : 'T';
    function<T>()(&transpose_b, &transpose_a, &n_, &m_, &k_, &alpha, b + at.b, &layouts_.b.leading,
                  a + at.a, &layouts_.a.leading, &beta_, c + at.c, &layouts_.c.leading);
  }

  int m_;
  int n_;
  int k_;
  Layouts layouts_;
  bool swapped_;
  T beta_;
  std::vector<Offsets> offsets_;
  int threads_;
  bool shared_out_ = false;
};

std::string refuse(const GemmProblem& problem) {
  if (std::string wrong = check(problem); !wrong.empty()) return wrong;
  const DType dtype = problem.a.dtype;
  if (problem.b.dtype != dtype || problem.c.dtype != dtype) return "BLAS wants one dtype";
  const bool there = dtype == DType::Float32   ? function<float>() != nullptr
                     : dtype == DType::Float64 ? function<double>() != nullptr
                                               : false;
  if (!there) return "no BLAS in the process has products of " + std::string(name_of(dtype));
  if (problem.packed_b) return "BLAS is given no packed format";
  if (std::max({problem.m, problem.n, problem.k}) > std::numeric_limits<int>::max()) {
    return "BLAS counts with 32 bits";
  }
  return {};
}

template <class T>
GemmResult make_gemm(const GemmProblem& problem) {
  for (const bool turn : {false, true}) {
    const GemmProblem form = turn ? transposed(problem) : problem;
    const std::optional<Layouts> layouts = layouts_of(form);
    if (layouts) return {std::make_unique<BlasGemm<T>>(form, *layouts, turn), {}};
  }
  return {nullptr, "BLAS reads dense rows or columns only: " + describe(problem)};
}

// What BLAS does itself.
bool is_plain(const GemmProblem& problem) {
  const bool accumulates =
      problem.post_ops.size() == 1 && problem.post_ops[0].kind == PostOpKind::Accumulate;
  return !problem.bias && (problem.post_ops.empty() || accumulates);
}

// What costs but a pass over the result after it.
bool is_cheap(const GemmProblem& problem) {
  return problem.c.dtype == DType::Float32 &&
         std::ranges::all_of(problem.post_ops, [](const GemmPostOp& op) {
           return op.kind == PostOpKind::Relu || has_other(op.kind);
         });
}

class BlasLibrary final : public GemmLibrary {
 public:
  std::string name() const override { return "blas"; }

  GemmResult make(const GemmProblem& problem) const override {
    if (std::string reason = refuse(problem); !reason.empty()) return {nullptr, std::move(reason)};
    if (!is_plain(problem)) {
      if (!is_cheap(problem)) return {nullptr, "BLAS has no bias and no such post-ops"};
      return finish_after(problem, make_gemm<float>);
    }
    return problem.a.dtype == DType::Float32 ? make_gemm<float>(problem)
                                             : make_gemm<double>(problem);
  }
};

}  // namespace

std::unique_ptr<GemmLibrary> blas_library() { return std::make_unique<BlasLibrary>(); }

}  // namespace trireme::compile
