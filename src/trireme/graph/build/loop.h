// SPDX-License-Identifier: Apache-2.0
// Writing Map and Reduce nodes: an iteration space, loads, an expression, stores.
//
//   Loop loop(lowering, lowering.output(0).sizes);
//   const Scalar a = loop.load(lowering.tensor(0), DType::Float32);
//   loop.store(lowering.output(0), a * 2.0);
//   loop.map();
#pragma once

#include <vector>

#include "trireme/graph/build/lowering.h"
#include "trireme/graph/build/scalar.h"

namespace trireme::graph {

class Loop {
 public:
  // Parallel dimensions, then reduction dimensions (for `reduce`).
  explicit Loop(Lowering& lowering, Extents parallel, Extents reduction = {});
  Loop(const Loop&) = delete;  // its scalars point here
  Loop& operator=(const Loop&) = delete;

  // The tensor's element at this point, at its own dtype. Broadcast to the iteration space; one
  // that has only the parallel dimensions of a reduction must be given with unsqueezed ones.
  Scalar load(const Tensor& tensor);
  Scalar load(const Tensor& tensor, DType dtype);  // cast to it
  Scalar number(const Number& number, DType dtype);
  Scalar constant(double value, DType dtype);
  Scalar constant(int64_t value, DType dtype);
  Scalar index(size_t dim);           // i64
  Scalar extent(size_t dim);          // i64: the size of the dimension
  Scalar size(const Extent& extent);  // i64: of any extent; declines a polynomial

  // The value, cast to the tensor's dtype, is what the tensor holds afterwards. Its sizes are the
  // parallel dimensions. All loads see what was there before.
  void store(const Tensor& tensor, Scalar value);

  // Ends it as a Map of all stores, ...
  void map();
  // ... or as a reduction of each stored value. It is accumulated in the value's dtype (ArgMaximum
  // and ArgMinimum give i64). Welford: two stores of one value.
  void reduce(ReduceOp op);

 private:
  Lowering& lowering_;
  Extents dims_;
  size_t parallel_;
  Expression expression_;
  std::vector<Operand> operands_;
  std::vector<Tensor> targets_;
  std::vector<Scalar> values_;
};

// dst = src, broadcast and cast.
void copy(Lowering& lowering, const Tensor& source, const Tensor& target);
void fill(Lowering& lowering, const Tensor& target, double value);
// A reduction over `dims` of the source into a new tensor (the kept dimensions in order), computed
// at `dtype`.
Tensor reduced(Lowering& lowering, ReduceOp op, const Tensor& source, std::span<const size_t> dims,
               DType dtype);
// The tensor with dimensions of size 1 put back at `dims`.
Tensor keep_dims(const Tensor& tensor, std::span<const size_t> dims);

}  // namespace trireme::graph
