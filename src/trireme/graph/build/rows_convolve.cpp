// SPDX-License-Identifier: Apache-2.0
// Convolutions: one Convolve; the bias is a Map over its result in the compute type.
//
// The iteration space of a Convolve: its result's dimensions, then what is summed over (forward and
// gradient of the input: channels of a group, kernel; gradient of the weight: batch, and the
// smaller tensor's spatial dimensions).
#include <cstdint>
#include <utility>
#include <vector>

#include "trireme/graph/build/loop.h"
#include "trireme/graph/build/moves.h"
#include "trireme/graph/build/op_table.h"
#include "trireme/graph/build/shape_views.h"

namespace trireme::graph {
namespace {

struct Settings {
  Convolve convolve;
  size_t spatial;
};

// One value, or one per spatial dimension.
Extents per_dimension(Lowering& lowering, size_t arg, size_t spatial) {
  Extents values;
  for (const int64_t value : lowering.integers(arg)) values.emplace_back(value);
  if (values.size() == 1) values.resize(spatial, values[0]);
  require(values.size() == spatial, "settings of other dimensions");
  return values;
}

// Arguments from `first` on: stride, padding, dilation, transposed, output_padding, groups.
Settings settings(Lowering& lowering, const Tensor& input, const Tensor& weight, size_t first) {
  require(is_floating(input.dtype), "a convolution of integers or complex numbers");
  require(input.dtype == weight.dtype, "a convolution of two dtypes");
  require(input.rank() >= 3 && input.rank() == weight.rank(), "a convolution without a batch");
  const size_t spatial = input.rank() - 2;
  Settings s{.convolve = {}, .spatial = spatial};
  s.convolve.stride = per_dimension(lowering, first, spatial);
  s.convolve.padding = per_dimension(lowering, first + 1, spatial);
  s.convolve.dilation = per_dimension(lowering, first + 2, spatial);
  s.convolve.transposed = lowering.flag(first + 3);
  s.convolve.output_padding = per_dimension(lowering, first + 4, spatial);
  s.convolve.groups = lowering.integer(first + 5);
  return s;
}

Extents spatial_sizes(const Tensor& tensor) {
  return {tensor.sizes.begin() + 2, tensor.sizes.end()};
}

// Result's dimensions, then those given.
Extents space(const Extents& result, const Extent& first, const Extents& rest) {
  Extents dims = result;
  dims.push_back(first);
  dims.insert(dims.end(), rest.begin(), rest.end());
  return dims;
}

void append(Lowering& lowering, Convolve convolve, Extents dims, const Tensor& left,
            const Tensor& right, const Tensor& target) {
  const std::vector<Operand> operands = {lowering.read(lowering.plain(left)),
                                         lowering.read(lowering.plain(right))};
  lowering.append(std::move(convolve), std::move(dims), target.rank(), operands,
                  std::span(&target, 1));
}

// input * weight; with a bias in the compute type first.
void forward(Lowering& lowering, const Settings& s, const Tensor& input, const Tensor& weight,
             const Tensor* bias, const Tensor& output) {
  // Per group: the weight has these in its second dimension, or (transposed) in its first.
  Extent channels = weight.sizes[1];
  if (s.convolve.transposed) {
    const auto each = weight.sizes[0].divided_by(s.convolve.groups);
    if (!each) decline("channels that the groups do not divide");
    channels = *each;
  }
  Convolve convolve = s.convolve;
  convolve.kind = ConvolveKind::Forward;
  const Extents dims = space(output.sizes, channels, spatial_sizes(weight));
  if (bias == nullptr) {
    const Tensor made = writable(lowering, output, input.dtype);
    append(lowering, std::move(convolve), dims, input, weight, made);
    return finish(lowering, made, output);
  }
  const DType type = compute_type(input.dtype);
  const Tensor product = lowering.temporary(type, output.sizes);
  append(lowering, std::move(convolve), dims, input, weight, product);
  require(bias->rank() == 1, "a bias that is no vector");
  Tensor added = *bias;
  for (size_t i = 0; i < s.spatial; ++i) added = unsqueeze(added, added.rank());
  Loop loop(lowering, output.sizes);
  const Scalar value = loop.load(product);
  loop.store(output, value + loop.load(added, type));
  loop.map();
}

void convolution_row(Lowering& lowering) {
  const Tensor& input = lowering.tensor(0);
  const Tensor& weight = lowering.tensor(1);
  forward(lowering, settings(lowering, input, weight, 3), input, weight,
          lowering.given(2) ? &lowering.tensor(2) : nullptr, lowering.output(0));
}

// self, weight, bias, padding, stride, dilation, groups
void mkldnn_convolution_row(Lowering& lowering) {
  const Tensor& input = lowering.tensor(0);
  const Tensor& weight = lowering.tensor(1);
  require(is_floating(input.dtype) && input.dtype == weight.dtype,
          "a convolution of other than real numbers of one dtype");
  require(input.rank() >= 3 && input.rank() == weight.rank(), "a convolution without a batch");
  Settings s{.convolve = {}, .spatial = input.rank() - 2};
  s.convolve.padding = per_dimension(lowering, 3, s.spatial);
  s.convolve.stride = per_dimension(lowering, 4, s.spatial);
  s.convolve.dilation = per_dimension(lowering, 5, s.spatial);
  s.convolve.output_padding = Extents(s.spatial, 0);
  s.convolve.groups = lowering.integer(6);
  forward(lowering, s, input, weight, lowering.given(2) ? &lowering.tensor(2) : nullptr,
          lowering.output(0));
}

// grad_output, input, weight, bias_sizes, settings, output_mask; gradients of input, weight, bias.
void convolution_backward_row(Lowering& lowering) {
  const Tensor& grad = lowering.tensor(0);
  const Tensor& input = lowering.tensor(1);
  const Tensor& weight = lowering.tensor(2);
  const Settings s = settings(lowering, input, weight, 4);
  const std::vector<bool> wanted = lowering.flags(10);
  require(wanted.size() == 3 && grad.dtype == input.dtype, "gradients of another dtype");
  const auto write = [&](ConvolveKind kind, const Extents& dims, const Tensor& other,
                         const Tensor& output) {
    Convolve convolve = s.convolve;
    convolve.kind = kind;
    const Tensor made = writable(lowering, output, input.dtype);
    append(lowering, std::move(convolve), dims, grad, other, made);
    finish(lowering, made, output);
  };
  if (wanted[0]) {
    Extent channels = weight.sizes[1];
    if (!s.convolve.transposed) {
      const auto each = weight.sizes[0].divided_by(s.convolve.groups);
      if (!each) decline("channels that the groups do not divide");
      channels = *each;
    }
    write(ConvolveKind::GradInput, space(input.sizes, channels, spatial_sizes(weight)), weight,
          lowering.output(0));
  }
  if (wanted[1]) {
    const Tensor& smaller = s.convolve.transposed ? input : grad;
    write(ConvolveKind::GradWeight, space(weight.sizes, grad.sizes[0], spatial_sizes(smaller)),
          input, lowering.output(1));
  }
  if (wanted[2]) {
    std::vector<size_t> dims = {0};
    for (size_t i = 0; i < s.spatial; ++i) dims.push_back(2 + i);
    const Tensor ordered = permute(grad, parallel_first(grad.rank(), dims));
    Loop loop(lowering, {ordered.sizes[0]},
              Extents(ordered.sizes.begin() + 1, ordered.sizes.end()));
    loop.store(lowering.output(2), loop.load(ordered, compute_type(grad.dtype)));
    loop.reduce(ReduceOp::Sum);
  }
}

}  // namespace

void add_convolve_rows(OpTable& table) {
  table.add({"convolution", "convolution.out", "convolution_overrideable",
             "convolution_overrideable.out", "_convolution", "_convolution.out"},
            convolution_row);
  table.add({"mkldnn_convolution", "mkldnn_convolution.out"}, mkldnn_convolution_row);
  table.add({"convolution_backward", "convolution_backward.out"}, convolution_backward_row);
}

}  // namespace trireme::graph
