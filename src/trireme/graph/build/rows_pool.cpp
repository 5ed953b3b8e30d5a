// SPDX-License-Identifier: Apache-2.0
// Pooling over windows of the last dimensions.
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "trireme/graph/build/loop.h"
#include "trireme/graph/build/op_table.h"
#include "trireme/graph/build/reductions.h"

namespace trireme::graph {
namespace {

// Of more taps a backward pass of average pooling stays with ATen: it makes a node of each.
constexpr int64_t kMostTaps = 64;

struct Windows {
  std::vector<int64_t> kernel;
  std::vector<int64_t> stride;
  std::vector<int64_t> padding;
  std::vector<int64_t> dilation;

  size_t dims() const { return kernel.size(); }
  int64_t taps() const {
    return std::accumulate(kernel.begin(), kernel.end(), int64_t{1}, std::multiplies<>());
  }
};

// A value per spatial dimension: one stands for all, none for `fallback`.
std::vector<int64_t> per_dim(std::vector<int64_t> given, size_t dims,
                             const std::vector<int64_t>& fallback) {
  if (given.empty()) return fallback;
  if (given.size() == 1) given.assign(dims, given[0]);
  return given;
}

template <size_t dims>
Windows windows_of(const Lowering& lowering, size_t first_arg, bool dilated) {
  Windows windows;
  windows.kernel = per_dim(lowering.integers(first_arg), dims, {});
  windows.stride = per_dim(lowering.integers(first_arg + 1), dims, windows.kernel);
  windows.padding = per_dim(lowering.integers(first_arg + 2), dims, std::vector<int64_t>(dims, 0));
  const std::vector<int64_t> ones(dims, 1);
  windows.dilation = dilated ? per_dim(lowering.integers(first_arg + 3), dims, ones) : ones;
  return windows;
}

// Without the taps that no window has within the source: kernels may be far larger than it.
Windows clipped(Windows windows, const Tensor& source) {
  const size_t first = source.rank() - windows.dims();
  for (size_t i = 0; i < windows.dims(); ++i) {
    const Extent size = source.sizes[first + i];
    if (!size.is_constant()) continue;
    const int64_t reach = size.constant_part() + windows.padding[i];
    const int64_t taps = (reach + windows.dilation[i] - 1) / windows.dilation[i];
    windows.kernel[i] = std::min(windows.kernel[i], std::max<int64_t>(taps, 1));
  }
  return windows;
}

// The sizes of the source within a border wide enough for all windows of the `output` sizes.
Extents padded_sizes(const Tensor& source, const Extents& output, const Windows& windows) {
  Extents sizes = source.sizes;
  for (size_t i = 0; i < windows.dims(); ++i) {
    const size_t dim = source.rank() - windows.dims() + i;
    const Extent reach =
        (output[dim] - 1) * windows.stride[i] + (windows.kernel[i] - 1) * windows.dilation[i] + 1;
    const Extent missing = reach - source.sizes[dim] - windows.padding[i];
    require(missing.is_constant(), "pooling of sizes that vary");
    sizes[dim] =
        source.sizes[dim] + windows.padding[i] + std::max<int64_t>(missing.constant_part(), 0);
  }
  return sizes;
}

// The source within that border.
Tensor padded(Lowering& lowering, const Tensor& source, const Extents& output,
              const Windows& windows, double border, DType compute) {
  const size_t first = source.rank() - windows.dims();
  const Extents sizes = padded_sizes(source, output, windows);
  if (sizes == source.sizes) return source;
  Tensor result = lowering.temporary(compute, sizes);
  fill(lowering, result, border);
  Tensor inside = result;
  for (size_t i = 0; i < windows.dims(); ++i) {
    inside = narrow(inside, first + i, windows.padding[i], source.sizes[first + i]);
  }
  copy(lowering, source, inside);
  return result;
}

// The tensor as [outer..., positions..., taps...]: overlapping windows.
Tensor in_windows(const Tensor& padded_source, const Extents& output, const Windows& windows) {
  Tensor result = padded_source;
  const size_t first = padded_source.rank() - windows.dims();
  for (size_t i = 0; i < windows.dims(); ++i) {
    const Extent stride = padded_source.strides[first + i];
    result.sizes[first + i] = output[first + i];
    result.strides[first + i] = stride * windows.stride[i];
    result.sizes.push_back(windows.kernel[i]);
    result.strides.push_back(stride * windows.dilation[i]);
  }
  return result;
}

Extents taps_of(const Windows& windows) { return {windows.kernel.begin(), windows.kernel.end()}; }

double lowest_of(DType dtype) {
  if (is_floating(dtype)) return -std::numeric_limits<double>::infinity();
  if (dtype == DType::Bool || dtype == DType::UInt8) return 0;
  return -std::ldexp(1.0, static_cast<int>(size_of(dtype)) * 8 - 1);
}

// The flat place in the input's plane of a position within the window.
Scalar plane_index(Loop& loop, Scalar position, const Tensor& source, const Extents& output,
                   const Windows& windows) {
  const size_t first = output.size() - windows.dims();
  std::vector<Scalar> taps;
  for (size_t i = windows.dims(); i-- > 0;) {
    const Scalar size = loop.constant(windows.kernel[i], DType::Int64);
    taps.insert(taps.begin(), apply(ScalarOp::Remainder, position, size));
    position = apply(ScalarOp::FloorDiv, position, size);
  }
  Scalar index = loop.constant(int64_t{0}, DType::Int64);
  for (size_t i = 0; i < windows.dims(); ++i) {
    const auto number = [&](int64_t value) { return loop.constant(value, DType::Int64); };
    const Scalar start =
        loop.index(first + i) * number(windows.stride[i]) - number(windows.padding[i]);
    const Scalar dilation = number(windows.dilation[i]);
    // Where all are -infinity the first one wins, which may lie in the border: the first within.
    const Scalar within =
        apply(ScalarOp::FloorDiv, maximum(-start, number(0)) + dilation - number(1), dilation);
    const Scalar at = start + maximum(taps[i], within) * dilation;
    index = index * loop.size(source.sizes[first + i]) + at;
  }
  return index;
}

// (self, kernel, stride, padding, dilation, ceil_mode) -> (values, indices)
template <size_t dims>
void max_pool(Lowering& lowering) {
  const Tensor& source = lowering.tensor(0);
  const Tensor& target = lowering.output(0);
  const Windows windows = clipped(windows_of<dims>(lowering, 1, /*dilated=*/true), source);
  const Tensor whole =
      padded(lowering, source, target.sizes, windows, lowest_of(source.dtype), source.dtype);
  const Tensor spread = in_windows(whole, target.sizes, windows);
  {
    Loop loop(lowering, target.sizes, taps_of(windows));
    loop.store(target, loop.load(spread));
    loop.reduce(ReduceOp::Maximum);
  }
  const Tensor positions = lowering.temporary(DType::Int64, target.sizes);
  {
    Loop loop(lowering, target.sizes, taps_of(windows));
    loop.store(positions, loop.load(spread));
    loop.reduce(ReduceOp::ArgMaximum);
  }
  Loop loop(lowering, target.sizes);
  loop.store(lowering.output(1),
             plane_index(loop, loop.load(positions), source, target.sizes, windows));
  loop.map();
}

// Adds each gradient at its index of the plane. `grad` and `indices` have the same sizes.
void scatter_in_planes(Lowering& lowering, const Tensor& grad, const Tensor& indices,
                       const Tensor& target, size_t dims) {
  const size_t first = target.rank() - dims;
  const Extent step = target.strides[target.rank() - 1];
  Extent plane = 1;
  for (size_t i = target.rank(); i-- > first;) {
    require(target.sizes[i].is(1) || target.strides[i] == step * plane,
            "a gradient whose planes have gaps");
    plane *= target.sizes[i];
  }
  const bool narrow_sum = compute_type(target.dtype) != target.dtype;
  const Tensor sum =
      narrow_sum ? lowering.temporary(compute_type(target.dtype), target.sizes) : target;
  fill(lowering, sum, 0);
  const Tensor updates =
      sum.dtype == grad.dtype ? lowering.plain(grad) : lowering.materialise(grad, sum.dtype);
  Tensor places = sum;
  for (size_t i = first; i < target.rank(); ++i) {
    places.sizes[i] = grad.sizes[i];
    places.strides[i] = 0;
  }
  Scatter scatter;
  scatter.op = ScatterOp::Add;
  scatter.indexed.push_back({sum.strides[target.rank() - 1], plane});
  lowering.append(scatter, grad.sizes, grad.rank(),
                  {lowering.read(updates), lowering.read(indices)}, std::vector{places});
  if (narrow_sum) copy(lowering, sum, target);
}

// (grad, self, kernel, stride, padding, dilation, ceil_mode, indices)
template <size_t dims>
void max_pool_backward(Lowering& lowering) {
  scatter_in_planes(lowering, lowering.tensor(0), lowering.tensor(7), lowering.output(0), dims);
}

// How many elements each window's sum is divided by.
Scalar divisor(Loop& loop, const Lowering& lowering, size_t override_arg, const Tensor& source,
               const Extents& output, const Windows& windows, bool count_padding, DType compute) {
  if (lowering.given(override_arg)) {
    return loop.constant(static_cast<double>(lowering.integer(override_arg)), compute);
  }
  const size_t first = output.size() - windows.dims();
  Scalar count = loop.constant(int64_t{1}, DType::Int64);
  for (size_t i = 0; i < windows.dims(); ++i) {
    const auto number = [&](int64_t value) { return loop.constant(value, DType::Int64); };
    const Scalar size = loop.size(source.sizes[first + i]);
    const Scalar padding = number(windows.padding[i]);
    const Scalar start = loop.index(first + i) * number(windows.stride[i]) - padding;
    const Scalar end = minimum(start + number(windows.kernel[i]), size + padding);
    const Scalar length =
        count_padding ? end - start : minimum(end, size) - maximum(start, number(0));
    count = count * length;
  }
  return cast(count, compute);
}

// (self, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override?)
template <size_t dims>
void average_pool(Lowering& lowering) {
  const Tensor& source = lowering.tensor(0);
  const Tensor& target = lowering.output(0);
  require(is_floating(source.dtype), "an average of integers");
  const DType compute = compute_type(source.dtype);
  const Windows windows = windows_of<dims>(lowering, 1, /*dilated=*/false);
  const Windows read = clipped(windows, source);
  const Tensor whole = padded(lowering, source, target.sizes, read, 0, compute);
  const Tensor sum = lowering.temporary(compute, target.sizes);
  {
    Loop loop(lowering, target.sizes, taps_of(read));
    loop.store(sum, loop.load(in_windows(whole, target.sizes, read), compute));
    loop.reduce(ReduceOp::Sum);
  }
  Loop loop(lowering, target.sizes);
  loop.store(target, loop.load(sum) / divisor(loop, lowering, 6, source, target.sizes, windows,
                                              lowering.flag(5), compute));
  loop.map();
}

// (grad, self, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override?): each tap
// adds its share to the elements that it touches, tap after tap.
template <size_t dims>
void average_pool_backward(Lowering& lowering) {
  const Tensor& grad = lowering.tensor(0);
  const Tensor& source = lowering.tensor(1);
  const Tensor& target = lowering.output(0);
  const DType compute = compute_type(grad.dtype);
  const Windows windows = windows_of<dims>(lowering, 2, /*dilated=*/false);
  const Windows touching = clipped(windows, source);
  require(touching.taps() <= kMostTaps, "a large window");
  const size_t first = grad.rank() - dims;
  const Tensor share = lowering.temporary(compute, grad.sizes);
  {
    Loop loop(lowering, grad.sizes);
    loop.store(share, loop.load(grad, compute) / divisor(loop, lowering, 7, source, grad.sizes,
                                                         windows, lowering.flag(6), compute));
    loop.map();
  }
  const Extents sizes = padded_sizes(source, grad.sizes, touching);
  const Tensor sum = lowering.temporary(compute, sizes);
  fill(lowering, sum, 0);
  for (int64_t tap = 0; tap < touching.taps(); ++tap) {
    Tensor touched = sum;
    int64_t rest = tap;
    for (size_t i = dims; i-- > 0;) {
      const int64_t at = rest % touching.kernel[i];
      rest /= touching.kernel[i];
      touched.offset += sum.strides[first + i] * at;
      touched.sizes[first + i] = grad.sizes[first + i];
      touched.strides[first + i] = sum.strides[first + i] * windows.stride[i];
    }
    Loop loop(lowering, grad.sizes);
    loop.store(touched, loop.load(touched) + loop.load(share));
    loop.map();
  }
  Tensor inside = sum;
  for (size_t i = 0; i < dims; ++i) {
    inside = narrow(inside, first + i, windows.padding[i], source.sizes[first + i]);
  }
  copy(lowering, inside, target);
}

// Windows of an adaptive pooling whose sizes divide.
Windows adaptive_windows(const Tensor& source, const Tensor& target, size_t dims) {
  Windows windows;
  const size_t first = source.rank() - dims;
  for (size_t i = first; i < source.rank(); ++i) {
    const auto size = source.sizes[i].divided_by(target.sizes[i]);
    require(size && size->is_constant(), "sizes that do not divide");
    windows.kernel.push_back(size->constant_part());
  }
  windows.stride = windows.kernel;
  windows.padding.assign(dims, 0);
  windows.dilation.assign(dims, 1);
  return windows;
}

template <size_t dims>
void adaptive_average_pool(Lowering& lowering) {
  const Tensor& source = lowering.tensor(0);
  const Tensor& target = lowering.output(0);
  const DType compute = compute_type(source.dtype);
  const Windows windows = adaptive_windows(source, target, dims);
  const Tensor sum = lowering.temporary(compute, target.sizes);
  {
    Loop loop(lowering, target.sizes, taps_of(windows));
    loop.store(sum, loop.load(in_windows(source, target.sizes, windows), compute));
    loop.reduce(ReduceOp::Sum);
  }
  Loop loop(lowering, target.sizes);
  loop.store(target, loop.load(sum) / static_cast<double>(windows.taps()));
  loop.map();
}

// (grad, self): each element of a window gets the same share.
template <size_t dims>
void adaptive_average_pool_backward(Lowering& lowering) {
  const Tensor& grad = lowering.tensor(0);
  const Tensor& source = lowering.tensor(1);
  const DType compute = compute_type(grad.dtype);
  const Windows windows = adaptive_windows(source, grad, dims);
  Tensor target = lowering.output(0);
  Tensor spread = grad;
  const size_t first = grad.rank() - dims;
  for (size_t i = dims; i-- > 0;) {
    target = split_dim(target, first + i, grad.sizes[first + i]);
    spread = unsqueeze(spread, first + i + 1, windows.kernel[i]);
  }
  Loop loop(lowering, target.sizes);
  loop.store(target, loop.load(spread, compute) / static_cast<double>(windows.taps()));
  loop.map();
}

// (self, output_size) -> (values, indices)
template <size_t dims>
void adaptive_max_pool(Lowering& lowering) {
  const Tensor& source = lowering.tensor(0);
  const Tensor& target = lowering.output(0);
  const Windows windows = adaptive_windows(source, target, dims);
  const Tensor spread = in_windows(source, target.sizes, windows);
  const Tensor positions = lowering.temporary(DType::Int64, target.sizes);
  {
    Loop loop(lowering, target.sizes, taps_of(windows));
    loop.store(target, loop.load(spread));
    loop.reduce(ReduceOp::Maximum);
  }
  {
    Loop loop(lowering, target.sizes, taps_of(windows));
    loop.store(positions, loop.load(spread));
    loop.reduce(ReduceOp::ArgMaximum);
  }
  Loop loop(lowering, target.sizes);
  loop.store(lowering.output(1),
             plane_index(loop, loop.load(positions), source, target.sizes, windows));
  loop.map();
}

// (grad, self, indices)
template <size_t dims>
void adaptive_max_pool_backward(Lowering& lowering) {
  scatter_in_planes(lowering, lowering.tensor(0), lowering.tensor(2), lowering.output(0), dims);
}

}  // namespace

void add_pool_rows(OpTable& table) {
  table.add({"max_pool2d_with_indices", "max_pool2d_with_indices.out"}, max_pool<2>);
  table.add({"max_pool3d_with_indices", "max_pool3d_with_indices.out"}, max_pool<3>);
  table.add({"max_pool2d_with_indices_backward", "max_pool2d_with_indices_backward.grad_input"},
            max_pool_backward<2>);
  table.add({"max_pool3d_with_indices_backward", "max_pool3d_with_indices_backward.grad_input"},
            max_pool_backward<3>);
  table.add({"avg_pool2d", "avg_pool2d.out"}, average_pool<2>);
  table.add({"avg_pool3d", "avg_pool3d.out"}, average_pool<3>);
  table.add({"avg_pool2d_backward", "avg_pool2d_backward.grad_input"}, average_pool_backward<2>);
  table.add({"avg_pool3d_backward", "avg_pool3d_backward.grad_input"}, average_pool_backward<3>);
  table.add({"_adaptive_avg_pool2d", "_adaptive_avg_pool2d.out"}, adaptive_average_pool<2>);
  table.add({"_adaptive_avg_pool3d", "_adaptive_avg_pool3d.out"}, adaptive_average_pool<3>);
  table.add({"_adaptive_avg_pool2d_backward"}, adaptive_average_pool_backward<2>);
  table.add({"_adaptive_avg_pool3d_backward"}, adaptive_average_pool_backward<3>);
  table.add({"adaptive_max_pool2d", "adaptive_max_pool2d.out"}, adaptive_max_pool<2>);
  table.add({"adaptive_max_pool3d", "adaptive_max_pool3d.out"}, adaptive_max_pool<3>);
  table.add({"adaptive_max_pool2d_backward", "adaptive_max_pool2d_backward.grad_input"},
            adaptive_max_pool_backward<2>);
  table.add({"adaptive_max_pool3d_backward", "adaptive_max_pool3d_backward.grad_input"},
            adaptive_max_pool_backward<3>);
}

}  // namespace trireme::graph
