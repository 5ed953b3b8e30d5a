// SPDX-License-Identifier: Apache-2.0
// Layer, group and RMS norm; weight norm. Batch norm: rows_batch_norm.cpp.
#include "trireme/graph/build/loop.h"
#include "trireme/graph/build/op_table.h"
#include "trireme/graph/build/reductions.h"

namespace trireme::graph {
namespace {

// The sums that a derivative of (x - mean) * rstd * weight needs, over the normalized dimensions.
struct BackwardSums {
  Tensor gradient;    // of grad * weight
  Tensor projection;  // of grad * weight * normalized
};

// What is normalized: `grad` and `input` with the dimensions `dims` normalized together; `mean`
// (may be undefined: 0) and `rstd` over the others; `weight` broadcast to the input (may be
// undefined).
struct Normalized {
  Tensor grad;
  Tensor input;
  Tensor mean;
  Tensor rstd;
  Tensor weight;
  std::vector<size_t> dims;
  DType compute;

  Scalar grad_times_weight(Loop& loop, std::span<const size_t> order) const {
    const Scalar g = loop.load(permute(grad, order), compute);
    return weight.defined() ? g * loop.load(permute(weight, order), compute) : g;
  }
  Scalar value(Loop& loop, std::span<const size_t> order, const Tensor& to_mean,
               const Tensor& to_rstd) const {
    const Scalar x = loop.load(permute(input, order), compute);
    const Scalar centred = mean.defined() ? x - loop.load(to_mean, compute) : x;
    return centred * loop.load(to_rstd, compute);
  }
};

BackwardSums sums_of(Lowering& lowering, const Normalized& norm) {
  const Extents kept = sizes_without(norm.input, norm.dims);
  const Extents reduced = sizes_at(norm.input, norm.dims);
  const auto order = parallel_first(norm.input.rank(), norm.dims);
  BackwardSums sums{lowering.temporary(norm.compute, kept), lowering.temporary(norm.compute, kept)};
  Loop loop(lowering, kept, reduced);
  const Scalar g = norm.grad_times_weight(loop, order);
  const Scalar x =
      norm.value(loop, order, repeated(norm.mean, reduced), repeated(norm.rstd, reduced));
  loop.store(sums.gradient, g);
  loop.store(sums.projection, g * x);
  loop.reduce(ReduceOp::Sum);
  return sums;
}

// rstd * (g - (sum g + x * sum g x) / n); of RMS norm, which subtracts no mean, without sum g.
void grad_input(Lowering& lowering, const Normalized& norm, const Tensor& target) {
  const BackwardSums sums = sums_of(lowering, norm);
  const Extents& sizes = norm.input.sizes;
  const std::vector<size_t> order = all_dims(norm.input.rank());
  Loop loop(lowering, sizes);
  const auto spread = [&](const Tensor& kept) { return repeated_at(kept, norm.dims, sizes); };
  const Scalar g = norm.grad_times_weight(loop, order);
  const Scalar x = norm.value(loop, order, spread(norm.mean), spread(norm.rstd));
  const Scalar n = count_of(loop, sizes_at(norm.input, norm.dims), norm.compute);
  Scalar pull = x * loop.load(spread(sums.projection));
  if (norm.mean.defined()) pull = pull + loop.load(spread(sums.gradient));
  loop.store(target, (g - pull / n) * loop.load(spread(norm.rstd), norm.compute));
  loop.map();
}

// Of the weight (the sum of grad * normalized over the other dimensions) and of the bias (of grad).
// `over`: those other dimensions. Undefined targets are left out.
void grad_parameters(Lowering& lowering, const Normalized& norm, std::span<const size_t> over,
                     const Tensor& weight, const Tensor& bias) {
  if (!weight.defined() && !bias.defined()) return;
  const Extents kept = sizes_without(norm.input, over);
  const auto order = parallel_first(norm.input.rank(), over);
  const Extents& sizes = norm.input.sizes;
  const auto spread = [&](const Tensor& tensor) {
    return tensor.defined() ? permute(repeated_at(tensor, norm.dims, sizes), order) : tensor;
  };
  Loop loop(lowering, kept, sizes_at(norm.input, over));
  const Scalar g = loop.load(permute(norm.grad, order), norm.compute);
  if (weight.defined()) {
    loop.store(weight, g * norm.value(loop, order, spread(norm.mean), spread(norm.rstd)));
  }
  if (bias.defined()) loop.store(bias, g);
  loop.reduce(ReduceOp::Sum);
}

std::vector<size_t> last_dims(size_t rank, size_t count) {
  std::vector<size_t> dims;
  for (size_t i = rank - count; i < rank; ++i) dims.push_back(i);
  return dims;
}

// Statistics keep the normalized dimensions as 1.
Tensor statistics(const Tensor& saved, std::span<const size_t> dims, size_t rank) {
  return without_kept(saved, dims, rank);
}

// (input, normalized_shape, weight?, bias?, eps) -> (out, mean, rstd)
void layer_norm(Lowering& lowering) {
  const Tensor& input = lowering.tensor(0);
  const auto dims = last_dims(input.rank(), lowering.extents(1).size());
  const DType compute = compute_type(input.dtype);
  const Moments found = moments(lowering, input, dims, compute);
  const Extents kept = sizes_without(input, dims);
  const Tensor rstd = lowering.temporary(compute, kept);
  {
    Loop loop(lowering, kept);
    const Scalar variance =
        loop.load(found.squares) / count_of(loop, sizes_at(input, dims), compute);
    loop.store(rstd, rsqrt(variance + loop.number(lowering.number(4), compute)));
    loop.map();
  }
  Loop loop(lowering, input.sizes);
  Scalar value =
      (loop.load(input, compute) - loop.load(repeated_at(found.mean, dims, input.sizes))) *
      loop.load(repeated_at(rstd, dims, input.sizes));
  if (lowering.given(2)) value = value * loop.load(lowering.tensor(2), compute);
  if (lowering.given(3)) value = value + loop.load(lowering.tensor(3), compute);
  loop.store(lowering.output(0), value);
  loop.map();
  copy(lowering, found.mean, statistics(lowering.output(1), dims, input.rank()));
  copy(lowering, rstd, statistics(lowering.output(2), dims, input.rank()));
}

// (grad, input, normalized_shape, mean, rstd, weight?, bias?, mask) -> gradients
void layer_norm_backward(Lowering& lowering) {
  const Tensor& input = lowering.tensor(1);
  const size_t rank = input.rank();
  const auto dims = last_dims(rank, lowering.extents(2).size());
  Normalized norm{lowering.tensor(0),
                  input,
                  statistics(lowering.tensor(3), dims, rank),
                  statistics(lowering.tensor(4), dims, rank),
                  {},
                  dims,
                  compute_type(input.dtype)};
  if (lowering.given(5)) norm.weight = expand(lowering.tensor(5), input.sizes);
  if (lowering.output(0).defined()) grad_input(lowering, norm, lowering.output(0));
  const std::vector<size_t> outer = all_dims(rank - dims.size());
  grad_parameters(lowering, norm, outer, lowering.output(1), lowering.output(2));
}

// (input, normalized_shape, weight?, eps?) -> (out, rstd)
void rms_norm(Lowering& lowering) {
  const Tensor& input = lowering.tensor(0);
  const auto dims = last_dims(input.rank(), lowering.extents(1).size());
  const DType compute = compute_type(input.dtype);
  require(lowering.given(3), "an epsilon that is left to the kernel");
  const Extents kept = sizes_without(input, dims);
  const Tensor squares = lowering.temporary(compute, kept);
  {
    Loop loop(lowering, kept, sizes_at(input, dims));
    const Scalar x = loop.load(permute(input, parallel_first(input.rank(), dims)), compute);
    loop.store(squares, x * x);
    loop.reduce(ReduceOp::Sum);
  }
  const Tensor rstd = lowering.temporary(compute, kept);
  {
    Loop loop(lowering, kept);
    const Scalar mean = loop.load(squares) / count_of(loop, sizes_at(input, dims), compute);
    loop.store(rstd, rsqrt(mean + loop.number(lowering.number(3), compute)));
    loop.map();
  }
  Loop loop(lowering, input.sizes);
  Scalar value = loop.load(input, compute) * loop.load(repeated_at(rstd, dims, input.sizes));
  if (lowering.given(2)) value = value * loop.load(lowering.tensor(2), compute);
  loop.store(lowering.output(0), value);
  loop.map();
  copy(lowering, rstd, statistics(lowering.output(1), dims, input.rank()));
}

// (grad, input, normalized_shape, rstd, weight?, mask) -> (grad of input, of weight)
void rms_norm_backward(Lowering& lowering) {
  const Tensor& input = lowering.tensor(1);
  const size_t rank = input.rank();
  const auto dims = last_dims(rank, lowering.extents(2).size());
  Normalized norm{
      lowering.tensor(0),       input, {}, statistics(lowering.tensor(3), dims, rank), {}, dims,
      compute_type(input.dtype)};
  if (lowering.given(4)) norm.weight = expand(lowering.tensor(4), input.sizes);
  if (lowering.output(0).defined()) grad_input(lowering, norm, lowering.output(0));
  const std::vector<size_t> outer = all_dims(rank - dims.size());
  grad_parameters(lowering, norm, outer, lowering.output(1), {});
}

// [N, C, spatial...] as [N, G, C / G, spatial...]
Tensor in_groups(const Tensor& tensor, const Extent& groups) {
  return split_dim(tensor, 1, groups);
}

// A [C] parameter as [1, G, C / G, 1...], repeated.
Tensor parameter_in_groups(const Tensor& parameter, const Extent& groups, const Extents& sizes) {
  Tensor result = split_dim(parameter, 0, groups);
  result = unsqueeze(result, 0, sizes[0]);
  for (size_t i = 3; i < sizes.size(); ++i) result = unsqueeze(result, i, sizes[i]);
  return result;
}

// (input, weight?, bias?, N, C, HxW, group, eps) -> (out, mean, rstd)
void group_norm(Lowering& lowering) {
  const Extent groups = lowering.extent(6);
  const Tensor input = in_groups(lowering.tensor(0), groups);
  const DType compute = compute_type(input.dtype);
  std::vector<size_t> dims;
  for (size_t i = 2; i < input.rank(); ++i) dims.push_back(i);
  const Moments found = moments(lowering, input, dims, compute);
  const Extents kept = sizes_without(input, dims);
  const Tensor rstd = lowering.temporary(compute, kept);
  {
    Loop loop(lowering, kept);
    const Scalar variance =
        loop.load(found.squares) / count_of(loop, sizes_at(input, dims), compute);
    loop.store(rstd, rsqrt(variance + loop.number(lowering.number(7), compute)));
    loop.map();
  }
  Loop loop(lowering, input.sizes);
  Scalar value =
      (loop.load(input, compute) - loop.load(repeated_at(found.mean, dims, input.sizes))) *
      loop.load(repeated_at(rstd, dims, input.sizes));
  const auto parameter = [&](size_t arg) {
    return loop.load(parameter_in_groups(lowering.tensor(arg), groups, input.sizes), compute);
  };
  if (lowering.given(1)) value = value * parameter(1);
  if (lowering.given(2)) value = value + parameter(2);
  loop.store(in_groups(lowering.output(0), groups), value);
  loop.map();
  copy(lowering, found.mean, lowering.output(1));
  copy(lowering, rstd, lowering.output(2));
}

// (grad, input, mean, rstd, weight?, N, C, HxW, group, mask) -> gradients
void group_norm_backward(Lowering& lowering) {
  const Extent groups = lowering.extent(8);
  const Tensor input = in_groups(lowering.tensor(1), groups);
  std::vector<size_t> dims;
  for (size_t i = 2; i < input.rank(); ++i) dims.push_back(i);
  Normalized norm{in_groups(lowering.tensor(0), groups),
                  input,
                  lowering.tensor(2),
                  lowering.tensor(3),
                  {},
                  dims,
                  compute_type(input.dtype)};
  if (lowering.given(4)) {
    norm.weight = parameter_in_groups(lowering.tensor(4), groups, input.sizes);
  }
  if (lowering.output(0).defined()) {
    grad_input(lowering, norm, in_groups(lowering.output(0), groups));
  }
  std::vector<size_t> over = {0};
  for (size_t i = 3; i < input.rank(); ++i) over.push_back(i);
  const auto target = [&](const Tensor& output) {
    return output.defined() ? split_dim(output, 0, groups) : output;
  };
  grad_parameters(lowering, norm, over, target(lowering.output(1)), target(lowering.output(2)));
}

// w = v * g / |v|, the norm over all dimensions but `dim`: (v, g, dim) -> (w, norms)
void weight_norm(Lowering& lowering) {
  const Tensor& v = lowering.tensor(0);
  const size_t kept_dim = wrap_dim(lowering.integer(2), v.rank());
  std::vector<size_t> dims;
  for (size_t i = 0; i < v.rank(); ++i) {
    if (i != kept_dim) dims.push_back(i);
  }
  const DType compute = compute_type(v.dtype);
  const Extents kept = sizes_without(v, dims);
  const Tensor norms = lowering.temporary(compute, kept);
  {
    Loop loop(lowering, kept, sizes_at(v, dims));
    const Scalar x = loop.load(permute(v, parallel_first(v.rank(), dims)), compute);
    loop.store(norms, x * x);
    loop.reduce(ReduceOp::Sum);
  }
  {
    Loop loop(lowering, kept);
    loop.store(norms, sqrt(loop.load(norms)));
    loop.map();
  }
  Loop loop(lowering, v.sizes);
  const Scalar scale =
      loop.load(lowering.tensor(1), compute) / loop.load(repeated_at(norms, dims, v.sizes));
  loop.store(lowering.output(0), loop.load(v, compute) * scale);
  loop.map();
  copy(lowering, norms, without_kept(lowering.output(1), dims, v.rank()));
}

// (grad of w, v, g, norms, dim) -> (grad of v, of g)
void weight_norm_backward(Lowering& lowering) {
  const Tensor& grad = lowering.tensor(0);
  const Tensor& v = lowering.tensor(1);
  const size_t kept_dim = wrap_dim(lowering.integer(4), v.rank());
  std::vector<size_t> dims;
  for (size_t i = 0; i < v.rank(); ++i) {
    if (i != kept_dim) dims.push_back(i);
  }
  const DType compute = compute_type(v.dtype);
  const Extents kept = sizes_without(v, dims);
  const auto order = parallel_first(v.rank(), dims);
  const Tensor dots = lowering.temporary(compute, kept);
  {
    Loop loop(lowering, kept, sizes_at(v, dims));
    loop.store(dots,
               loop.load(permute(grad, order), compute) * loop.load(permute(v, order), compute));
    loop.reduce(ReduceOp::Sum);
  }
  const Tensor norms = without_kept(lowering.tensor(3), dims, v.rank());
  {
    Loop loop(lowering, v.sizes);
    const Scalar norm = loop.load(repeated_at(norms, dims, v.sizes), compute);
    const Scalar dot = loop.load(repeated_at(dots, dims, v.sizes));
    const Scalar g = loop.load(lowering.tensor(2), compute);
    loop.store(
        lowering.output(0),
        g / norm * (loop.load(grad, compute) - loop.load(v, compute) * (dot / (norm * norm))));
    loop.map();
  }
  Loop loop(lowering, kept);
  loop.store(without_kept(lowering.output(1), dims, v.rank()),
             loop.load(dots) / loop.load(norms, compute));
  loop.map();
}

}  // namespace

void add_norm_rows(OpTable& table) {
  table.add({"native_layer_norm"}, layer_norm);
  table.add({"native_layer_norm_backward"}, layer_norm_backward);
  table.add({"_fused_rms_norm"}, rms_norm);
  table.add({"_fused_rms_norm_backward"}, rms_norm_backward);
  table.add({"native_group_norm"}, group_norm);
  table.add({"native_group_norm_backward"}, group_norm_backward);
  table.add({"_weight_norm_interface"}, weight_norm);
  table.add({"_weight_norm_interface_backward"}, weight_norm_backward);
  add_batch_norm_rows(table);
}

}  // namespace trireme::graph
