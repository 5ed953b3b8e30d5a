// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/build/loop.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace trireme::graph {

Loop::Loop(Lowering& lowering, Extents parallel, Extents reduction)
    : lowering_(lowering), dims_(std::move(parallel)), parallel_(dims_.size()) {
  dims_.insert(dims_.end(), reduction.begin(), reduction.end());
}

Scalar Loop::load(const Tensor& tensor) {
  if (tensor.host) return number(*tensor.host, tensor.dtype);
  Operand operand = lowering_.read(expand(tensor, dims_));
  size_t index = 0;
  while (index < operands_.size() &&
         !(operands_[index].value == operand.value && operands_[index].dtype == operand.dtype &&
           operands_[index].view == operand.view)) {
    ++index;
  }
  if (index == operands_.size()) operands_.push_back(std::move(operand));
  Scalar value(expression_, expression_.add({.op = ScalarOp::Load,
                                             .dtype = tensor.dtype,
                                             .index = static_cast<uint32_t>(index)}));
  if (tensor.conj) value = apply(ScalarOp::Conj, value);
  if (tensor.neg) value = -value;
  return value;
}

Scalar Loop::load(const Tensor& tensor, DType dtype) { return cast(load(tensor), dtype); }

Scalar Loop::number(const Number& number, DType dtype) {
  if (number.input) {
    return {expression_,
            expression_.add({.op = ScalarOp::Number, .dtype = dtype, .index = *number.input})};
  }
  switch (number.dtype) {
    case DType::Float64:
      if (is_integral(dtype)) return constant(static_cast<int64_t>(number.real), dtype);
      return constant(number.real, dtype);
    case DType::Complex128: {
      require(is_complex(dtype), "a complex number of a real computation");
      const DType part = dtype == DType::Complex64 ? DType::Float32 : DType::Float64;
      return apply(ScalarOp::Complex, constant(number.real, part), constant(number.imag, part));
    }
    default:
      if (!is_integral(dtype)) return constant(static_cast<double>(number.integer), dtype);
      return constant(number.integer, dtype);
  }
}

Scalar Loop::constant(double value, DType dtype) {
  if (is_integral(dtype)) throw std::logic_error("a floating constant of an integral dtype");
  return {expression_, expression_.add({.op = ScalarOp::Constant, .dtype = dtype, .value = value})};
}

Scalar Loop::constant(int64_t value, DType dtype) {
  if (!is_integral(dtype)) return constant(static_cast<double>(value), dtype);
  return {expression_,
          expression_.add({.op = ScalarOp::Constant, .dtype = dtype, .integer = value})};
}

Scalar Loop::index(size_t dim) {
  return {expression_,
          expression_.add(
              {.op = ScalarOp::Index, .dtype = DType::Int64, .index = static_cast<uint32_t>(dim)})};
}

Scalar Loop::extent(size_t dim) {
  return {expression_, expression_.add({.op = ScalarOp::Extent,
                                        .dtype = DType::Int64,
                                        .index = static_cast<uint32_t>(dim)})};
}

Scalar Loop::size(const Extent& extent) {
  if (const auto value = extent.constant()) return constant(*value, DType::Int64);
  const auto found = std::ranges::find(dims_, extent);
  if (found == dims_.end()) decline("a size that varies");
  return this->extent(static_cast<size_t>(found - dims_.begin()));
}

void Loop::store(const Tensor& tensor, Scalar value) {
  targets_.push_back(tensor);
  values_.push_back(value);
}

void Loop::map() {
  for (size_t i = 0; i < targets_.size(); ++i) {
    Scalar value = cast(values_[i], targets_[i].dtype);
    if (targets_[i].conj) value = apply(ScalarOp::Conj, value);
    if (targets_[i].neg) value = -value;
    expression_.roots.push_back(value.id());
  }
  lowering_.append(Map{std::move(expression_)}, std::move(dims_), parallel_, std::move(operands_),
                   targets_);
}

void Loop::reduce(ReduceOp op) {
  const bool positions = op == ReduceOp::ArgMaximum || op == ReduceOp::ArgMinimum;
  const size_t roots = op == ReduceOp::Welford ? 1 : values_.size();
  for (size_t i = 0; i < roots; ++i) expression_.roots.push_back(values_[i].id());
  std::vector<Tensor> results;
  for (size_t i = 0; i < targets_.size(); ++i) {
    const DType dtype = positions ? DType::Int64 : values_[i].dtype();
    const bool direct = targets_[i].dtype == dtype && !targets_[i].conj && !targets_[i].neg;
    results.push_back(direct ? targets_[i] : lowering_.temporary(dtype, targets_[i].sizes));
  }
  lowering_.append(Reduce{op, std::move(expression_)}, std::move(dims_), parallel_,
                   std::move(operands_), results);
  for (size_t i = 0; i < targets_.size(); ++i) {
    if (results[i].storage != targets_[i].storage) copy(lowering_, results[i], targets_[i]);
  }
}

void copy(Lowering& lowering, const Tensor& source, const Tensor& target) {
  Loop loop(lowering, target.sizes);
  loop.store(target, loop.load(source));
  loop.map();
}

void fill(Lowering& lowering, const Tensor& target, double value) {
  Loop loop(lowering, target.sizes);
  loop.store(target, is_integral(target.dtype)
                         ? loop.constant(static_cast<int64_t>(value), target.dtype)
                         : loop.constant(value, target.dtype));
  loop.map();
}

Tensor reduced(Lowering& lowering, ReduceOp op, const Tensor& source, std::span<const size_t> dims,
               DType dtype) {
  const Tensor ordered = permute(source, parallel_first(source.rank(), dims));
  const auto middle = ordered.sizes.begin() + static_cast<ptrdiff_t>(source.rank() - dims.size());
  const Extents kept(ordered.sizes.begin(), middle);
  const bool positions = op == ReduceOp::ArgMaximum || op == ReduceOp::ArgMinimum;
  Tensor result = lowering.temporary(positions ? DType::Int64 : dtype, kept);
  Loop loop(lowering, kept, Extents(middle, ordered.sizes.end()));
  loop.store(result, loop.load(ordered, dtype));
  loop.reduce(op);
  return result;
}

Tensor keep_dims(const Tensor& tensor, std::span<const size_t> dims) {
  std::vector<size_t> sorted(dims.begin(), dims.end());
  std::ranges::sort(sorted);
  Tensor result = tensor;
  for (const size_t dim : sorted) result = unsqueeze(result, dim);
  return result;
}

}  // namespace trireme::graph
