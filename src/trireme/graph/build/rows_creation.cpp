// SPDX-License-Identifier: Apache-2.0
// Tensors made of numbers and positions.
#include <optional>

#include "trireme/graph/build/loop.h"
#include "trireme/graph/build/moves.h"
#include "trireme/graph/build/op_table.h"

namespace trireme::graph {
namespace {

// Holds nothing until it is written.
void empty_row(Lowering&) {}

template <int kValue>
void constant_row(Lowering& lowering) {
  fill(lowering, lowering.output(0), static_cast<double>(kValue));
}

template <size_t kArg>
void fill_row(Lowering& lowering) {
  fill(lowering, lowering.output(0), lowering.number(kArg));
}

void fill_tensor_row(Lowering& lowering) {
  const Tensor& value = lowering.tensor(1);
  require(value.rank() == 0, "a fill value with dimensions");
  copy(lowering, value, lowering.output(0));
}

// start + i * step, in double for floating types as ATen's CPU kernels (float for those of 16
// bits).
void arange(Lowering& lowering, const Number* start, const Number* step) {
  const Tensor& target = lowering.output(0);
  require(target.rank() == 1, "a range that is no vector");
  require(!is_complex(target.dtype), "a complex range");
  DType type = DType::Int64;
  if (is_floating(target.dtype)) {
    type = compute_type(target.dtype) == target.dtype ? DType::Float64 : DType::Float32;
  }
  Loop loop(lowering, target.sizes);
  Scalar value = cast(loop.index(0), type);
  if (step != nullptr) value = value * filling(loop, *step, type);
  if (start != nullptr) value = filling(loop, *start, type) + value;
  loop.store(target, value);
  loop.map();
}

void arange_end_row(Lowering& lowering) { arange(lowering, nullptr, nullptr); }
void arange_start_row(Lowering& lowering) { arange(lowering, &lowering.number(0), nullptr); }
void arange_step_row(Lowering& lowering) {
  arange(lowering, &lowering.number(0), &lowering.number(2));
}

// Each half is counted from its own end.
void linspace_row(Lowering& lowering) {
  const Tensor& target = lowering.output(0);
  require(is_floating(target.dtype), "linspace of integers or complex numbers");
  const auto steps = lowering.extent(2).constant();
  if (!steps) decline("linspace of a size that varies");
  const DType type = compute_type(target.dtype);
  Loop loop(lowering, target.sizes);
  const Scalar start = filling(loop, lowering.number(0), type);
  if (*steps <= 1) {
    loop.store(target, start);
    loop.map();
    return;
  }
  const Scalar end = filling(loop, lowering.number(1), type);
  const Scalar step = (end - start) / static_cast<double>(*steps - 1);
  const Scalar index = loop.index(0);
  const int64_t half = *steps / 2;
  const auto middle = static_cast<double>(half);
  const Scalar from_end = cast(static_cast<double>(*steps - 1) - index, type);
  const Scalar first = start + cast(index, type) * step;
  const Scalar second = end - from_end * step;
  loop.store(target, select(index < middle, first, second));
  loop.map();
}

void eye_row(Lowering& lowering) {
  const Tensor& target = lowering.output(0);
  Loop loop(lowering, target.sizes);
  const Scalar row = loop.index(0);
  loop.store(target, cast(row == loop.index(1), target.dtype));
  loop.map();
}

// `lower`: keeps what is on or below the diagonal, else on or above it.
void triangle(Lowering& lowering, bool lower) {
  const Tensor& target = lowering.output(0);
  const size_t rank = target.rank();
  require(rank >= 2, "a triangle of a vector");
  const auto diagonal = static_cast<double>(lowering.integer(1));
  Loop loop(lowering, target.sizes);
  const Scalar value = loop.load(lowering.tensor(0));
  const Scalar row = loop.index(rank - 2);
  const Scalar distance = loop.index(rank - 1) - row;
  loop.store(target,
             select(lower ? distance <= diagonal : distance >= diagonal, value, value.constant(0)));
  loop.map();
}

void tril_row(Lowering& lowering) { triangle(lowering, true); }
void triu_row(Lowering& lowering) { triangle(lowering, false); }

}  // namespace

void add_creation_rows(OpTable& table) {
  table.add({"empty.memory_format", "empty.out", "empty_strided", "empty_like", "empty_like.out",
             "empty_permuted", "new_empty", "new_empty.out", "new_empty_strided"},
            empty_row);
  table.add({"zeros", "zeros.out", "zeros_like", "zeros_like.out", "new_zeros", "new_zeros.out",
             "zero_", "zero", "zero.out"},
            constant_row<0>);
  table.add({"ones", "ones.out", "ones_like", "ones_like.out", "new_ones", "new_ones.out"},
            constant_row<1>);
  table.add({"scalar_tensor", "scalar_tensor.out"}, fill_row<0>);
  table.add({"full", "full.out", "full_like", "full_like.out", "fill.Scalar", "fill_.Scalar",
             "fill.Scalar_out"},
            fill_row<1>);
  table.add({"new_full", "new_full.out"}, fill_row<2>);
  table.add({"fill.Tensor", "fill_.Tensor", "fill.Tensor_out"}, fill_tensor_row);
  table.add({"arange", "arange.out"}, arange_end_row);
  table.add({"arange.start", "range", "range.out_"}, arange_start_row);
  table.add({"arange.start_step", "arange.start_out", "range.step", "range.out"}, arange_step_row);
  table.add({"linspace", "linspace.out"}, linspace_row);
  table.add({"eye", "eye.m", "eye.out", "eye.m_out"}, eye_row);
  table.add({"tril", "tril_", "tril.out"}, tril_row);
  table.add({"triu", "triu_", "triu.out"}, triu_row);
}

}  // namespace trireme::graph
