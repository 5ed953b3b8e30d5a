// SPDX-License-Identifier: Apache-2.0
// Resizing: nearest by one gather (or, for whole factors, by a view), linear and cubic one
// dimension after another, as a weighted sum of gathers. Positions and weights are computed as
// ATen's CPU kernels do (ATen/native/UpSample.h), in its types.
#include <algorithm>
#include <array>
#include <cmath>
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

// One resized dimension.
struct Axis {
  size_t dim;
  int64_t from;  // sizes
  int64_t to;
  std::optional<double> factor;  // as the program gave it
};

// The resized dimensions of `small` (before) and `large` (after); factors are arguments from
// `first_factor` on.
std::vector<Axis> axes_of(Lowering& lowering, const Tensor& small, const Tensor& large,
                          size_t first_factor) {
  require(is_floating(small.dtype), "resizing of integers");
  require(small.rank() >= 3 && small.rank() == large.rank(), "resizing of other dimensions");
  std::vector<Axis> axes;
  for (size_t dim = 2; dim < small.rank(); ++dim) {
    const auto from = small.sizes[dim].constant();
    const auto to = large.sizes[dim].constant();
    if (!from || !to) decline("resizing of a size that varies");
    const size_t arg = first_factor + dim - 2;
    std::optional<double> factor;
    if (lowering.given(arg)) factor = lowering.fixed(lowering.number(arg));
    axes.push_back({.dim = dim, .from = *from, .to = *to, .factor = factor});
  }
  return axes;
}

template <class T>
T ratio(const Axis& axis) {
  if (axis.factor && *axis.factor > 0) return static_cast<T>(1.0 / *axis.factor);
  return static_cast<T>(axis.from) / static_cast<T>(axis.to);
}

// --- nearest ---

int64_t nearest_by_channels_last(const Axis& axis, int64_t i, bool exact) {
  const auto scale = ratio<float>(axis);
  if (exact) {
    const auto position = static_cast<float>((static_cast<double>(i) + 0.5) * scale);
    return std::min(static_cast<int64_t>(std::floor(position)), axis.from - 1);
  }
  if (axis.to == axis.from) return i;
  if (axis.to == 2 * axis.from) return i / 2;
  return std::min(static_cast<int64_t>(std::floor(static_cast<float>(i) * scale)), axis.from - 1);
}

template <class T>
int64_t nearest_by_strides(const Axis& axis, int64_t i, bool exact) {
  const T scale = axis.to > 1 ? ratio<T>(axis) : T(0);
  T position = scale * static_cast<T>(i);
  if (exact) {
    position = static_cast<T>(scale * (static_cast<double>(i) + 0.5) - 0.5);
    position = static_cast<T>(std::max<T>(position, 0) + 0.5);
  }
  const auto index = static_cast<int64_t>(std::floor(static_cast<float>(position)));
  return std::min(index, axis.from - 1);
}

// What the Map of nearest_positions computes.
int64_t nearest_by_map(const Axis& axis, int64_t i, bool exact) {
  const auto scale = ratio<float>(axis);
  const double position = exact ? std::floor((static_cast<double>(i) + 0.5) * scale)
                                : std::floor(static_cast<float>(i) * scale);
  return std::min(static_cast<int64_t>(position), axis.from - 1);
}

// ATen has several kernels, which choose by layout: only where all agree is the choice no matter.
void require_agreement(const Axis& axis, bool exact) {
  for (int64_t i = 0; i < axis.to; ++i) {
    const int64_t at = nearest_by_map(axis, i, exact);
    const bool agree = at == nearest_by_channels_last(axis, i, exact) &&
                       at == nearest_by_strides<float>(axis, i, exact) &&
                       at == nearest_by_strides<double>(axis, i, exact);
    require(agree, "nearest positions on the edge of two elements");
  }
}

// Where each element is repeated as often.
std::optional<int64_t> repetition(const Axis& axis, bool exact) {
  if (axis.from == 0 || axis.to % axis.from != 0) return std::nullopt;
  const int64_t times = axis.to / axis.from;
  for (int64_t i = 0; i < axis.to; ++i) {
    if (nearest_by_map(axis, i, exact) != i / times) return std::nullopt;
  }
  return times;
}

