// SPDX-License-Identifier: Apache-2.0
// Copies of views, writes into views, and the gradients of views: a Map that reads or writes
// through the view.
#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "trireme/graph/build/loop.h"
#include "trireme/graph/build/moves.h"
#include "trireme/graph/build/op_table.h"
#include "trireme/graph/build/shape_views.h"

namespace trireme::graph {
namespace {

// --- views by arguments: the geometry of aten::slice, select, diagonal, ... of a tensor ---

// Where `start` lies, counted from the end if negative and held within the size.
Extent slice_start(Lowering& lowering, size_t arg, const Extent& size) {
  if (!lowering.given(arg)) return 0;
  Extent start = lowering.place(arg, size);
  if (const auto value = start.constant()) {
    const auto known = size.constant();
    return known ? std::clamp<int64_t>(*value, 0, *known) : start;
  }
  lowering.builder().guard_natural(size - start);
  return start;
}

// `like` has the slice's size along `dim`.
Tensor sliced(Lowering& lowering, const Tensor& of, size_t first_arg, const Tensor& like) {
  require(of.rank() > 0 && like.rank() == of.rank(), "a slice of a scalar");
  const size_t dim = wrap_dim(lowering.integer(first_arg), of.rank());
  const Extent step = lowering.given(first_arg + 3) ? lowering.extent(first_arg + 3) : Extent(1);
  const Extent start = slice_start(lowering, first_arg + 1, of.sizes[dim]);
  return strided_slice(of, dim, start, like.sizes[dim], step);
}

Tensor selected(Lowering& lowering, const Tensor& of, size_t first_arg) {
  require(of.rank() > 0, "an element of a scalar");
  const size_t dim = wrap_dim(lowering.integer(first_arg), of.rank());
  return select(of, dim, lowering.place(first_arg + 1, of.sizes[dim]));
}

Tensor diagonal_of(Lowering& lowering, const Tensor& of, size_t first_arg) {
  const auto or_else = [&](size_t arg, int64_t value) {
    return lowering.given(arg) ? lowering.integer(arg) : value;
  };
  return diagonal(of, or_else(first_arg, 0), wrap_dim(or_else(first_arg + 1, 0), of.rank()),
                  wrap_dim(or_else(first_arg + 2, 1), of.rank()));
}

// The source for a Map: what a host tensor lacks is a storage.
Tensor source_of(Lowering& lowering) {
  const Tensor& self = lowering.tensor(0);
  return self.host ? lowering.plain(self) : self;
}

// --- copies of views ---

void reshape_copy_row(Lowering& lowering) {
  const Tensor& output = lowering.output(0);
  const Tensor& self = lowering.tensor(0);
  if (!self.host && self.storage == output.storage) return;  // it was a view after all
  copy(lowering, reshape(lowering, self, output.sizes), output);
}

void expand_copy_row(Lowering& lowering) {
  copy(lowering, source_of(lowering), lowering.output(0));
}

void permute_copy_row(Lowering& lowering) {
  const Tensor self = source_of(lowering);
  std::vector<size_t> order;
  for (const int64_t dim : lowering.integers(1)) order.push_back(wrap_dim(dim, self.rank()));
  require(order.size() == self.rank(), "a permutation of other dimensions");
  copy(lowering, permute(self, order), lowering.output(0));
}

void transpose_copy_row(Lowering& lowering) {
  const Tensor self = source_of(lowering);
  const Tensor& output = lowering.output(0);
  if (self.rank() == 0) return copy(lowering, self, output);
  copy(lowering,
       transpose(self, wrap_dim(lowering.integer(1), self.rank()),
                 wrap_dim(lowering.integer(2), self.rank())),
       output);
}

void t_copy_row(Lowering& lowering) {
  const Tensor self = source_of(lowering);
  copy(lowering, self.rank() < 2 ? self : transpose(self, 0, 1), lowering.output(0));
}

void select_copy_row(Lowering& lowering) {
  copy(lowering, selected(lowering, source_of(lowering), 1), lowering.output(0));
}

void slice_copy_row(Lowering& lowering) {
  const Tensor& output = lowering.output(0);
  copy(lowering, sliced(lowering, source_of(lowering), 1, output), output);
}

void narrow_copy_row(Lowering& lowering) {
  const Tensor self = source_of(lowering);
  const Tensor& output = lowering.output(0);
  require(self.rank() > 0, "a piece of a scalar");
  // ATen's CPU kernel writes others as if they were.
  require(is_contiguous(output), "narrow_copy into a tensor that is not contiguous");
  const size_t dim = wrap_dim(lowering.integer(1), self.rank());
  copy(lowering, narrow(self, dim, slice_start(lowering, 2, self.sizes[dim]), output.sizes[dim]),
       output);
}

void diagonal_copy_row(Lowering& lowering) {
  copy(lowering, diagonal_of(lowering, source_of(lowering), 1), lowering.output(0));
}

void unfold_copy_row(Lowering& lowering) {
  const Tensor self = source_of(lowering);
  copy(lowering,
       unfold(self, wrap_dim(lowering.integer(1), self.rank()), lowering.extent(2),
              lowering.extent(3)),
       lowering.output(0));
}

// The outputs of a call, or those in its out= list.
std::vector<Tensor> output_list(Lowering& lowering, size_t out_arg) {
  if (lowering.output_count() > 0) return lowering.call().outputs;
  const auto out = lowering.tensors(out_arg);
  return {out.begin(), out.end()};
}

// Pieces along a dimension, one after another.
template <size_t kDim>
void split_copy_row(Lowering& lowering) {
  const Tensor self = source_of(lowering);
  const size_t dim = wrap_dim(lowering.integer(kDim), self.rank());
  Extent start = 0;
  for (const Tensor& output : output_list(lowering, kDim + 1)) {
    copy(lowering, narrow(self, dim, start, output.sizes[dim]), output);
    start += output.sizes[dim];
  }
}

void unbind_copy_row(Lowering& lowering) {
  const Tensor self = source_of(lowering);
  const size_t dim = wrap_dim(lowering.integer(1), self.rank());
  int64_t index = 0;
  for (const Tensor& output : output_list(lowering, 2)) {
    copy(lowering, select(self, dim, index++), output);
  }
}

// --- writes into views ---

void slice_scatter_row(Lowering& lowering) {
  const Tensor& output = lowering.output(0);
  start_from(lowering, lowering.tensor(0), output);
  copy(lowering, lowering.tensor(1), sliced(lowering, output, 2, lowering.tensor(1)));
}

void select_scatter_row(Lowering& lowering) {
  const Tensor& output = lowering.output(0);
  start_from(lowering, lowering.tensor(0), output);
  copy(lowering, lowering.tensor(1), selected(lowering, output, 2));
}

void diagonal_scatter_row(Lowering& lowering) {
  const Tensor& output = lowering.output(0);
  start_from(lowering, lowering.tensor(0), output);
  copy(lowering, lowering.tensor(1), diagonal_of(lowering, output, 2));
}

// --- gradients of views: zeros but for the view ---

void slice_backward_row(Lowering& lowering) {
  const Tensor& output = lowering.output(0);
  fill(lowering, output, 0);
  copy(lowering, lowering.tensor(0), sliced(lowering, output, 2, lowering.tensor(0)));
}

void select_backward_row(Lowering& lowering) {
  const Tensor& output = lowering.output(0);
  fill(lowering, output, 0);
  copy(lowering, lowering.tensor(0), selected(lowering, output, 2));
}

void diagonal_backward_row(Lowering& lowering) {
  const Tensor& output = lowering.output(0);
  fill(lowering, output, 0);
  copy(lowering, lowering.tensor(0), diagonal_of(lowering, output, 2));
}

void diag_embed_row(Lowering& lowering) {
  const Tensor& output = lowering.output(0);
  const auto or_else = [&](size_t arg, int64_t value) {
    return lowering.given(arg) ? lowering.integer(arg) : value;
  };
  fill(lowering, output, 0);
  copy(lowering, lowering.tensor(0),
       diagonal(output, or_else(1, 0), wrap_dim(or_else(2, -2), output.rank()),
                wrap_dim(or_else(3, -1), output.rank())));
}

}  // namespace

void add_view_copy_rows(OpTable& table) {
  table.add({"view_copy", "view_copy.out", "_unsafe_view", "_unsafe_view.out", "_reshape_copy",
             "_reshape_alias_copy", "_reshape_alias_copy.out", "squeeze_copy", "squeeze_copy.out",
             "squeeze_copy.dim", "squeeze_copy.dim_out", "squeeze_copy.dims",
             "squeeze_copy.dims_out", "unsqueeze_copy", "unsqueeze_copy.out"},
            reshape_copy_row);
  table.add({"expand_copy", "expand_copy.out"}, expand_copy_row);
  table.add({"permute_copy", "permute_copy.out"}, permute_copy_row);
  table.add({"transpose_copy.int", "transpose_copy.int_out"}, transpose_copy_row);
  table.add({"t_copy", "t_copy.out"}, t_copy_row);
  table.add({"select_copy.int", "select_copy.int_out"}, select_copy_row);
  table.add({"slice_copy.Tensor", "slice_copy.Tensor_out"}, slice_copy_row);
  table.add({"narrow_copy", "narrow_copy.out"}, narrow_copy_row);
  table.add({"diagonal_copy", "diagonal_copy.out"}, diagonal_copy_row);
  table.add({"unfold_copy", "unfold_copy.out"}, unfold_copy_row);
  table.add({"split_copy.Tensor", "split_copy.Tensor_out", "split_with_sizes_copy",
             "split_with_sizes_copy.out", "unsafe_split.Tensor", "unsafe_split.Tensor_out",
             "unsafe_split_with_sizes", "unsafe_split_with_sizes.out"},
            split_copy_row<2>);
  table.add({"unbind_copy.int", "unbind_copy.int_out"}, unbind_copy_row);
  table.add({"slice_scatter", "slice_scatter.out"}, slice_scatter_row);
  table.add({"select_scatter", "select_scatter.out"}, select_scatter_row);
  table.add({"diagonal_scatter", "diagonal_scatter.out"}, diagonal_scatter_row);
  table.add({"slice_backward", "slice_backward.out"}, slice_backward_row);
  table.add({"select_backward", "select_backward.out"}, select_backward_row);
  table.add({"diagonal_backward", "diagonal_backward.out"}, diagonal_backward_row);
  table.add({"diag_embed", "diag_embed.out"}, diag_embed_row);
}

}  // namespace trireme::graph
