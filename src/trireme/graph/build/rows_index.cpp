// SPDX-License-Identifier: Apache-2.0
// Indexing by tensors: x[i, :, j], its assignment, index_select, gather, take. Masks decline.
#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "trireme/graph/build/loop.h"
#include "trireme/graph/build/moves.h"
#include "trireme/graph/build/op_table.h"
#include "trireme/graph/build/shape_views.h"

namespace trireme::graph {
namespace {

// x[indices]: its iteration space, what of x lies there before the indices move it, and the
// indices.
struct Selection {
  Tensor view;
  std::vector<Indexed> indexed;
};

// As torch's advanced indexing: indexed dimensions that are neighbours are replaced where they are,
// else the indices' dimensions come first.
Selection select_by(Lowering& lowering, const Tensor& self, std::span<const Tensor> indices) {
  require(indices.size() <= self.rank(), "more indices than dimensions");
  std::vector<size_t> dims;
  std::vector<Extents> sizes;
  for (size_t i = 0; i < indices.size(); ++i) {
    if (!indices[i].defined()) continue;
    dims.push_back(i);
    sizes.push_back(indices[i].sizes);
  }
  require(!dims.empty(), "no index");
  const Extents moved = broadcast_sizes(sizes);
  const bool neighbours = dims.back() - dims.front() + 1 == dims.size();
  const size_t at = neighbours ? dims.front() : 0;

  Selection result{.view = self, .indexed = {}};
  Tensor& view = result.view;
  view.sizes.clear();
  view.strides.clear();
  for (size_t i = 0; i < self.rank(); ++i) {
    if (std::ranges::find(dims, i) != dims.end()) continue;
    view.sizes.push_back(self.sizes[i]);
    view.strides.push_back(self.strides[i]);
  }
  const auto where = static_cast<ptrdiff_t>(at);
  view.sizes.insert(view.sizes.begin() + where, moved.begin(), moved.end());
  view.strides.insert(view.strides.begin() + where, moved.size(), Extent(0));

  std::vector<size_t> places(moved.size());
  std::iota(places.begin(), places.end(), at);
  for (const size_t dim : dims) {
    const Tensor index = expand(index_tensor(lowering, indices[dim]), moved);
    result.indexed.push_back({.index = placed(index, view.sizes, places),
                              .stride = self.strides[dim],
                              .bound = self.sizes[dim],
                              .wraps = true});
  }
  return result;
}

bool any_given(std::span<const Tensor> indices) {
  return std::ranges::any_of(indices, [](const Tensor& index) { return index.defined(); });
}

void index_row(Lowering& lowering) {
  const auto indices = lowering.tensors(1);
  if (!any_given(indices)) return copy(lowering, lowering.tensor(0), lowering.output(0));
  const Tensor self = lowering.plain(lowering.tensor(0));
  const Selection selection = select_by(lowering, self, indices);
  gather(lowering, selection.view, selection.indexed, lowering.output(0));
}

void index_put_row(Lowering& lowering) {
  const auto indices = lowering.tensors(1);
  const Tensor& output = lowering.output(0);
  const bool accumulate = lowering.given(3) && lowering.flag(3);
  require(any_given(indices), "no index");
  const Selection selection = select_by(lowering, output, indices);
  const Tensor values = expand(lowering.tensor(2), selection.view.sizes);
  start_from(lowering, lowering.tensor(0), output);
  scatter(lowering, accumulate ? ScatterOp::Add : ScatterOp::Set, selection.view, values,
          selection.indexed);
}

void index_select_row(Lowering& lowering) {
  const Tensor self = with_dimension(lowering.plain(lowering.tensor(0)));
  const size_t dim = wrap_dim(lowering.integer(1), self.rank());
  const Tensor index = with_dimension(index_tensor(lowering, lowering.tensor(2)));
  const Tensor output = with_dimension(lowering.output(0));
  Tensor view = self;
  view.sizes = output.sizes;
  view.strides[dim] = 0;
  const std::array<size_t, 1> at = {dim};
  gather(lowering, view,
         {{.index = placed(index, output.sizes, at),
           .stride = self.strides[dim],
           .bound = self.sizes[dim]}},
         output);
}

// index_add, index_copy, index_fill: `updates` lie along `dim` as the indices.
void update_indexed(Lowering& lowering, ScatterOp op, const Tensor& updates, bool wraps) {
  const Tensor output = with_dimension(lowering.output(0));
  const size_t dim = wrap_dim(lowering.integer(1), output.rank());
  const Tensor index = with_dimension(index_tensor(lowering, lowering.tensor(2)));
  Tensor view = output;
  view.sizes[dim] = index.sizes[0];
  view.strides[dim] = 0;
  const std::array<size_t, 1> at = {dim};
  const Indexed indexed{.index = placed(index, view.sizes, at),
                        .stride = output.strides[dim],
                        .bound = output.sizes[dim],
                        .wraps = wraps};
  require(updates.rank() <= view.rank(), "updates with more dimensions than the tensor");
  const Tensor values = expand(updates, view.sizes);
  start_from(lowering, lowering.tensor(0), lowering.output(0));
  scatter(lowering, op, view, values, {indexed});
}

void index_add_row(Lowering& lowering) {
  const Tensor& source = lowering.tensor(3);
  const Tensor& output = lowering.output(0);
  Tensor updates = source;
  const bool unit = !lowering.given(4) ||
                    (!lowering.number(4).input.has_value() &&
                     lowering.number(4).dtype == DType::Int64 && lowering.number(4).integer == 1);
  if (!unit) {
    updates = lowering.temporary(output.dtype, source.sizes);
    Loop loop(lowering, source.sizes);
    const DType type = compute_type(output.dtype);
    const Scalar value = loop.load(source, type);
    loop.store(updates, value * filling(loop, lowering.number(4), type));
    loop.map();
  }
  update_indexed(lowering, ScatterOp::Add, updates, false);
}

void index_copy_row(Lowering& lowering) {
  update_indexed(lowering, ScatterOp::Set, lowering.tensor(3), false);
}

void index_fill_row(Lowering& lowering) {
  Tensor value = lowering.temporary(lowering.output(0).dtype, {});
  fill(lowering, value, lowering.number(3));
  update_indexed(lowering, ScatterOp::Set, value, true);
}

void index_fill_tensor_row(Lowering& lowering) {
  const Tensor& value = lowering.tensor(3);
  require(value.rank() == 0, "a fill value with dimensions");
  update_indexed(lowering, ScatterOp::Set, value, true);
}

void gather_row(Lowering& lowering) {
  const Tensor self = with_dimension(lowering.plain(lowering.tensor(0)));
  const Tensor index = with_dimension(index_tensor(lowering, lowering.tensor(2)));
  const Tensor output = with_dimension(lowering.output(0));
  require(self.rank() == index.rank(), "indices of other dimensions");
  const size_t dim = wrap_dim(lowering.integer(1), self.rank());
  Tensor view = self;
  view.sizes = index.sizes;
  view.strides[dim] = 0;
  gather(lowering, view, {{.index = index, .stride = self.strides[dim], .bound = self.sizes[dim]}},
         output);
}

// Of all elements in row-major order.
void take_row(Lowering& lowering) {
  const Tensor self = lowering.plain(lowering.tensor(0));
  const Extent count = product(self.sizes);
  const Tensor flat = reshape(lowering, self, {count});
  const Tensor index = index_tensor(lowering, lowering.tensor(1));
  Tensor view = flat;
  view.sizes = index.sizes;
  view.strides.assign(index.rank(), 0);
  gather(lowering, view, {{.index = index, .stride = 1, .bound = count, .wraps = true}},
         lowering.output(0));
}

void put_row(Lowering& lowering) {
  const Tensor& output = lowering.output(0);
  require(is_contiguous(output), "put into a tensor that is not contiguous");
  const Tensor index = index_tensor(lowering, lowering.tensor(1));
  const Tensor source = reshape(lowering, lowering.tensor(2), index.sizes);
  const bool accumulate = lowering.given(3) && lowering.flag(3);
  Tensor view = output;
  view.sizes = index.sizes;
  view.strides.assign(index.rank(), 0);
  start_from(lowering, lowering.tensor(0), output);
  scatter(lowering, accumulate ? ScatterOp::Add : ScatterOp::Set, view, source,
          {{.index = index, .stride = 1, .bound = product(output.sizes), .wraps = true}});
}

}  // namespace

void add_index_rows(OpTable& table) {
  table.add({"index.Tensor", "index.Tensor_out", "_unsafe_index.Tensor"}, index_row);
  table.add({"index_put_", "index_put", "index_put.out", "_unsafe_index_put", "_index_put_impl_",
             "_index_put_impl", "_index_put_impl.out"},
            index_put_row);
  table.add({"index_select", "index_select.out"}, index_select_row);
  table.add({"index_add", "index_add_", "index_add.out"}, index_add_row);
  table.add({"index_copy", "index_copy_", "index_copy.out"}, index_copy_row);
  table.add({"index_fill.int_Scalar", "index_fill_.int_Scalar", "index_fill.int_Scalar_out"},
            index_fill_row);
  table.add({"index_fill.int_Tensor", "index_fill_.int_Tensor", "index_fill.int_Tensor_out"},
            index_fill_tensor_row);
  table.add({"gather", "gather.out"}, gather_row);
  table.add({"take", "take.out"}, take_row);
  table.add({"put_", "put", "put.out"}, put_row);
}

}  // namespace trireme::graph
