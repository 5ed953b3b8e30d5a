// SPDX-License-Identifier: Apache-2.0
// Fused steps against the formulas of the papers, written down here once more in plain C++.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/cpp/graph/rows_support.h"

namespace trireme::graph {
namespace {

using testing::CallRunner;
using testing::real;

using List = std::vector<Tensor>;

struct Adam {
  double param = 2;
  double grad = 0.5;
  double mean = 0.3;
  double square = 0.2;
  double greatest = 0.9;
};

constexpr double kLr = 0.1;
constexpr double kBeta1 = 0.8;
constexpr double kBeta2 = 0.95;
constexpr double kDecay = 0.01;
constexpr double kEps = 1e-3;

struct AdamOptions {
  bool decoupled = false;
  bool amsgrad = false;
  bool maximize = false;
  std::optional<double> scale{};
  std::optional<double> found_inf{};
};

Adam expected(const AdamOptions& options) {
  Adam now;
  if (options.found_inf == 1.0) return now;
  if (options.scale) now.grad /= *options.scale;
  double grad = options.maximize ? -now.grad : now.grad;
  if (options.decoupled) {
    now.param *= 1 - kLr * kDecay;
  } else {
    grad += kDecay * now.param;
  }
  now.mean = kBeta1 * now.mean + (1 - kBeta1) * grad;
  now.square = kBeta2 * now.square + (1 - kBeta2) * grad * grad;
  now.greatest = options.amsgrad ? std::max(now.greatest, now.square) : now.greatest;
  const double spread = options.amsgrad ? now.greatest : now.square;
  const double corrected = std::sqrt(spread / (1 - std::pow(kBeta2, 3)));
  now.param -= kLr / (1 - std::pow(kBeta1, 3)) * now.mean / (corrected + kEps);
  return now;
}

void check(const AdamOptions& options, bool tensor_lr) {
  CallRunner calls;
  const Adam before;
  const Tensor param = calls.scalar(before.param);
  const Tensor grad = calls.scalar(before.grad);
  const Tensor mean = calls.scalar(before.mean);
  const Tensor square = calls.scalar(before.square);
  const Tensor greatest = calls.scalar(before.greatest);
  const auto optional = [&](std::optional<double> value) -> Argument {
    if (!value) return None{};
    return calls.scalar(*value, DType::Float32);
  };
  const Argument lr = tensor_lr ? Argument(calls.scalar(kLr)) : Argument(calls.varying(kLr));
  const std::string name = options.decoupled ? "_fused_adamw_" : "_fused_adam_";
  calls.add(name + (tensor_lr ? ".tensor_lr" : ""),
            {List{param}, List{grad}, List{mean}, List{square},
             options.amsgrad ? List{greatest} : List{}, List{calls.scalar(3, DType::Float32)}, lr,
             real(kBeta1), real(kBeta2), real(kDecay), real(kEps), options.amsgrad,
             options.maximize, optional(options.scale), optional(options.found_inf)},
            {});
  ASSERT_TRUE(calls.declined().empty()) << calls.declined()[0];
  const Graph& graph = calls.graph();
  ASSERT_EQ(graph.nodes.size(), 1U);
  EXPECT_EQ(graph.nodes[0].results.size(), 3U + options.amsgrad + options.scale.has_value());
  const Adam after = expected(options);
  EXPECT_NEAR(calls.value(param), after.param, 1e-12);
  EXPECT_NEAR(calls.value(grad), after.grad, 1e-12);
  EXPECT_NEAR(calls.value(mean), after.mean, 1e-12);
  EXPECT_NEAR(calls.value(square), after.square, 1e-12);
  EXPECT_NEAR(calls.value(greatest), after.greatest, 1e-12);
}

TEST(OptimizerRows, Adam) {
  check({}, false);
  check({}, true);
  check({.amsgrad = true}, false);
  check({.maximize = true}, false);
  check({.scale = 4, .found_inf = 0}, false);
  check({.amsgrad = true, .maximize = true, .scale = 4, .found_inf = 1}, false);
}

TEST(OptimizerRows, AdamW) {
  check({.decoupled = true}, false);
  check({.decoupled = true, .amsgrad = true}, true);
}

TEST(OptimizerRows, HalfPrecisionParametersAreComputedInFloat) {
  CallRunner calls;
  const auto list = [&] { return List{calls.tensor({8}, DType::BFloat16)}; };
  calls.add(
      "_fused_adam_",
      {list(), list(), list(), list(), List{}, List{calls.scalar(3, DType::Float32)}, real(kLr),
       real(kBeta1), real(kBeta2), real(0), real(kEps), false, false, None{}, None{}},
      {});
  ASSERT_EQ(calls.graph().nodes.size(), 1U);
  const auto& expression = calls.graph().nodes[0].as<Map>()->expression;
  for (const ExprId root : expression.roots) {
    EXPECT_EQ(expression.nodes[root].op, ScalarOp::Cast);
    EXPECT_EQ(expression.nodes[root].dtype, DType::BFloat16);
    EXPECT_EQ(expression.nodes[expression.nodes[root].args[0]].dtype, DType::Float32);
  }
}

struct Sgd {
  double param = 2;
  double buffer = 0.25;
};

Sgd sgd(const Number& momentum, bool nesterov, bool first, bool with_buffer) {
  CallRunner calls;
  const Sgd before;
  const Tensor param = calls.scalar(before.param);
  const Tensor buffer = calls.scalar(before.buffer);
  Number given = momentum;
  if (given.varies) given = calls.varying(momentum.real);
  calls.add("_fused_sgd_",
            {List{param}, List{calls.scalar(0.5)}, with_buffer ? List{buffer} : List{},
             real(kDecay), given, real(kLr), real(0.4), nesterov, false, first, None{}, None{}},
            {});
  EXPECT_TRUE(calls.declined().empty());
  return {calls.value(param), calls.value(buffer)};
}

TEST(OptimizerRows, Sgd) {
  const double grad = 0.5 + kDecay * 2;
  EXPECT_NEAR(sgd(real(0), false, false, false).param, 2 - kLr * grad, 1e-12);
  const double buffer = 0.9 * 0.25 + 0.6 * grad;
  EXPECT_NEAR(sgd(real(0.9), false, false, true).buffer, buffer, 1e-12);
  EXPECT_NEAR(sgd(real(0.9), false, false, true).param, 2 - kLr * buffer, 1e-12);
  EXPECT_NEAR(sgd(real(0.9), true, false, true).param, 2 - kLr * (grad + 0.9 * buffer), 1e-12);
  EXPECT_NEAR(sgd(real(0.9), false, true, true).buffer, grad, 1e-12);
}

TEST(OptimizerRows, SgdMomentumThatVariesMayBecomeNone) {
  Number momentum = real(0);
  momentum.varies = true;
  EXPECT_EQ(sgd(momentum, false, false, true).buffer, 0.25);
  EXPECT_NEAR(sgd(momentum, false, false, true).param, 2 - kLr * (0.5 + kDecay * 2), 1e-12);
  momentum.real = 0.9;
  EXPECT_NEAR(sgd(momentum, false, false, true).buffer, 0.9 * 0.25 + 0.6 * 0.52, 1e-12);
}

TEST(OptimizerRows, Adagrad) {
  CallRunner calls;
  const Tensor param = calls.scalar(2);
  const Tensor sum = calls.scalar(0.75);
  calls.add("_fused_adagrad_",
            {List{param}, List{calls.scalar(0.5)}, List{sum}, List{calls.scalar(5, DType::Float32)},
             real(kLr), real(0.25), real(0), real(kEps), false, None{}, None{}},
            {});
  EXPECT_EQ(calls.value(sum), 1);
  EXPECT_NEAR(calls.value(param), 2 - kLr / 2 * 0.5 / (1 + kEps), 1e-12);
}

TEST(OptimizerRows, StateOfAnotherTypeIsDeclined) {
  CallRunner calls;
  calls.add("_fused_adagrad_",
            {List{calls.scalar(2, DType::Float32)}, List{calls.scalar(0.5)}, List{calls.scalar(1)},
             List{calls.scalar(5)}, real(kLr), real(0), real(0), real(kEps), false, None{}, None{}},
            {});
  EXPECT_EQ(calls.declined().size(), 1U);
}

TEST(OptimizerRows, UnscaleLooksForInfinitiesAndScales) {
  CallRunner calls;
  const List grads{calls.tensor({4}), calls.tensor({5}, DType::Float16)};
  const Tensor found = calls.tensor({1});
  calls.add("_amp_foreach_non_finite_check_and_unscale_", {grads, found, calls.tensor({})}, {});
  const Graph& graph = calls.graph();
  ASSERT_EQ(graph.nodes.size(), 5U);
  ASSERT_NE(graph.nodes[0].as<Reduce>(), nullptr);
  EXPECT_EQ(graph.nodes[0].as<Reduce>()->op, ReduceOp::Any);
  EXPECT_EQ(testing::text(graph.nodes[3]), "f16(mul(f32(load0), load1))");
  EXPECT_EQ(testing::text(graph.nodes[4]), "select(or(load0, load1), 1, load2)");
}

double scale_after(double tracker, double found, double* tracker_after) {
  CallRunner calls;
  const Tensor scale = calls.scalar(8, DType::Float32);
  const Tensor growth = calls.scalar(tracker, DType::Int32);
  calls.add("_amp_update_scale_",
            {scale, growth, calls.scalar(found, DType::Float32), real(2), real(0.5), Extent(3)},
            {scale});
  *tracker_after = calls.value(growth);
  return calls.value(scale);
}

TEST(OptimizerRows, TheScaleGrowsAfterAnIntervalAndBacksOff) {
  double tracker = 0;
  EXPECT_EQ(scale_after(1, 0, &tracker), 8);
  EXPECT_EQ(tracker, 2);
  EXPECT_EQ(scale_after(2, 0, &tracker), 16);
  EXPECT_EQ(tracker, 0);
  EXPECT_EQ(scale_after(2, 1, &tracker), 4);
  EXPECT_EQ(tracker, 0);
}

}  // namespace
}  // namespace trireme::graph
