// SPDX-License-Identifier: Apache-2.0
// Activation functions. Their backward formulas: rows_activation_backward.cpp.
#include <cmath>
#include <numbers>

#include "trireme/graph/build/op_table.h"
#include "trireme/graph/build/pointwise.h"
#include "trireme/graph/build/tensor_views.h"

namespace trireme::graph {
namespace {

void require_floating(const Pointwise& p) {
  require(is_floating(p.dtype()), "an activation of this dtype");
}

void relu(Lowering& lowering) {
  Pointwise p(lowering, {0});
  require(!is_complex(p.dtype()) && p.dtype() != DType::Bool, "an activation of this dtype");
  p.finish(maximum(p[0], p.constant(0)));
}

void hardtanh(Lowering& lowering) {
  Pointwise p(lowering, {0});
  require(!is_complex(p.dtype()) && p.dtype() != DType::Bool, "an activation of this dtype");
  p.finish(minimum(maximum(p[0], p[1]), p[2]));
}

void threshold(Lowering& lowering) {
  Pointwise p(lowering, {0});
  require(!is_complex(p.dtype()) && p.dtype() != DType::Bool, "an activation of this dtype");
  p.finish(select(p[0] <= p.exact(1), p[2], p[0]));  // the bound is not rounded
}

void leaky_relu(Lowering& lowering) {
  Pointwise p(lowering, {0});
  require_floating(p);
  const Scalar x = p[0];
  p.finish(select(x > 0.0, x, x * p.exact(1)));
}

// scale * (x > 0 ? x : alpha * (exp(input_scale * x) - 1))
void elu(Lowering& lowering) {
  Pointwise p(lowering, {0});
  require_floating(p);
  const Scalar x = p[0];
  const Scalar scale = p.exact(2);
  const Scalar negative = apply(ScalarOp::Expm1, x * p.exact(3)) * (p.exact(1) * scale);
  p.finish(select(x < 0.0, negative, x * scale));
}

void celu(Lowering& lowering) {
  Pointwise p(lowering, {0});
  require_floating(p);
  const Scalar x = p[0];
  const Scalar alpha = p.exact(1);
  p.finish(select(x < 0.0, apply(ScalarOp::Expm1, x * (1.0 / alpha)) * alpha, x));
}

void gelu(Lowering& lowering) {
  Pointwise p(lowering, {0});
  require_floating(p);
  const Scalar x = p[0];
  if (lowering.text(1) == "tanh") {
    const double beta = std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
    const Scalar inner = (x + x * x * x * 0.044715) * beta;
    return p.finish(x * 0.5 * (tanh(inner) + 1.0));
  }
  require(lowering.text(1) == "none", "an unknown approximation of gelu");
  p.finish(x * 0.5 * (apply(ScalarOp::Erf, x * (1 / std::numbers::sqrt2)) + 1.0));
}

void silu(Lowering& lowering) {
  Pointwise p(lowering, {0});
  require(!is_integral(p.dtype()), "an activation of this dtype");
  const Scalar x = p[0];
  p.finish(x / (exp(-x) + 1.0));
}

void mish(Lowering& lowering) {
  Pointwise p(lowering, {0});
  require_floating(p);
  const Scalar x = p[0];
  p.finish(x * tanh(log1p(exp(x))));
}

void softplus(Lowering& lowering) {
  Pointwise p(lowering, {0});
  require_floating(p);
  const Scalar x = p[0];
  const Scalar beta = p.exact(1);
  p.finish(select(x * beta > p.exact(2), x, log1p(exp(x * beta)) / beta));
}

// (x + 3) clamped to [0, 6]
Scalar relu6_of_shifted(Scalar x) {
  return minimum(maximum(x + 3.0, x.constant(0)), x.constant(6));
}

void hardswish(Lowering& lowering) {
  Pointwise p(lowering, {0});
  require_floating(p);
  const Scalar x = p[0];
  p.finish(x * relu6_of_shifted(x) / 6.0);
}

void hardsigmoid(Lowering& lowering) {
  Pointwise p(lowering, {0});
  require_floating(p);
  p.finish(relu6_of_shifted(p[0]) / 6.0);
}

void hardshrink(Lowering& lowering) {
  Pointwise p(lowering, {0});
  require_floating(p);
  const Scalar x = p[0];
  const Scalar lambda = p[1];
  p.finish(select((x >= -lambda) & (x <= lambda), p.constant(0), x));
}

void softshrink(Lowering& lowering) {
  Pointwise p(lowering, {0});
  require_floating(p);
  const Scalar x = p[0];
  const Scalar lambda = p.exact(1);
  // x * 0 keeps NaN.
  p.finish(select(x > lambda, x - lambda, select(x < -lambda, x + lambda, x * 0.0)));
}

void prelu(Lowering& lowering) {
  Pointwise p(lowering, {0, 1});
  require_floating(p);
  const Scalar x = p[0];
  p.finish(select(x > 0.0, x, p[1] * x));
}

// min(x, 0) - log(1 + exp(-|x|)); the second result is exp(-|x|).
void log_sigmoid_forward(Lowering& lowering) {
  Pointwise p(lowering, {0});
  require_floating(p);
  const Scalar x = p[0];
  const Scalar buffer = exp(-abs(x));
  p.store(lowering.output(0), minimum(x, p.constant(0)) - log1p(buffer));
  // Some devices leave it empty.
  if (lowering.output(1).sizes == lowering.output(0).sizes) p.store(lowering.output(1), buffer);
  p.map();
}

void glu(Lowering& lowering) {
  const Tensor& x = lowering.tensor(0);
  require(is_floating(x.dtype) && x.rank() > 0, "glu of this tensor");
  const size_t dim = wrap_dim(lowering.integer(1), x.rank());
  const Tensor& result = lowering.output(0);
  const Extent& half = result.sizes.at(dim);
  Loop loop(lowering, result.sizes);
  const Scalar first = loop.load(narrow(x, dim, 0, half), compute_type(x.dtype));
  const Scalar second = loop.load(narrow(x, dim, half, half), compute_type(x.dtype));
  loop.store(result, cast(first * sigmoid(second), x.dtype));
  loop.map();
}

}  // namespace

void add_activation_rows(OpTable& table) {
  table.add({"relu", "relu_", "relu.out"}, relu);
  table.add({"hardtanh", "hardtanh_", "hardtanh.out"}, hardtanh);
  table.add({"threshold", "threshold_", "threshold.out"}, threshold);
  table.add({"leaky_relu", "leaky_relu_", "leaky_relu.out"}, leaky_relu);
  table.add({"elu", "elu_", "elu.out"}, elu);
  table.add({"celu", "celu_", "celu.out"}, celu);
  table.add({"gelu", "gelu_", "gelu.out"}, gelu);
  table.add({"silu", "silu_", "silu.out"}, silu);
  table.add({"mish", "mish_", "mish.out"}, mish);
  table.add({"softplus", "softplus.out"}, softplus);
  table.add({"hardswish", "hardswish_", "hardswish.out"}, hardswish);
  table.add({"hardsigmoid", "hardsigmoid_", "hardsigmoid.out"}, hardsigmoid);
  table.add({"hardshrink", "hardshrink.out"}, hardshrink);
  table.add({"softshrink", "softshrink.out"}, softshrink);
  table.add({"_prelu_kernel"}, prelu);
  table.add({"log_sigmoid_forward", "log_sigmoid_forward.output"}, log_sigmoid_forward);
  table.add({"glu", "glu.out"}, glu);
}

}  // namespace trireme::graph
