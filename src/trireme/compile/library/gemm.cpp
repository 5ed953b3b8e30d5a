// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/library/gemm.h"

#include <cstdlib>
#include <utility>

#include "trireme/base/errors.h"

namespace trireme::compile {
namespace {

void transpose(GemmMatrix& matrix) { std::swap(matrix.row_stride, matrix.column_stride); }

// Whether two points of a dimension fall on one element of C.
bool writes_twice(const GemmProblem& problem) {
  if (problem.m > 1 && problem.c.row_stride == 0) return true;
  if (problem.n > 1 && problem.c.column_stride == 0) return true;
  for (size_t i = 0; i < problem.batch.size(); ++i) {
    if (problem.batch[i] > 1 && problem.c.batch_strides[i] == 0) return true;
  }
  return false;
}

}  // namespace

int64_t GemmProblem::batch_count() const {
  int64_t count = 1;
  for (const int64_t size : batch) count *= size;
  return count;
}

double GemmProblem::flops() const {
  return 2.0 * static_cast<double>(batch_count()) * static_cast<double>(m) *
         static_cast<double>(n) * static_cast<double>(k);
}

GemmProblem transposed(const GemmProblem& problem) {
  GemmProblem result = problem;
  std::swap(result.m, result.n);
  std::swap(result.a, result.b);
  transpose(result.a);
  transpose(result.b);
  transpose(result.c);
  if (result.bias) result.bias->along_m = !result.bias->along_m;
  for (GemmPostOp& op : result.post_ops) transpose(op.other);
  return result;
}

std::string check(const GemmProblem& problem) {
  if (problem.m <= 0 || problem.n <= 0 || problem.k <= 0) return "a size is not positive";
  const size_t rank = problem.batch.size();
  for (const int64_t size : problem.batch) {
    if (size <= 0) return "a batch size is not positive";
  }
  for (const GemmMatrix* matrix : {&problem.a, &problem.b, &problem.c}) {
    if (matrix->batch_strides.size() != rank) return "a matrix lacks batch strides";
  }
  for (const GemmPostOp& op : problem.post_ops) {
    if (has_other(op.kind) && op.other.batch_strides.size() != rank) {
      return "a tensor of a post-op lacks batch strides";
    }
  }
  if (writes_twice(problem)) return "two points of the result are one element";
  return {};
}

std::string describe(const GemmProblem& problem) {
  std::string text = std::string(name_of(problem.a.dtype)) + " x " +
                     std::string(name_of(problem.b.dtype)) + " -> " +
                     std::string(name_of(problem.c.dtype)) + " ";
  for (const int64_t size : problem.batch) text += std::to_string(size) + "x";
  return text + "[" + std::to_string(problem.m) + ", " + std::to_string(problem.n) + ", " +
         std::to_string(problem.k) + "]";
}

int64_t span_of(const GemmMatrix& matrix, std::span<const int64_t> batch, int64_t rows,
                int64_t columns) {
  int64_t last =
      (rows - 1) * std::abs(matrix.row_stride) + (columns - 1) * std::abs(matrix.column_stride);
  for (size_t i = 0; i < batch.size(); ++i) {
    last += (batch[i] - 1) * std::abs(matrix.batch_strides[i]);
  }
  return last + 1;
}

int64_t batch_offset(const GemmMatrix& matrix, std::span<const int64_t> batch, int64_t number) {
  int64_t offset = 0;
  for (size_t i = batch.size(); i-- > 0;) {
    offset += number % batch[i] * matrix.batch_strides[i];
    number /= batch[i];
  }
  return offset;
}

void Gemm::pack(const void* /*b*/, std::byte* /*packed*/, std::byte* /*scratch*/) const {
  throw Error("Gemm::pack: " + description() +
              " was made without packing; set GemmProblem::packed_b");
}

}  // namespace trireme::compile
