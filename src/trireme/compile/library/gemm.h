// SPDX-License-Identifier: Apache-2.0
// Matrix products by a library: what is asked for, and what a library makes of it.
//
//   C[batch, m, n] = post_ops(sum over k of A[batch, m, k] * B[batch, k, n] + bias)
//
// A product is prepared once and run many times, on memory of the caller's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "trireme/compile/library/post_op.h"
#include "trireme/graph/ir/dtype.h"

namespace trireme::compile {

using graph::DType;

// How a matrix, or a stack of them, lies in memory. Strides count elements.
struct GemmMatrix {
  DType dtype = DType::Float32;
  int64_t row_stride = 0;
  int64_t column_stride = 0;
  std::vector<int64_t> batch_strides{};  // one per batch dimension; 0: the same for all
  bool operator==(const GemmMatrix&) const = default;
};

// A vector with unit stride, added to the sum before the post-ops.
struct GemmBias {
  DType dtype = DType::Float32;
  bool along_m = false;  // of m elements, else of n
  bool operator==(const GemmBias&) const = default;
};

struct GemmPostOp {
  PostOpKind kind = PostOpKind::Relu;
  GemmMatrix other{};  // of Multiply and Add: [batch, m, n], stride 0 where it is broadcast
  bool operator==(const GemmPostOp&) const = default;
};

struct GemmProblem {
  std::vector<int64_t> batch{};  // sizes; all sizes are positive
  int64_t m = 1;
  int64_t n = 1;
  int64_t k = 1;
  GemmMatrix a{};  // rows m, columns k
  GemmMatrix b{};  // rows k, columns n
  GemmMatrix c{};  // rows m, columns n; no two elements in one place
  std::optional<GemmBias> bias{};
  std::vector<GemmPostOp> post_ops{};  // applied in this order
  bool packed_b = false;               // B is given in the library's own format, made by Gemm::pack
  bool operator==(const GemmProblem&) const = default;

  int64_t batch_count() const;
  double flops() const;  // of the sums: 2 * batch * m * n * k
};

// The same product as C^T = B^T A^T. Of a problem without packing.
GemmProblem transposed(const GemmProblem& problem);

// What is wrong with the problem itself (sizes, ranks, dtypes); empty: nothing.
std::string check(const GemmProblem& problem);

// f32 x bf16 -> f32 4x[128, 256, 512], for messages.
std::string describe(const GemmProblem& problem);

// Elements from the first to the last one that a matrix touches, and one more.
int64_t span_of(const GemmMatrix& matrix, std::span<const int64_t> batch, int64_t rows,
                int64_t columns);

// Elements from the first matrix of a stack to the one of this number, the last dimension fastest.
int64_t batch_offset(const GemmMatrix& matrix, std::span<const int64_t> batch, int64_t number);

struct GemmPointers {
  const void* a = nullptr;
  const void* b = nullptr;  // or what pack() wrote
  void* c = nullptr;
  const void* bias = nullptr;
  // One for each Multiply, Add (of the tensor's dtype) and Scale (one float), in the post-ops'
  // order.
  std::span<const void* const> others{};
};

// A prepared product.
class Gemm {
 public:
  Gemm() = default;
  Gemm(const Gemm&) = delete;
  Gemm& operator=(const Gemm&) = delete;
  virtual ~Gemm() = default;

  // `scratch`: scratch_bytes() bytes, aligned to 64. C may not overlap what is read, except that
  // Accumulate reads C. Runs may be concurrent, each with its own scratch. Uses as many threads as
  // OpenMP had when this was made.
  virtual void run(const GemmPointers& pointers, std::byte* scratch) const = 0;
  virtual size_t scratch_bytes() const = 0;

  // Of a problem with packed_b: brings B (as problem.b says) to the library's format. `packed` is
  // packed_bytes() bytes, aligned to 64.
  virtual size_t packed_bytes() const { return 0; }
  virtual void pack(const void* b, std::byte* packed, std::byte* scratch) const;
  // Names the library's format: products with equal ones of the same B may share what pack() wrote.
  virtual std::string packed_format() const { return {}; }

  // Which kernel, and which copies it makes: "onednn brg:avx512_core, copies A".
  virtual std::string description() const = 0;
};

// A Gemm, or why there is none.
struct GemmResult {
  std::unique_ptr<Gemm> gemm;
  std::string reason;
};

class GemmLibrary {
 public:
  GemmLibrary() = default;
  GemmLibrary(const GemmLibrary&) = delete;
  GemmLibrary& operator=(const GemmLibrary&) = delete;
  virtual ~GemmLibrary() = default;
  virtual std::string name() const = 0;  // one word
  // Whether it runs only what no other takes.
  virtual bool last_resort() const { return false; }
  virtual GemmResult make(const GemmProblem& problem) const = 0;
};

// oneDNN: f32, bf16 (on processors with AVX-512) and f16 (where the processor has no f16
// arithmetic, by copies to f32), C of these or f32. Operands that its kernels cannot read in place
// are copied into the scratch.
std::unique_ptr<GemmLibrary> onednn_library();

// The BLAS that libtorch has brought into the process: f32 and f64, all three matrices of one
// dtype, rows or columns dense. Post-ops but Accumulate are done after the product, and only of f32
// and where they are cheap. Declines everything where there is none.
std::unique_ptr<GemmLibrary> blas_library();

// Plain loops over any strides: f32, f64, i32, i64 and narrower integers (which wrap), all three
// matrices of one dtype. For what no library takes.
std::unique_ptr<GemmLibrary> loop_library();

}  // namespace trireme::compile
