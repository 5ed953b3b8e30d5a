// SPDX-License-Identifier: Apache-2.0
// Windows laid side by side: im2col, its sum back (col2im), and the gradient of unfold.
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "trireme/graph/build/loop.h"
#include "trireme/graph/build/moves.h"
#include "trireme/graph/build/op_table.h"
#include "trireme/graph/build/shape_views.h"

namespace trireme::graph {
namespace {

// As many as `windows` windows of `taps` positions: index[tap, window] = tap * dilation + window *
// stride.
Tensor window_positions(Lowering& lowering, const Extent& taps, const Extent& windows,
                        int64_t dilation, int64_t stride) {
  Tensor positions = lowering.temporary(DType::Int64, {taps, windows});
  Loop loop(lowering, {taps, windows});
  const Scalar tap = loop.index(0) * static_cast<double>(dilation);
  const Scalar window = loop.index(1) * static_cast<double>(stride);
  loop.store(positions, tap + window);
  loop.map();
  return positions;
}

// What im2col and col2im are told, by dimension: height, width.
struct Windows {
  std::array<int64_t, 2> kernel;
  std::array<int64_t, 2> dilation;
  std::array<int64_t, 2> padding;
  std::array<int64_t, 2> stride;
  std::array<int64_t, 2> image;   // without padding
  std::array<int64_t, 2> counts;  // of windows
};

Windows windows_of(Lowering& lowering, size_t first_arg, const Extents& image) {
  const auto pair = [&](size_t arg) {
    const std::vector<int64_t> values = lowering.integers(arg);
    require(values.size() == 1 || values.size() == 2, "windows of other than two dimensions");
    return std::array<int64_t, 2>{values.front(), values.back()};
  };
  Windows w{.kernel = pair(first_arg),
            .dilation = pair(first_arg + 1),
            .padding = pair(first_arg + 2),
            .stride = pair(first_arg + 3),
            .image = {},
            .counts = {}};
  for (size_t i = 0; i < 2; ++i) {
    const auto size = image[image.size() - 2 + i].constant();
    if (!size) decline("windows over a size that varies");
    w.image[i] = *size;
    require(w.kernel[i] > 0 && w.stride[i] > 0 && w.dilation[i] > 0 && w.padding[i] >= 0,
            "windows that are wrong");
    w.counts[i] =
        (*size + 2 * w.padding[i] - w.dilation[i] * (w.kernel[i] - 1) - 1) / w.stride[i] + 1;
  }
  return w;
}

Tensor batched(const Tensor& tensor, size_t rank) {
  require(tensor.rank() == rank || tensor.rank() == rank - 1, "windows of other dimensions");
  return tensor.rank() == rank ? tensor : unsqueeze(tensor, 0);
}

// [N, C * kh * kw, oh * ow] as [N, C, kh, kw, oh, ow].
Tensor columns(const Tensor& tensor, const Extent& channels, const Windows& w) {
  Tensor result = split_dim(tensor, 2, w.counts[0], w.counts[1]);
  result = split_dim(result, 1, channels, w.kernel[0] * w.kernel[1]);
  return split_dim(result, 2, w.kernel[0], w.kernel[1]);
}

Extents padded_sizes(const Tensor& image, const Windows& w) {
  return {image.sizes[0], image.sizes[1], w.image[0] + 2 * w.padding[0],
          w.image[1] + 2 * w.padding[1]};
}

Tensor without_padding(const Tensor& padded, const Windows& w) {
  return narrow(narrow(padded, 2, w.padding[0], w.image[0]), 3, w.padding[1], w.image[1]);
}

void im2col_row(Lowering& lowering) {
  Tensor image = batched(lowering.plain(lowering.tensor(0)), 4);
  const Windows w = windows_of(lowering, 1, image.sizes);
  if (w.padding[0] > 0 || w.padding[1] > 0) {
    const Tensor padded = lowering.temporary(image.dtype, padded_sizes(image, w));
    fill(lowering, padded, 0);
    copy(lowering, image, without_padding(padded, w));
    image = padded;
  }
  const Tensor target = columns(batched(lowering.output(0), 3), image.sizes[1], w);
  Tensor source = image;
  source.sizes = target.sizes;
  source.strides = {image.strides[0],
                    image.strides[1],
                    image.strides[2] * w.dilation[0],
                    image.strides[3] * w.dilation[1],
                    image.strides[2] * w.stride[0],
                    image.strides[3] * w.stride[1]};
  copy(lowering, source, target);
}

void col2im_row(Lowering& lowering) {
  const Tensor image = batched(lowering.output(0), 4);
  const Windows w = windows_of(lowering, 2, image.sizes);
  const Tensor source = columns(batched(lowering.plain(lowering.tensor(0)), 3), image.sizes[1], w);
  const Tensor padded = lowering.temporary(compute_type(image.dtype), padded_sizes(image, w));
  fill(lowering, padded, 0);
  Tensor view = padded;
  view.sizes = source.sizes;
  view.strides = {padded.strides[0], padded.strides[1], 0, 0, 0, 0};
  std::vector<Indexed> indexed;
  for (size_t i = 0; i < 2; ++i) {
    const Tensor positions =
        window_positions(lowering, w.kernel[i], w.counts[i], w.dilation[i], w.stride[i]);
    const std::array<size_t, 2> at = {2 + i, 4 + i};
    indexed.push_back({.index = placed(positions, source.sizes, at),
                       .stride = padded.strides[2 + i],
                       .bound = padded.sizes[2 + i]});
  }
  scatter(lowering, ScatterOp::Add, view, source, indexed);
  copy(lowering, without_padding(padded, w), image);
}

// The gradients of all windows that an element is in, added.
void unfold_backward_row(Lowering& lowering) {
  Tensor grad = lowering.tensor(0);
  if (lowering.output(0).rank() == 0) grad = unsqueeze(grad, 0);  // its windows: one
  const Tensor output = with_dimension(lowering.output(0));
  const size_t dim = wrap_dim(lowering.integer(2), output.rank());
  const Extent& size = lowering.extent(3);
  const int64_t step = lowering.integer(4);
  const size_t last = output.rank();
  require(grad.rank() == last + 1, "gradients that are no windows");
  const Tensor made = writable(lowering, output, compute_type(output.dtype));
  fill(lowering, made, 0);
  const Tensor positions = window_positions(lowering, size, grad.sizes[dim], 1, step);
  Tensor view = unsqueeze(made, last, size);
  view.sizes = grad.sizes;
  view.strides[dim] = 0;
  const std::array<size_t, 2> at = {last, dim};
  scatter(lowering, ScatterOp::Add, view, grad,
          {{.index = placed(positions, grad.sizes, at),
            .stride = made.strides[dim],
            .bound = made.sizes[dim]}});
  finish(lowering, made, output);
}

}  // namespace

void add_window_rows(OpTable& table) {
  table.add({"im2col", "im2col.out"}, im2col_row);
  table.add({"col2im", "col2im.out"}, col2im_row);
  table.add({"unfold_backward", "unfold_backward.out"}, unfold_backward_row);
}

}  // namespace trireme::graph
