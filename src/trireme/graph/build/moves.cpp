// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/build/moves.h"

#include <cmath>
#include <utility>

#include "trireme/graph/build/shape_views.h"

namespace trireme::graph {
namespace {

// Appends the index operands.
std::vector<IndexedDim> add_indices(Lowering& lowering, const std::vector<Indexed>& indexed,
                                    std::vector<Operand>& operands) {
  std::vector<IndexedDim> dims;
  for (const Indexed& one : indexed) {
    operands.push_back(lowering.read(one.index));
    dims.push_back({.stride = one.stride, .bound = one.bound, .wraps = one.wraps});
  }
  return dims;
}

}  // namespace

Tensor writable(Lowering& lowering, const Tensor& output, DType dtype) {
  if (output.dtype == dtype && !output.conj && !output.neg) return output;
  return lowering.temporary(dtype, output.sizes);
}

void finish(Lowering& lowering, const Tensor& made, const Tensor& output) {
  if (made.storage != output.storage) copy(lowering, made, output);
}

void start_from(Lowering& lowering, const Tensor& self, const Tensor& output) {
  if (!same_elements(self, output)) copy(lowering, self, output);
}

Scalar filling(Loop& loop, const Number& number, DType dtype) {
  if (number.input || number.dtype == DType::Complex128) return loop.number(number, dtype);
  const double real =
      number.dtype == DType::Float64 ? number.real : static_cast<double>(number.integer);
  if (dtype == DType::Bool) return loop.constant(static_cast<int64_t>(real != 0), dtype);
  if (number.dtype != DType::Float64 || !is_integral(dtype)) return loop.number(number, dtype);
  require(std::abs(real) < 0x1p63, "a number that the integers lack");
  return loop.constant(static_cast<int64_t>(real), dtype);
}

void fill(Lowering& lowering, const Tensor& target, const Number& number) {
  Loop loop(lowering, target.sizes);
  loop.store(target, filling(loop, number, target.dtype));
  loop.map();
}

Tensor reshape(Lowering& lowering, const Tensor& tensor, const Extents& sizes) {
  if (tensor.host || !is_contiguous(tensor)) {
    return reshaped_contiguous(lowering.materialise(tensor, tensor.dtype), sizes);
  }
  return reshaped_contiguous(tensor, sizes);
}

Tensor index_tensor(Lowering& lowering, const Tensor& index) {
  require(index.dtype == DType::Int64 || index.dtype == DType::Int32,
          "indices that are not int64 or int32");
  return lowering.plain(index);
}

void gather(Lowering& lowering, const Tensor& source, const std::vector<Indexed>& indexed,
            const Tensor& output) {
  std::vector<Operand> operands = {lowering.read(source)};
  Gather primitive{add_indices(lowering, indexed, operands)};
  const Tensor made = writable(lowering, output, source.dtype);
  lowering.append(std::move(primitive), output.sizes, output.rank(), std::move(operands),
                  std::span(&made, 1));
  finish(lowering, made, output);
}

void scatter(Lowering& lowering, ScatterOp op, const Tensor& target, const Tensor& updates,
             const std::vector<Indexed>& indexed) {
  require(!target.conj && !target.neg, "a scatter into a view of conjugates or negatives");
  require(op == ScatterOp::Set || target.dtype != DType::Bool, "a combining scatter of bool");
  const bool direct =
      updates.dtype == target.dtype && !updates.host && !updates.conj && !updates.neg;
  const Tensor values = direct ? updates : lowering.materialise(updates, target.dtype);
  std::vector<Operand> operands = {lowering.read(values)};
  Scatter primitive{op, add_indices(lowering, indexed, operands)};
  lowering.append(std::move(primitive), updates.sizes, updates.rank(), std::move(operands),
                  std::span(&target, 1));
}

}  // namespace trireme::graph
