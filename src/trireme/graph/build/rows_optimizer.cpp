// SPDX-License-Identifier: Apache-2.0
// Fused optimizer steps: one map per parameter, with the formulas of ATen's CPU kernels, and what
// automatic mixed precision does between backward pass and step.
#include <cmath>
#include <optional>

#include "trireme/graph/build/loop.h"
#include "trireme/graph/build/op_table.h"
#include "trireme/graph/build/pointwise.h"

namespace trireme::graph {
namespace {

// What the fused steps have in common. Lists of tensors, by parameter:
//   params, grads, ...state; then, from `numbers` on, numbers; grad_scale and found_inf at the end.
class Step {
 public:
  // `scaling`: the position of grad_scale, which found_inf follows.
  Step(Lowering& lowering, size_t index, size_t scaling)
      : lowering_(lowering),
        index_(index),
        scaling_(scaling),
        loop_(lowering, lowering.tensors(0)[index].sizes),
        dtype_(lowering.tensors(0)[index].dtype) {
    require(is_floating(dtype_), "a parameter of this dtype");
    if (lowering.given(scaling + 1)) {
      skip_ = loop_.load(scalar_tensor(scaling + 1), DType::Float32) == 1.0;
    }
  }

  Loop& loop() { return loop_; }

  // The element of list `arg`, in the compute type.
  Scalar element(size_t arg) {
    const Tensor& tensor = of_list(arg);
    require(tensor.dtype == dtype_ && tensor.sizes == lowering_.tensors(0)[index_].sizes,
            "optimizer state unlike its parameter");
    return cast(loop_.load(tensor), compute_type(dtype_));
  }

  // A step count, f64.
  Scalar count(size_t arg) {
    require(of_list(arg).rank() == 0, "a step count that is no scalar");
    return loop_.load(of_list(arg), DType::Float64);
  }

  // A number or a scalar tensor, f64.
  Scalar number(size_t arg) {
    if (std::holds_alternative<Tensor>(lowering_.call().args.at(arg))) {
      return loop_.load(scalar_tensor(arg), DType::Float64);
    }
    return loop_.number(lowering_.number(arg), DType::Float64);
  }

  // f64 to the compute type.
  Scalar rounded(Scalar value) const { return cast(value, compute_type(dtype_)); }

  // The gradient, scaled back (and kept so), negated to maximize.
  Scalar gradient(bool maximize) {
    Scalar grad = element(1);
    if (lowering_.given(scaling_)) {
      grad = grad / loop_.load(scalar_tensor(scaling_), grad.dtype());
      set(1, grad);
    }
    return maximize ? -grad : grad;
  }

  // grad + weight_decay * param, where there is any.
  Scalar decayed(Scalar grad, Scalar param, size_t weight_decay) {
    if (is_fixed_at(lowering_, weight_decay, 0)) return grad;
    const Scalar decay = rounded(number(weight_decay));
    // 0 is no decay at all: it must not make NaN of infinities.
    return select(decay == 0.0, grad, grad + param * decay);
  }

  // Without a finite gradient everything stays as it is.
  void set(size_t arg, Scalar value) {
    const Scalar stored = cast(value, dtype_);
    loop_.store(of_list(arg), skip_ ? select(*skip_, loop_.load(of_list(arg)), stored) : stored);
  }

 private:
  const Tensor& of_list(size_t arg) const {
    const auto list = lowering_.tensors(arg);
    require(index_ < list.size() && list[index_].defined(), "lists of unlike lengths");
    return list[index_];
  }

  const Tensor& scalar_tensor(size_t arg) const {
    const Tensor& tensor = lowering_.tensor(arg);
    require(tensor.rank() == 0 || product(tensor.sizes).is(1), "a tensor with several elements");
    // One of shape [1] would not broadcast to a parameter without dimensions.
    require(tensor.rank() <= lowering_.tensors(0)[index_].rank(), "a scalar with dimensions");
    return tensor;
  }

