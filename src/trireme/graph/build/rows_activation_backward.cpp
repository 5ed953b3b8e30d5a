// SPDX-License-Identifier: Apache-2.0
// Backward formulas of activation functions, as ATen's CPU kernels have them; of NaN, as their
// vectorised parts, from which the tails of some differ. What of the forward pass they take, and in
// which order, is the schema's.
#include <cmath>
#include <limits>
#include <numbers>

#include "trireme/graph/build/op_table.h"
#include "trireme/graph/build/pointwise.h"
#include "trireme/graph/build/tensor_views.h"

namespace trireme::graph {
namespace {

void require_floating(const Pointwise& p) {
  require(is_floating(p.dtype()), "an activation of this dtype");
}

Scalar one_minus(Scalar a) { return 1.0 - a; }

Scalar conj_of(Scalar a) { return is_complex(a.dtype()) ? apply(ScalarOp::Conj, a) : a; }

void threshold_backward(Lowering& lowering) {
  Pointwise p(lowering, {0, 1});
  require(!is_complex(p.dtype()) && p.dtype() != DType::Bool, "an activation of this dtype");
  p.finish(select(p[1] <= p.exact(2), p.constant(0), p[0]));  // the bound is not rounded
}

void hardtanh_backward(Lowering& lowering) {
  Pointwise p(lowering, {0, 1});
  require_floating(p);
  const Scalar x = p[1];
  // Half precision is compared with the bounds as they are: Activation.cpp takes them in float.
  p.finish(select((x > p.exact(2)) & (x < p.exact(3)), p[0], p.constant(0)));
}

void leaky_relu_backward(Lowering& lowering) {
  Pointwise p(lowering, {0, 1});
  require_floating(p);
  const Scalar grad = p[0];
  p.finish(select(p[1] > 0.0, grad, grad * p.exact(2)));
}

// (grad, alpha, scale, input_scale, is_result, self or result)
void elu_backward(Lowering& lowering) {
  Pointwise p(lowering, {0, 5});
  require_floating(p);
  const Scalar grad = p[0];
  const Scalar x = p[5];
  const Scalar scale = p.exact(2);
  const Scalar negative = p.exact(1) * scale;
  const Scalar input_scale = p.exact(3);
  const Scalar slope = lowering.flag(4) ? x + negative : negative * exp(x * input_scale);
  p.finish(select(x > 0.0, grad * scale, grad * input_scale * slope));
}

void gelu_backward(Lowering& lowering) {
  Pointwise p(lowering, {0, 1});
  require_floating(p);
  const Scalar grad = p[0];
  const Scalar x = p[1];
  if (lowering.text(2) == "tanh") {
    const double beta = std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
    const double kappa = 0.044715;
    const Scalar square = x * x;
    const Scalar bend = tanh((x + square * x * kappa) * beta);
    const Scalar slope = one_minus(bend * bend) * ((square * (3 * kappa) + 1.0) * beta);
    return p.finish(grad * ((bend + 1.0) * 0.5 + x * 0.5 * slope));
  }
  require(lowering.text(2) == "none", "an unknown approximation of gelu");
  const Scalar cdf = (apply(ScalarOp::Erf, x * (1 / std::numbers::sqrt2)) + 1.0) * 0.5;
  const Scalar pdf = exp(x * x * -0.5) * (std::numbers::inv_sqrtpi / std::numbers::sqrt2);
  p.finish(grad * (cdf + x * pdf));
}

void silu_backward(Lowering& lowering) {
  Pointwise p(lowering, {0, 1});
  require_floating(p);
  const Scalar x = p[1];
  const Scalar s = sigmoid(x);
  p.finish(p[0] * s * (x * one_minus(s) + 1.0));
}

void mish_backward(Lowering& lowering) {
  Pointwise p(lowering, {0, 1});
  require_floating(p);
  const Scalar x = p[1];
  const Scalar s = sigmoid(x);
  const Scalar bend = tanh(log1p(exp(x)));
  p.finish(p[0] * (bend + x * s * one_minus(bend * bend)));
}

void softplus_backward(Lowering& lowering) {
  Pointwise p(lowering, {0, 1});
  require_floating(p);
  const Scalar grad = p[0];
  const Scalar scaled = p[1] * p.exact(2);
  const Scalar z = exp(scaled);
  p.finish(select(scaled > p.exact(3), grad, grad * z / (z + 1.0)));
}

void hardswish_backward(Lowering& lowering) {
  Pointwise p(lowering, {0, 1});
  require_floating(p);
  const Scalar grad = p[0];
  const Scalar x = p[1];
  const Scalar middle = grad * (x / 3.0 + 0.5);
  p.finish(select(x <= -3.0, p.constant(0), select(x >= 3.0, grad, middle)));
}

void hardsigmoid_backward(Lowering& lowering) {
  Pointwise p(lowering, {0, 1});
  require_floating(p);
  const Scalar x = p[1];
  const double sixth = 1.0F / 6.0F;  // of float precision in ATen's kernel, for f64, too
  p.finish(select((x > -3.0) & (x < 3.0), p[0] * sixth, p.constant(0)));
}

void shrink_backward(Lowering& lowering) {
  Pointwise p(lowering, {0, 1});
  require_floating(p);
  const Scalar x = p[1];
  const Scalar lambda = p[2];
  p.finish(select((x < -lambda) | (x > lambda), p[0], p.constant(0)));
}

// (grad, self, weight) to the grads of self and of weight, the latter not yet reduced.
void prelu_backward(Lowering& lowering) {
  Pointwise p(lowering, {0, 1, 2});
  require_floating(p);
  require(lowering.output(0).sizes == lowering.output(1).sizes, "grads of unlike sizes");
  const Scalar grad = p[0];
  const Scalar x = p[1];
  const Scalar positive = x > 0.0;
  p.store(lowering.output(0), select(positive, grad, p[2] * grad));
  p.store(lowering.output(1), select(positive, p.constant(0), x * grad));
  p.map();
}

// The buffer of the forward pass, exp(-|x|), is computed again: cheaper than reading it.
void log_sigmoid_backward(Lowering& lowering) {
  Pointwise p(lowering, {0, 1});
  require_floating(p);
  const Scalar x = p[1];
  const Scalar z = exp(-abs(x));
  const Scalar share = z / (z + 1.0);
  p.finish(select(x < 0.0, one_minus(share), share) * p[0]);
}

void glu_backward(Lowering& lowering) {
  const Tensor& x = lowering.tensor(1);
  require(is_floating(x.dtype) && x.rank() > 0, "glu of this tensor");
  const size_t dim = wrap_dim(lowering.integer(2), x.rank());
  const Tensor& result = lowering.output(0);
  const Extent& half = lowering.tensor(0).sizes.at(dim);
  const DType type = compute_type(x.dtype);
  for (const bool second : {false, true}) {
    Loop loop(lowering, lowering.tensor(0).sizes);
    const Scalar grad = loop.load(lowering.tensor(0), type);
    const Scalar gate = sigmoid(loop.load(narrow(x, dim, half, half), type));
    const Scalar value =
        second ? one_minus(gate) * gate * grad * loop.load(narrow(x, dim, 0, half), type)
               : gate * grad;
    loop.store(narrow(result, dim, second ? half : Extent(0), half), cast(value, x.dtype));
    loop.map();
  }
}

void sigmoid_backward(Lowering& lowering) {
  Pointwise p(lowering, {0, 1});
  require(!is_integral(p.dtype()), "an activation of this dtype");
  const Scalar y = p[1];
  p.finish(p[0] * conj_of(one_minus(y) * y));
}

void tanh_backward(Lowering& lowering) {
  Pointwise p(lowering, {0, 1});
  require(!is_integral(p.dtype()), "an activation of this dtype");
  const Scalar y = p[1];
  p.finish(p[0] * conj_of(one_minus(y * y)));
}

// grad / (x (1 - x)); outside of [eps, 1 - eps] 0, or, without eps, outside of [0, 1] NaN.
void logit_backward(Lowering& lowering) {
  Pointwise p(lowering, {0, 1});
  require_floating(p);
  const Scalar grad = p[0];
  const Scalar x = p[1];
  const Scalar inside = grad / (x * one_minus(x));
  if (p.given(2) && lowering.fixed(lowering.number(2)) >= 0) {
    const Scalar low = p[2];
    return p.finish(select((x >= low) & (x <= one_minus(low)), inside, p.constant(0)));
  }
  const Scalar nan = p.constant(std::numeric_limits<double>::quiet_NaN());
  p.finish(select((x >= 0.0) & (x <= 1.0), inside, nan));
}

}  // namespace

void add_activation_backward_rows(OpTable& table) {
  table.add({"threshold_backward", "threshold_backward.grad_input"}, threshold_backward);
  table.add({"hardtanh_backward", "hardtanh_backward.grad_input"}, hardtanh_backward);
  table.add({"leaky_relu_backward", "leaky_relu_backward.grad_input"}, leaky_relu_backward);
  table.add({"elu_backward", "elu_backward.grad_input"}, elu_backward);
  table.add({"gelu_backward", "gelu_backward.grad_input"}, gelu_backward);
  table.add({"silu_backward", "silu_backward.grad_input"}, silu_backward);
  table.add({"mish_backward"}, mish_backward);
  table.add({"softplus_backward", "softplus_backward.grad_input"}, softplus_backward);
  table.add({"hardswish_backward", "hardswish_backward.out"}, hardswish_backward);
  table.add({"hardsigmoid_backward", "hardsigmoid_backward.grad_input"}, hardsigmoid_backward);
  table.add({"hardshrink_backward", "hardshrink_backward.grad_input", "softshrink_backward",
             "softshrink_backward.grad_input"},
            shrink_backward);
  table.add({"_prelu_kernel_backward"}, prelu_backward);
  table.add({"log_sigmoid_backward", "log_sigmoid_backward.grad_input"}, log_sigmoid_backward);
  table.add({"glu_backward", "glu_backward.grad_input"}, glu_backward);
  table.add({"sigmoid_backward", "sigmoid_backward.grad_input"}, sigmoid_backward);
  table.add({"tanh_backward", "tanh_backward.grad_input"}, tanh_backward);
  table.add({"logit_backward", "logit_backward.grad_input"}, logit_backward);
}

}  // namespace trireme::graph