Tensor nearest_positions(Lowering& lowering, const Axis& axis, bool exact) {
  Tensor positions = lowering.temporary(DType::Int64, {axis.to});
  Loop loop(lowering, {axis.to});
  const auto scale = static_cast<double>(ratio<float>(axis));
  const Scalar index = loop.index(0);
  const Scalar real =
      exact ? (cast(index, DType::Float64) + 0.5) * scale : cast(index, DType::Float32) * scale;
  const Scalar position = cast(apply(ScalarOp::Floor, real), DType::Int64);
  loop.store(positions, minimum(position, position.constant(static_cast<double>(axis.from - 1))));
  loop.map();
  return positions;
}

struct Nearest {
  std::vector<Axis> axes;
  std::optional<std::vector<int64_t>> times;  // of each axis, where all are repetitions
};

Nearest nearest_of(Lowering& lowering, const Tensor& small, const Tensor& large,
                   size_t first_factor, bool exact) {
  Nearest result{.axes = axes_of(lowering, small, large, first_factor), .times = {}};
  std::vector<int64_t> times;
  for (const Axis& axis : result.axes) {
    require_agreement(axis, exact);
    if (const auto often = repetition(axis, exact)) times.push_back(*often);
  }
  if (times.size() == result.axes.size()) result.times = std::move(times);
  return result;
}

// The large tensor with each resized dimension as two: which element, which repetition.
Tensor split_repetitions(const Tensor& large, const Nearest& nearest) {
  Tensor result = large;
  for (size_t i = nearest.axes.size(); i-- > 0;) {
    result = split_dim(result, nearest.axes[i].dim, nearest.axes[i].from, (*nearest.times)[i]);
  }
  return result;
}

// The small tensor over the large one's sizes.
Tensor nearest_view(Lowering& lowering, const Tensor& small, const Extents& sizes,
                    const Nearest& nearest, bool exact, std::vector<Indexed>& indexed) {
  Tensor view = small;
  view.sizes = sizes;
  for (const Axis& axis : nearest.axes) {
    const std::array<size_t, 1> at = {axis.dim};
    indexed.push_back({.index = placed(nearest_positions(lowering, axis, exact), sizes, at),
                       .stride = small.strides[axis.dim],
                       .bound = small.sizes[axis.dim]});
    view.strides[axis.dim] = 0;
  }
  return view;
}

void nearest_forward(Lowering& lowering, bool exact) {
  const Tensor self = lowering.plain(lowering.tensor(0));
  const Tensor& output = lowering.output(0);
  const Nearest nearest = nearest_of(lowering, self, output, 2, exact);
  if (nearest.times) {
    Tensor source = self;
    for (size_t i = nearest.axes.size(); i-- > 0;) {
      source = unsqueeze(source, nearest.axes[i].dim + 1, (*nearest.times)[i]);
    }
    return copy(lowering, source, split_repetitions(output, nearest));
  }
  std::vector<Indexed> indexed;
  const Tensor view = nearest_view(lowering, self, output.sizes, nearest, exact, indexed);
  gather(lowering, view, indexed, output);
}

void nearest_backward(Lowering& lowering, bool exact) {
  const Tensor& grad = lowering.tensor(0);
  const Tensor& output = lowering.output(0);
  const Nearest nearest = nearest_of(lowering, output, grad, 3, exact);
  const DType type = compute_type(output.dtype);
  if (nearest.times) {
    Tensor split = split_repetitions(grad, nearest);
    std::vector<size_t> repeated;
    for (size_t i = 0; i < nearest.axes.size(); ++i) repeated.push_back(3 + 2 * i);
    split = permute(split, parallel_first(split.rank(), repeated));
    const auto middle = split.sizes.begin() + static_cast<ptrdiff_t>(output.rank());
    Loop loop(lowering, output.sizes, Extents(middle, split.sizes.end()));
    loop.store(output, loop.load(split, type));
    return loop.reduce(ReduceOp::Sum);
  }
  const Tensor made = writable(lowering, output, type);
  fill(lowering, made, 0);
  std::vector<Indexed> indexed;
  const Tensor view = nearest_view(lowering, made, grad.sizes, nearest, exact, indexed);
  scatter(lowering, ScatterOp::Add, view, grad, indexed);
  finish(lowering, made, output);
}

// --- linear and cubic ---

// What an element of the large dimension is made of: positions and weights, each [to].
struct Taps {
  std::vector<Tensor> positions;
  std::vector<Tensor> weights;
};

