// SPDX-License-Identifier: Apache-2.0
// Batch norm over all dimensions but the second.
#include "trireme/graph/build/loop.h"
#include "trireme/graph/build/op_table.h"
#include "trireme/graph/build/reductions.h"

namespace trireme::graph {
namespace {

std::vector<size_t> all_but_channels(size_t rank) {
  std::vector<size_t> dims;
  for (size_t i = 0; i < rank; ++i) {
    if (i != 1) dims.push_back(i);
  }
  return dims;
}

// A [C] tensor, repeated over the input.
Tensor per_channel(const Tensor& tensor, const Extents& sizes) {
  return repeated_at(tensor, all_but_channels(sizes.size()), sizes);
}

struct Arguments {
  Tensor weight;
  Tensor bias;
  Tensor running_mean;
  Tensor running_var;
  Number momentum;
  Number eps;
};

void normalize(Lowering& lowering, const Arguments& args, const Tensor& mean, const Tensor& rstd) {
  const Tensor& input = lowering.tensor(0);
  const DType compute = compute_type(input.dtype);
  Loop loop(lowering, input.sizes);
  Scalar value = (loop.load(input, compute) - loop.load(per_channel(mean, input.sizes), compute)) *
                 loop.load(per_channel(rstd, input.sizes), compute);
  if (args.weight.defined()) {
    value = value * loop.load(per_channel(args.weight, input.sizes), compute);
  }
  if (args.bias.defined()) value = value + loop.load(per_channel(args.bias, input.sizes), compute);
  loop.store(lowering.output(0), value);
  loop.map();
}

// running = (1 - momentum) * running + momentum * now; the variance unbiased.
void update_running(Lowering& lowering, const Arguments& args, const Moments& found,
                    const Extents& reduced, DType compute) {
  const auto update = [&](const Tensor& running, bool variance) {
    if (!running.defined()) return;
    Loop loop(lowering, running.sizes);
    const Scalar momentum = loop.number(args.momentum, compute);
    Scalar now = loop.load(variance ? found.squares : found.mean);
    if (variance) now = now / (count_of(loop, reduced, compute) - 1.0);
    loop.store(running, loop.load(running, compute) * (1.0 - momentum) + momentum * now);
    loop.map();
  };
  update(args.running_mean, false);
  update(args.running_var, true);
}

// Outputs: out, mean and 1 / sqrt(variance + eps) of the batch.
void train(Lowering& lowering, const Arguments& args) {
  const Tensor& input = lowering.tensor(0);
  require(input.rank() >= 2, "an input without channels");
  const DType compute = compute_type(input.dtype);
  const auto dims = all_but_channels(input.rank());
  const Extents reduced = sizes_at(input, dims);
  const Moments found = moments(lowering, input, dims, compute);
  const Tensor rstd = lowering.temporary(compute, found.mean.sizes);
  {
    Loop loop(lowering, found.mean.sizes);
    const Scalar variance = loop.load(found.squares) / count_of(loop, reduced, compute);
    loop.store(rstd, rsqrt(variance + loop.number(args.eps, compute)));
    loop.map();
  }
  normalize(lowering, args, found.mean, rstd);
  copy(lowering, found.mean, lowering.output(1));
  copy(lowering, rstd, lowering.output(2));
  update_running(lowering, args, found, reduced, compute);
}

// By the running statistics; the other outputs are empty.
void infer(Lowering& lowering, const Arguments& args) {
  require(args.running_mean.defined() && args.running_var.defined(), "no running statistics");
  const DType compute = compute_type(lowering.tensor(0).dtype);
  const Tensor rstd = lowering.temporary(compute, args.running_var.sizes);
  {
    Loop loop(lowering, args.running_var.sizes);
    loop.store(rstd, rsqrt(loop.load(args.running_var, compute) + loop.number(args.eps, compute)));
    loop.map();
  }
  normalize(lowering, args, args.running_mean, rstd);
  for (size_t i = 1; i < lowering.output_count(); ++i) {
    const Tensor& saved = lowering.output(i);
    if (saved.defined() && !product(saved.sizes).is(0)) decline("statistics of inference");
    if (saved.defined()) fill(lowering, saved, 0);
  }
}

Tensor optional(const Lowering& lowering, size_t arg) {
  return lowering.given(arg) ? lowering.tensor(arg) : Tensor();
}

// (input, weight?, bias?, running_mean?, running_var?, training, momentum, eps)
void batch_norm(Lowering& lowering) {
  const Arguments args{optional(lowering, 1), optional(lowering, 2), optional(lowering, 3),
                       optional(lowering, 4), lowering.number(6),    lowering.number(7)};
  if (lowering.flag(5)) {
    train(lowering, args);
  } else {
    infer(lowering, args);
  }
}

// (input, weight?, bias?, training, momentum, eps)
void batch_norm_no_stats(Lowering& lowering) {
  require(lowering.flag(3), "inference without running statistics");
  train(lowering, {optional(lowering, 1),
                   optional(lowering, 2),
                   {},
                   {},
                   lowering.number(4),
                   lowering.number(5)});
}

// (input, weight?, bias?, running_mean, running_var, momentum, eps)
void batch_norm_inference(Lowering& lowering) {
  infer(lowering, {optional(lowering, 1), optional(lowering, 2), optional(lowering, 3),
                   optional(lowering, 4), lowering.number(5), lowering.number(6)});
}

// (grad, input, weight?, running_mean?, running_var?, save_mean?, save_invstd?, train, eps, mask)
void batch_norm_backward(Lowering& lowering) {
  const Tensor& grad = lowering.tensor(0);
  const Tensor& input = lowering.tensor(1);
  const Tensor weight = optional(lowering, 2);
  const DType compute = compute_type(input.dtype);
  const auto dims = all_but_channels(input.rank());
  const Extents reduced = sizes_at(input, dims);
  const Extents channels = sizes_without(input, dims);
  const auto order = parallel_first(input.rank(), dims);
  const bool training = lowering.flag(7);
  Tensor mean = optional(lowering, training ? 5 : 3);
  Tensor rstd = optional(lowering, 6);
  require(mean.defined(), "no statistics");
  if (!training) {
    const Tensor variance = lowering.tensor(4);
    rstd = lowering.temporary(compute, channels);
    Loop loop(lowering, channels);
    loop.store(rstd,
               rsqrt(loop.load(variance, compute) + loop.number(lowering.number(8), compute)));
    loop.map();
  }
  const Tensor grad_sum = lowering.temporary(compute, channels);
  const Tensor projection = lowering.temporary(compute, channels);
  {
    Loop loop(lowering, channels, reduced);
    const Scalar g = loop.load(permute(grad, order), compute);
    const Scalar x =
        (loop.load(permute(input, order), compute) - loop.load(repeated(mean, reduced), compute)) *
        loop.load(repeated(rstd, reduced), compute);
    loop.store(grad_sum, g);
    loop.store(projection, g * x);
    loop.reduce(ReduceOp::Sum);
  }
  if (lowering.output(0).defined()) {
    Loop loop(lowering, input.sizes);
    const auto spread = [&](const Tensor& tensor) {
      return loop.load(per_channel(tensor, input.sizes), compute);
    };
    Scalar g = loop.load(grad, compute);
    if (training) {
      const Scalar n = count_of(loop, reduced, compute);
      const Scalar x = (loop.load(input, compute) - spread(mean)) * spread(rstd);
      g = g - spread(grad_sum) / n - x * spread(projection) / n;
    }
    Scalar scale = spread(rstd);
    if (weight.defined()) scale = scale * spread(weight);
    loop.store(lowering.output(0), g * scale);
    loop.map();
  }
  if (lowering.output(1).defined()) copy(lowering, projection, lowering.output(1));
  if (lowering.output(2).defined()) copy(lowering, grad_sum, lowering.output(2));
}

}  // namespace

void add_batch_norm_rows(OpTable& table) {
  table.add({"native_batch_norm", "native_batch_norm.out", "_native_batch_norm_legit",
             "_native_batch_norm_legit.out"},
            batch_norm);
  table.add({"_native_batch_norm_legit.no_stats", "_native_batch_norm_legit.no_stats_out"},
            batch_norm_no_stats);
  table.add({"_native_batch_norm_legit_no_training"}, batch_norm_inference);
  table.add({"native_batch_norm_backward"}, batch_norm_backward);
}

}  // namespace trireme::graph