  Lowering& lowering_;
  size_t index_;
  size_t scaling_;
  Loop loop_;
  DType dtype_;
  std::optional<Scalar> skip_;
};

// (params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, steps, lr, beta1, beta2, weight_decay,
// eps, amsgrad, maximize, grad_scale, found_inf)
void adam(Lowering& lowering, bool decoupled) {
  const bool amsgrad = lowering.flag(11);
  for (size_t i = 0; i < lowering.tensors(0).size(); ++i) {
    Step step(lowering, i, 13);
    const Scalar lr = step.number(6);
    const Scalar beta1 = step.number(7);
    const Scalar beta2 = step.number(8);
    const Scalar count = step.count(5);

    Scalar param = step.element(0);
    Scalar grad = step.gradient(lowering.flag(12));
    if (!decoupled) {
      grad = step.decayed(grad, param, 9);
    } else {
      param = param * step.rounded(1.0 - lr * step.number(9));
    }
    const Scalar mean = step.element(2) * step.rounded(beta1) + grad * step.rounded(1.0 - beta1);
    const Scalar square =
        step.element(3) * step.rounded(beta2) + grad * grad * step.rounded(1.0 - beta2);
    step.set(2, mean);
    step.set(3, square);
    Scalar spread = square;
    if (amsgrad) {
      spread = maximum(step.element(4), square);
      step.set(4, spread);
    }
    const Scalar correction1 = 1.0 - apply(ScalarOp::Pow, beta1, count);
    const Scalar correction2 = sqrt(1.0 - apply(ScalarOp::Pow, beta2, count));
    const Scalar denominator =
        sqrt(spread) / step.rounded(correction2) + step.rounded(step.number(10));
    step.set(0, param - step.rounded(lr / correction1) * mean / denominator);
    step.loop().map();
  }
}

void fused_adam(Lowering& lowering) { adam(lowering, false); }
void fused_adamw(Lowering& lowering) { adam(lowering, true); }

// (params, grads, momentum_buffers, weight_decay, momentum, lr, dampening, nesterov, maximize,
// is_first_step, grad_scale, found_inf). Of f16 and bf16, ATen's vectorised CPU kernel (2.13)
// stores no parameters and reads the buffers as f32; this computes what its scalar part does.
void fused_sgd(Lowering& lowering) {
  const Number& momentum = lowering.number(4);
  const bool plain = is_fixed_at(lowering, momentum, 0);
  // 0 means that the buffers are left alone, so that the graph must know whether it is.
  if (!plain && !momentum.varies) lowering.fixed(momentum);
  for (size_t i = 0; i < lowering.tensors(0).size(); ++i) {
    Step step(lowering, i, 10);
    const Scalar param = step.element(0);
    Scalar grad = step.decayed(step.gradient(lowering.flag(8)), param, 3);
    if (!plain) {
      const Scalar factor = step.rounded(step.number(4));
      Scalar buffer = grad;
      if (!lowering.flag(9)) {
        buffer = step.element(2) * factor + grad * step.rounded(1.0 - step.number(6));
      }
      const Scalar direction = lowering.flag(7) ? grad + buffer * factor : buffer;
      if (momentum.varies) {
        step.set(2, select(factor == 0.0, step.element(2), buffer));
        grad = select(factor == 0.0, grad, direction);
      } else {
        step.set(2, buffer);
        grad = direction;
      }
    }
    step.set(0, param - grad * step.rounded(step.number(5)));
    step.loop().map();
  }
}

// (params, grads, state_sums, steps, lr, lr_decay, weight_decay, eps, maximize, grad_scale,
// found_inf)
void fused_adagrad(Lowering& lowering) {
  for (size_t i = 0; i < lowering.tensors(0).size(); ++i) {
    Step step(lowering, i, 9);
    const Scalar rate = step.number(4) / ((step.count(3) - 1.0) * step.number(5) + 1.0);
    const Scalar param = step.element(0);
    const Scalar grad = step.decayed(step.gradient(lowering.flag(8)), param, 6);
    const Scalar sum = step.element(2) + grad * grad;
    step.set(2, sum);
    const Scalar denominator = sqrt(sum) + step.rounded(step.number(7));
    step.set(0, param - step.rounded(rate) * grad / denominator);
    step.loop().map();
  }
}

// --- automatic mixed precision ---

// (grads, found_inf, inv_scale): grads times inv_scale; found_inf becomes 1 where any is not
// finite.
void unscale(Lowering& lowering) {
  const auto grads = lowering.tensors(0);
  const Tensor& found_inf = lowering.tensor(1);
  const Tensor& inv_scale = lowering.tensor(2);
  require(inv_scale.rank() == 0 || product(inv_scale.sizes).is(1), "a scale with several elements");
  Tensor factor = inv_scale;
  factor.sizes.clear();
  factor.strides.clear();

  std::vector<Tensor> found;
  for (const Tensor& grad : grads) {
    require(is_floating(grad.dtype), "a gradient of this dtype");
    found.push_back(lowering.temporary(DType::Bool, {}));
    Loop loop(lowering, {}, grad.sizes);
    const Scalar value = loop.load(grad);
    loop.store(found.back(), apply(ScalarOp::IsNan, value) | apply(ScalarOp::IsInf, value));
    loop.reduce(ReduceOp::Any);
  }
  for (const Tensor& grad : grads) {
    Loop loop(lowering, grad.sizes);
    const Scalar value = loop.load(grad, compute_type(grad.dtype));
    loop.store(grad, cast(value * loop.load(factor, value.dtype()), grad.dtype));
    loop.map();
  }
  if (grads.empty()) return;
  Loop loop(lowering, found_inf.sizes);
  Scalar any = loop.load(found[0]);
  for (size_t i = 1; i < found.size(); ++i) any = any | loop.load(found[i]);
  const Scalar before = loop.load(found_inf);
  loop.store(found_inf, select(any, before.constant(1), before));
  loop.map();
}

// (scale, growth_tracker, found_inf, growth factor, backoff factor, growth interval): backs off
// where infinities were found, grows after an interval without.
void update_scale(Lowering& lowering) {
  const Tensor& scale = lowering.tensor(0);
  const Tensor& tracker = lowering.tensor(1);
  require(scale.sizes == tracker.sizes && product(scale.sizes).is(1), "scales of other sizes");
  require(is_integral(tracker.dtype) && is_floating(scale.dtype), "a scale of this dtype");
  Loop loop(lowering, scale.sizes);
  const Scalar old = loop.load(scale);
  const Scalar exact = cast(old, DType::Float64);
  const Scalar found = truth(loop.load(lowering.tensor(2)));
  const Scalar streak = loop.load(tracker) + 1.0;
  const Scalar due = streak == loop.constant(lowering.integer(5), tracker.dtype);
  const Scalar grown = cast(exact * loop.number(lowering.number(3), DType::Float64), scale.dtype);
  const Scalar backed_off =
      cast(exact * loop.number(lowering.number(4), DType::Float64), scale.dtype);
  const Scalar finite = !(apply(ScalarOp::IsInf, grown) | apply(ScalarOp::IsNan, grown));
  loop.store(scale, select(found, backed_off, select(due & finite, grown, old)));
  loop.store(tracker, select(found | due, streak.constant(0), streak));
  loop.map();
}

}  // namespace

void add_optimizer_rows(OpTable& table) {
  table.add({"_fused_adam_", "_fused_adam_.tensor_lr"}, fused_adam);
  table.add({"_fused_adamw_", "_fused_adamw_.tensor_lr"}, fused_adamw);
  table.add({"_fused_sgd_", "_fused_sgd_.tensor_lr"}, fused_sgd);
  table.add({"_fused_adagrad_", "_fused_adagrad_.tensor_lr"}, fused_adagrad);
  table.add({"_amp_foreach_non_finite_check_and_unscale_"}, unscale);
  table.add({"_amp_update_scale_"}, update_scale);
}

}  // namespace trireme::graph