// As area_pixel_compute_source_index, at `type`.
Scalar source_position(Loop& loop, const Axis& axis, bool align_corners, bool cubic, DType type) {
  const bool wide = type == DType::Float64;
  double scale = 0;
  if (axis.to > 1) {
    if (align_corners) {
      scale = wide ? static_cast<double>(axis.from - 1) / static_cast<double>(axis.to - 1)
                   : static_cast<float>(axis.from - 1) / static_cast<float>(axis.to - 1);
    } else {
      scale = wide ? ratio<double>(axis) : ratio<float>(axis);
    }
  }
  if (align_corners) return cast(loop.index(0), type) * scale;
  const Scalar position = cast((cast(loop.index(0), DType::Float64) + 0.5) * scale - 0.5, type);
  return cubic ? position : select(position < 0, position.constant(0), position);
}

// The convolution kernel of bicubic interpolation with a = -0.75, within 1 of the centre and within
// 2 of it.
Scalar cubic_near(Scalar x) { return (x * 1.25 - 2.25) * x * x + 1; }
Scalar cubic_far(Scalar x) { return ((x * -0.75 + 3.75) * x - 6) * x + 3; }

Taps taps_of(Lowering& lowering, const Axis& axis, bool align_corners, bool cubic, DType type) {
  require(axis.from > 0, "resizing of nothing");
  const size_t count = cubic ? 4 : 2;
  Taps taps;
  for (size_t i = 0; i < count; ++i) {
    taps.positions.push_back(lowering.temporary(DType::Int64, {axis.to}));
    taps.weights.push_back(lowering.temporary(type, {axis.to}));
  }
  Loop loop(lowering, {axis.to});
  const Scalar real = source_position(loop, axis, align_corners, cubic, type);
  Scalar index = cast(apply(ScalarOp::Floor, real), DType::Int64);
  const Scalar last = index.constant(static_cast<double>(axis.from - 1));
  index = minimum(index, last);
  Scalar offset = real - cast(index, type);
  offset = minimum(maximum(offset, offset.constant(0)), offset.constant(1));
  if (cubic) {
    const std::array<Scalar, 4> weights = {cubic_far(offset + 1), cubic_near(offset),
                                           cubic_near(1 - offset), cubic_far((1 - offset) + 1)};
    for (size_t i = 0; i < 4; ++i) {
      const Scalar at = index + (static_cast<double>(i) - 1);
      loop.store(taps.positions[i], maximum(minimum(at, last), last.constant(0)));
      loop.store(taps.weights[i], weights[i]);
    }
  } else {
    if (axis.from == axis.to) {
      index = loop.index(0);
      offset = offset.constant(0);
    }
    loop.store(taps.positions[0], index);
    loop.store(taps.positions[1], minimum(index + 1, last));
    loop.store(taps.weights[0], 1 - offset);
    loop.store(taps.weights[1], offset);
  }
  loop.map();
  return taps;
}

// The index of a tap over `sizes`, of `small`'s dimension.
Indexed tap_index(const Tensor& positions, const Tensor& small, size_t dim, const Extents& sizes) {
  const std::array<size_t, 1> at = {dim};
  return {.index = placed(positions, sizes, at),
          .stride = small.strides[dim],
          .bound = small.sizes[dim]};
}

void weighted_forward(Lowering& lowering, bool cubic) {
  Tensor source = lowering.plain(lowering.tensor(0));
  const Tensor& output = lowering.output(0);
  const bool align_corners = lowering.flag(2);
  const std::vector<Axis> axes = axes_of(lowering, source, output, 3);
  const DType type = compute_type(output.dtype);
  // The last dimension first, as the kernels' inner loop.
  for (size_t k = axes.size(); k-- > 0;) {
    const Axis& axis = axes[k];
    const Taps taps = taps_of(lowering, axis, align_corners, cubic, type);
    Extents sizes = source.sizes;
    sizes[axis.dim] = axis.to;
    Tensor view = source;
    view.sizes = sizes;
    view.strides[axis.dim] = 0;
    std::vector<Tensor> moved;
    for (const Tensor& positions : taps.positions) {
      moved.push_back(lowering.temporary(source.dtype, sizes));
      gather(lowering, view, {tap_index(positions, source, axis.dim, sizes)}, moved.back());
    }
    const Tensor target = k == 0 ? output : lowering.temporary(type, sizes);
    const std::array<size_t, 1> at = {axis.dim};
    Loop loop(lowering, sizes);
    std::optional<Scalar> sum;
    for (size_t i = 0; i < moved.size(); ++i) {
      const Scalar value = loop.load(moved[i], type);
      const Scalar term = value * loop.load(placed(taps.weights[i], sizes, at));
      sum = sum ? *sum + term : term;
    }
    loop.store(target, *sum);
    loop.map();
    source = target;
  }
}

