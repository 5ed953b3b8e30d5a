// SPDX-License-Identifier: Apache-2.0
// Negative log likelihood: of [C] with a target [], [N, C] with [N], [N, C, H, W] with [N, H, W].
#include "trireme/graph/build/loop.h"
#include "trireme/graph/build/op_table.h"
#include "trireme/graph/build/reductions.h"

namespace trireme::graph {
namespace {

constexpr int64_t kMean = 1;
constexpr int64_t kNone = 0;

struct Targets {
  Tensor source;  // the log likelihoods, channels last
  Tensor target;
  Tensor index;  // the targets, those to be ignored replaced by 0
  int64_t ignored = 0;
};

Targets read_targets(Lowering& lowering, const Tensor& source, const Tensor& target,
                     size_t ignore_arg) {
  const size_t channels = source.rank() == 1 ? 0 : 1;
  const std::vector<size_t> last = {channels};
  Targets result{permute(source, parallel_first(source.rank(), last)),
                 target,
                 {},
                 lowering.integer(ignore_arg)};
  // One target of a [1]: ATen takes a vector of one for a scalar.
  if (source.rank() == 1 && target.rank() == 1) result.target = squeeze(target, 0);
  require(is_integral(target.dtype), "targets that are no indices");
  result.index = lowering.temporary(DType::Int64, result.target.sizes);
  Loop loop(lowering, result.target.sizes);
  const Scalar at = loop.load(result.target, DType::Int64);
  const Scalar ignored = loop.constant(result.ignored, DType::Int64);
  loop.store(result.index, select(at == ignored, at.constant(0), at));
  loop.map();
  return result;
}

// What lies at the index along the last dimension of `source` (repeated along the others).
Tensor gathered(Lowering& lowering, const Tensor& source, const Tensor& index) {
  const size_t last = source.rank() - 1;
  Tensor result = lowering.temporary(source.dtype, index.sizes);
  Gather gather;
  gather.indexed.push_back({source.strides[last], source.sizes[last]});
  const Tensor start = expand(select(source, last, 0), index.sizes);
  lowering.append(gather, index.sizes, index.sizes.size(),
                  {lowering.read(start), lowering.read(index)}, std::vector{result});
  return result;
}

// (self, target, weight?, reduction, ignore_index) -> (loss, total weight)
void nll_loss(Lowering& lowering) {
  const Tensor source = lowering.plain(lowering.tensor(0));
  const DType compute = compute_type(source.dtype);
  const Targets targets = read_targets(lowering, source, lowering.tensor(1), 4);
  const Tensor picked = gathered(lowering, targets.source, targets.index);
  Tensor weight;
  if (lowering.given(2)) weight = gathered(lowering, lowering.tensor(2), targets.index);
  const Extents& sizes = targets.target.sizes;
  const auto weight_of = [&](Loop& loop) {
    const Scalar one = weight.defined() ? loop.load(weight, compute) : loop.constant(1.0, compute);
    const Scalar at = loop.load(targets.target, DType::Int64);
    return select(at == loop.constant(targets.ignored, DType::Int64), one.constant(0), one);
  };
  const auto value_of = [&](Loop& loop) {
    const Scalar used = weight_of(loop);
    // What is ignored may be anything: infinite, even.
    const Scalar value = -loop.load(picked, compute) * used;
    const Scalar at = loop.load(targets.target, DType::Int64);
    return select(at == loop.constant(targets.ignored, DType::Int64), value.constant(0), value);
  };
  const int64_t reduction = lowering.integer(3);
  if (reduction == kNone) {
    Loop loop(lowering, sizes);
    Tensor out = lowering.output(0);
    if (out.rank() > sizes.size()) out = squeeze(out, 0);
    loop.store(out, value_of(loop));
    loop.map();
    fill(lowering, lowering.output(1), 0);
    return;
  }
  const Tensor sum = lowering.temporary(compute, {});
  const Tensor total = lowering.temporary(compute, {});
  {
    Loop loop(lowering, {}, sizes);
    loop.store(sum, value_of(loop));
    loop.store(total, weight_of(loop));
    loop.reduce(ReduceOp::Sum);
  }
  Loop loop(lowering, {});
  const Scalar loss = loop.load(sum);
  const Scalar weights = loop.load(total);
  loop.store(lowering.output(0), reduction == kMean ? loss / weights : loss);
  loop.store(lowering.output(1), weights);
  loop.map();
}

// (grad, self, target, weight?, reduction, ignore_index, total_weight) -> grad of self
void nll_loss_backward(Lowering& lowering) {
  const Tensor& grad = lowering.tensor(0);
  const Tensor& source = lowering.tensor(1);
  Tensor target = lowering.tensor(2);
  const Tensor& result = lowering.output(0);
  const DType compute = compute_type(source.dtype);
  const size_t channels = source.rank() == 1 ? 0 : 1;
  if (source.rank() == 1 && target.rank() == 1) target = squeeze(target, 0);
  const int64_t reduction = lowering.integer(4);
  Loop loop(lowering, source.sizes);
  const auto spread = [&](const Tensor& tensor) {
    return unsqueeze(tensor, channels, source.sizes[channels]);
  };
  const Scalar at = loop.load(spread(target), DType::Int64);
  const Scalar hit =
      (at == loop.index(channels)) & (at != loop.constant(lowering.integer(5), DType::Int64));
  Tensor upstream = grad;
  if (reduction == kNone) {
    if (source.rank() == 1 && grad.rank() == 1) upstream = squeeze(grad, 0);
    upstream = spread(upstream);
  } else if (grad.rank() == 1) {
    upstream = squeeze(grad, 0);
  }
  Scalar value = -loop.load(upstream, compute);
  if (lowering.given(3)) {
    Tensor weight = lowering.tensor(3);
    for (size_t i = channels + 1; i < source.rank(); ++i) {
      weight = unsqueeze(weight, weight.rank(), source.sizes[i]);
    }
    value = value * loop.load(weight, compute);
  }
  if (reduction == kMean) value = value / loop.load(lowering.tensor(6), compute);
  loop.store(result, select(hit, value, value.constant(0)));
  loop.map();
}

}  // namespace

void add_nll_loss_rows(OpTable& table) {
  table.add({"nll_loss_forward", "nll_loss_forward.output", "nll_loss2d_forward",
             "nll_loss2d_forward.output"},
            nll_loss);
  table.add({"nll_loss_backward", "nll_loss_backward.grad_input", "nll_loss2d_backward",
             "nll_loss2d_backward.grad_input"},
            nll_loss_backward);
}

}  // namespace trireme::graph
