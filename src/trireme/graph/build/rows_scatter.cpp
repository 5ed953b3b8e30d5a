// SPDX-License-Identifier: Apache-2.0
// scatter and its reductions, along one dimension.
#include <array>
#include <limits>
#include <string_view>
#include <utility>

#include "trireme/graph/build/loop.h"
#include "trireme/graph/build/moves.h"
#include "trireme/graph/build/op_table.h"
#include "trireme/graph/build/shape_views.h"

namespace trireme::graph {
namespace {

// Where scatter(self, dim, index, ...) writes: the output over the index's iteration space.
struct Place {
  Tensor view;
  Indexed indexed;
};

Place place_of(Lowering& lowering) {
  const Tensor output = with_dimension(lowering.output(0));
  const Tensor index = with_dimension(index_tensor(lowering, lowering.tensor(2)));
  require(output.rank() == index.rank(), "indices of other dimensions");
  const size_t dim = wrap_dim(lowering.integer(1), output.rank());
  Tensor view = output;
  view.sizes = index.sizes;
  view.strides[dim] = 0;
  return {.view = std::move(view),
          .indexed = {.index = index, .stride = output.strides[dim], .bound = output.sizes[dim]}};
}

// As much of src as there are indices.
Tensor source_at(const Tensor& source, const Extents& sizes) {
  Tensor result = with_dimension(source);
  require(result.rank() == sizes.size() && !source.host, "a source of other dimensions");
  result.sizes = sizes;
  return result;
}

void scatter_source(Lowering& lowering, ScatterOp op) {
  const Place place = place_of(lowering);
  start_from(lowering, lowering.tensor(0), lowering.output(0));
  scatter(lowering, op, place.view, source_at(lowering.tensor(3), place.view.sizes),
          {place.indexed});
}

void scatter_value(Lowering& lowering, ScatterOp op) {
  const Place place = place_of(lowering);
  Tensor value = lowering.temporary(lowering.output(0).dtype, {});
  fill(lowering, value, lowering.number(3));
  start_from(lowering, lowering.tensor(0), lowering.output(0));
  scatter(lowering, op, place.view, expand(value, place.view.sizes), {place.indexed});
}

ScatterOp op_named(std::string_view name) {
  if (name == "add" || name == "sum") return ScatterOp::Add;
  if (name == "multiply" || name == "prod") return ScatterOp::Product;
  if (name == "amax") return ScatterOp::Maximum;
  if (name == "amin") return ScatterOp::Minimum;
  decline("reduction " + std::string(name));
}

void scatter_source_row(Lowering& lowering) { scatter_source(lowering, ScatterOp::Set); }
void scatter_value_row(Lowering& lowering) { scatter_value(lowering, ScatterOp::Set); }
void scatter_add_row(Lowering& lowering) { scatter_source(lowering, ScatterOp::Add); }
void scatter_reduce_row(Lowering& lowering) {
  scatter_source(lowering, op_named(lowering.text(4)));
}
void scatter_value_reduce_row(Lowering& lowering) {
  scatter_value(lowering, op_named(lowering.text(4)));
}

int64_t lowest(DType dtype) {
  if (dtype == DType::Int64) return std::numeric_limits<int64_t>::min();
  return is_signed(dtype) ? -(int64_t{1} << (8 * size_of(dtype) - 1)) : 0;
}

int64_t highest(DType dtype) {
  if (dtype == DType::Int64) return std::numeric_limits<int64_t>::max();
  return (int64_t{1} << (8 * size_of(dtype) - (is_signed(dtype) ? 1 : 0))) - 1;
}

// What does not change what is combined with it.
Scalar identity(Loop& loop, ScatterOp op, DType dtype) {
  const bool integers = is_integral(dtype);
  switch (op) {
    case ScatterOp::Product:
      return loop.constant(int64_t{1}, dtype);
    case ScatterOp::Maximum:
      if (integers) return loop.constant(lowest(dtype), dtype);
      return loop.constant(-std::numeric_limits<double>::infinity(), dtype);
    case ScatterOp::Minimum:
      if (integers) return loop.constant(highest(dtype), dtype);
      return loop.constant(std::numeric_limits<double>::infinity(), dtype);
    default:
      return loop.constant(int64_t{0}, dtype);
  }
}

void put_identity(Lowering& lowering, ScatterOp op, const Place& place) {
  const Tensor value = lowering.temporary(place.view.dtype, {});
  Loop loop(lowering, {});
  loop.store(value, identity(loop, op, place.view.dtype));
  loop.map();
  scatter(lowering, ScatterOp::Set, place.view, expand(value, place.view.sizes), {place.indexed});
}

// Divides the sums by how many went into them.
void divide_by_counts(Lowering& lowering, const Place& place, bool include_self) {
  const Tensor& output = lowering.output(0);
  const DType counts_type = is_integral(output.dtype) ? DType::Int64 : compute_type(output.dtype);
  const Tensor made = lowering.temporary(counts_type, output.sizes);
  const Tensor counts = with_dimension(made);
  fill(lowering, counts, include_self ? 1 : 0);
  const Tensor one = lowering.temporary(counts_type, {});
  fill(lowering, one, 1);
  Place counted = place;
  const size_t dim = wrap_dim(lowering.integer(1), output.rank());
  counted.view = counts;
  counted.view.sizes = place.view.sizes;
  counted.view.strides[dim] = 0;
  counted.indexed.stride = counts.strides[dim];
  scatter(lowering, ScatterOp::Add, counted.view, expand(one, counted.view.sizes),
          {counted.indexed});
  Loop loop(lowering, output.sizes);
  const Scalar count = loop.load(made);
  const Scalar divisor = select(count < 1, count.constant(1), count);
  const Scalar sum = loop.load(output, counts_type);
  loop.store(output,
             is_integral(output.dtype) ? apply(ScalarOp::FloorDiv, sum, divisor) : sum / divisor);
  loop.map();
}

// scatter_reduce and index_reduce: their arguments have the same positions.
void reduce_at(Lowering& lowering, const Place& place, const Tensor& source) {
  const bool mean = lowering.text(4) == "mean";
  const ScatterOp op = mean ? ScatterOp::Add : op_named(lowering.text(4));
  const bool include_self = !lowering.given(5) || lowering.flag(5);
  const Tensor& output = lowering.output(0);
  require(output.dtype != DType::Bool, "scatter_reduce of bool");
  require(!mean || !is_complex(output.dtype), "scatter_reduce mean of complex numbers");
  require(!output.conj && !output.neg, "scatter_reduce into conjugates or negatives");
  start_from(lowering, lowering.tensor(0), output);
  if (!include_self) put_identity(lowering, op, place);
  scatter(lowering, op, place.view, source, {place.indexed});
  if (mean) divide_by_counts(lowering, place, include_self);
}

void scatter_reduce_two_row(Lowering& lowering) {
  const Place place = place_of(lowering);
  reduce_at(lowering, place, source_at(lowering.tensor(3), place.view.sizes));
}

// The index is a vector: it moves whole slices of the source.
void index_reduce_row(Lowering& lowering) {
  const Tensor output = with_dimension(lowering.output(0));
  const Tensor source = with_dimension(lowering.tensor(3));
  const Tensor index = with_dimension(index_tensor(lowering, lowering.tensor(2)));
  require(source.rank() == output.rank() && index.rank() == 1, "indices of other dimensions");
  const size_t dim = wrap_dim(lowering.integer(1), output.rank());
  Place place{.view = output, .indexed = {}};
  place.view.sizes = source.sizes;
  place.view.strides[dim] = 0;
  const std::array<size_t, 1> at = {dim};
  place.indexed = {.index = placed(index, source.sizes, at),
                   .stride = output.strides[dim],
                   .bound = output.sizes[dim]};
  reduce_at(lowering, place, source);
}

}  // namespace

void add_scatter_rows(OpTable& table) {
  table.add({"scatter.src", "scatter_.src", "scatter.src_out"}, scatter_source_row);
  table.add({"scatter.value", "scatter_.value", "scatter.value_out"}, scatter_value_row);
  table.add({"scatter.reduce", "scatter_.reduce", "scatter.reduce_out"}, scatter_reduce_row);
  table.add({"scatter.value_reduce", "scatter_.value_reduce", "scatter.value_reduce_out"},
            scatter_value_reduce_row);
  table.add({"scatter_add", "scatter_add_", "scatter_add.out"}, scatter_add_row);
  table.add({"scatter_reduce.two", "scatter_reduce_.two", "scatter_reduce.two_out"},
            scatter_reduce_two_row);
  table.add({"index_reduce", "index_reduce_", "index_reduce.out"}, index_reduce_row);
}

}  // namespace trireme::graph