void weighted_backward(Lowering& lowering, bool cubic) {
  Tensor grad = lowering.tensor(0);
  const Tensor& output = lowering.output(0);
  const bool align_corners = lowering.flag(3);
  const std::vector<Axis> axes = axes_of(lowering, output, grad, 4);
  const DType type = compute_type(output.dtype);
  for (size_t k = 0; k < axes.size(); ++k) {
    const Axis& axis = axes[k];
    const Taps taps = taps_of(lowering, axis, align_corners, cubic, type);
    Extents sizes = grad.sizes;
    sizes[axis.dim] = axis.from;
    const bool ends = k + 1 == axes.size();
    const Tensor made = ends ? writable(lowering, output, type) : lowering.temporary(type, sizes);
    fill(lowering, made, 0);
    Tensor view = made;
    view.sizes = grad.sizes;
    view.strides[axis.dim] = 0;
    const std::array<size_t, 1> at = {axis.dim};
    for (size_t i = 0; i < taps.positions.size(); ++i) {
      const Tensor updates = lowering.temporary(type, grad.sizes);
      Loop loop(lowering, grad.sizes);
      const Scalar value = loop.load(grad, type);
      loop.store(updates, value * loop.load(placed(taps.weights[i], grad.sizes, at)));
      loop.map();
      scatter(lowering, ScatterOp::Add, view, updates,
              {tap_index(taps.positions[i], made, axis.dim, grad.sizes)});
    }
    if (ends) finish(lowering, made, output);
    grad = made;
  }
}

void nearest_row(Lowering& lowering) { nearest_forward(lowering, false); }
void nearest_exact_row(Lowering& lowering) { nearest_forward(lowering, true); }
void nearest_backward_row(Lowering& lowering) { nearest_backward(lowering, false); }
void nearest_exact_backward_row(Lowering& lowering) { nearest_backward(lowering, true); }
void linear_row(Lowering& lowering) { weighted_forward(lowering, false); }
void cubic_row(Lowering& lowering) { weighted_forward(lowering, true); }
void linear_backward_row(Lowering& lowering) { weighted_backward(lowering, false); }
void cubic_backward_row(Lowering& lowering) { weighted_backward(lowering, true); }

}  // namespace

void add_interpolate_rows(OpTable& table) {
  table.add({"upsample_nearest1d", "upsample_nearest1d.out", "upsample_nearest2d",
             "upsample_nearest2d.out", "upsample_nearest3d", "upsample_nearest3d.out"},
            nearest_row);
  table.add({"_upsample_nearest_exact1d", "_upsample_nearest_exact1d.out",
             "_upsample_nearest_exact2d", "_upsample_nearest_exact2d.out",
             "_upsample_nearest_exact3d", "_upsample_nearest_exact3d.out"},
            nearest_exact_row);
  table.add({"upsample_nearest1d_backward", "upsample_nearest1d_backward.grad_input",
             "upsample_nearest2d_backward", "upsample_nearest2d_backward.grad_input",
             "upsample_nearest3d_backward", "upsample_nearest3d_backward.grad_input"},
            nearest_backward_row);
  table.add({"_upsample_nearest_exact1d_backward", "_upsample_nearest_exact1d_backward.grad_input",
             "_upsample_nearest_exact2d_backward", "_upsample_nearest_exact2d_backward.grad_input",
             "_upsample_nearest_exact3d_backward", "_upsample_nearest_exact3d_backward.grad_input"},
            nearest_exact_backward_row);
  table.add({"upsample_linear1d", "upsample_linear1d.out", "upsample_bilinear2d",
             "upsample_bilinear2d.out", "upsample_trilinear3d", "upsample_trilinear3d.out"},
            linear_row);
  table.add({"upsample_linear1d_backward", "upsample_linear1d_backward.grad_input",
             "upsample_bilinear2d_backward", "upsample_bilinear2d_backward.grad_input",
             "upsample_trilinear3d_backward", "upsample_trilinear3d_backward.grad_input"},
            linear_backward_row);
  table.add({"upsample_bicubic2d", "upsample_bicubic2d.out"}, cubic_row);
  table.add({"upsample_bicubic2d_backward", "upsample_bicubic2d_backward.grad_input"},
            cubic_backward_row);
}

}  // namespace trireme::graph
