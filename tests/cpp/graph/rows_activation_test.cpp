// SPDX-License-Identifier: Apache-2.0
// Activations: their values where they are easy to tell, and their backward formulas against
// difference quotients of their forward ones.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/cpp/graph/rows_support.h"

namespace trireme::graph {
namespace {

using testing::CallRunner;
using testing::real;
using testing::result;

// Away from kinks.
constexpr double kPoints[] = {-7.3, -2.2, -0.7, -0.2, 0.3, 0.8, 2.6, 5.1};

double slope(const std::string& forward, const std::vector<Argument>& others, double x) {
  const double h = 1e-5;
  return (result(forward, {x + h}, others) - result(forward, {x - h}, others)) / (2 * h);
}

struct Pair {
  std::string forward;
  std::string backward;
  std::vector<Argument> others;  // of both
};

class Backward : public ::testing::TestWithParam<Pair> {};

TEST_P(Backward, IsTheSlope) {
  for (const double x : kPoints) {
    const double expected = 3 * slope(GetParam().forward, GetParam().others, x);
    EXPECT_NEAR(result(GetParam().backward, {3, x}, GetParam().others), expected, 1e-6) << x;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Activations, Backward,
    ::testing::Values(Pair{"hardtanh", "hardtanh_backward", {real(-1), real(2)}},
                      Pair{"gelu", "gelu_backward", {std::string("none")}},
                      Pair{"gelu", "gelu_backward", {std::string("tanh")}},
                      Pair{"silu", "silu_backward", {}}, Pair{"mish", "mish_backward", {}},
                      Pair{"softplus", "softplus_backward", {real(2), real(3)}},
                      Pair{"hardswish", "hardswish_backward", {}},
                      Pair{"hardsigmoid", "hardsigmoid_backward", {}},
                      Pair{"hardshrink", "hardshrink_backward", {real(0.5)}},
                      Pair{"softshrink", "softshrink_backward", {real(0.5)}}),
    [](const auto& info) { return info.param.forward + std::to_string(info.index); });

TEST(ActivationRows, BackwardFormulasWithOtherArguments) {
  const std::vector<Argument> elu{real(1.5), real(0.7), real(1.2)};
  for (const double x : kPoints) {
    const double expected = 3 * slope("elu", elu, x);
    std::vector<Argument> others = elu;
    const auto backward = [&](bool of_result, double value) {
      CallRunner calls;
      const Tensor out = calls.fresh_scalar();
      calls.add("elu_backward",
                {calls.scalar(3), elu[0], elu[1], elu[2], of_result, calls.scalar(value)}, {out});
      return calls.value(out);
    };
    EXPECT_NEAR(backward(false, x), expected, 1e-6) << x;
    EXPECT_NEAR(backward(true, result("elu", {x}, elu)), expected, 1e-6) << x;
    EXPECT_NEAR(result("leaky_relu_backward", {3, x}, {real(0.1), false}),
                3 * slope("leaky_relu", {real(0.1)}, x), 1e-6);
    EXPECT_NEAR(result("threshold_backward", {3, x}, {real(0.5)}),
                3 * slope("threshold", {real(0.5), real(9)}, x), 1e-6);
    EXPECT_NEAR(result("tanh_backward", {3, std::tanh(x)}, {}), 3 * slope("tanh", {}, x), 1e-6);
    EXPECT_NEAR(result("sigmoid_backward", {3, result("sigmoid", {x}, {})}, {}),
                3 * slope("sigmoid", {}, x), 1e-6);
  }
  EXPECT_NEAR(result("logit_backward", {3, 0.3}, {None{}}), 3 * slope("logit", {None{}}, 0.3),
              1e-6);
  EXPECT_EQ(result("logit_backward", {3, 0.05}, {real(0.1)}), 0);
  EXPECT_TRUE(std::isnan(result("logit_backward", {3, 1.5}, {None{}})));
}

TEST(ActivationRows, LogSigmoidGivesItsBuffer) {
  for (const double x : kPoints) {
    CallRunner calls;
    const Tensor out = calls.fresh_scalar();
    const Tensor buffer = calls.fresh_scalar();
    const Tensor grad = calls.fresh_scalar();
    const Tensor input = calls.scalar(x);
    calls.add("log_sigmoid_forward", {input}, {out, buffer});
    calls.add("log_sigmoid_backward", {calls.scalar(3), input, buffer}, {grad});
    EXPECT_NEAR(calls.value(out), -std::log1p(std::exp(-x)), 1e-12);
    EXPECT_NEAR(calls.value(buffer), std::exp(-std::abs(x)), 1e-12);
    EXPECT_NEAR(calls.value(grad), 3 / (1 + std::exp(x)), 1e-12);
    EXPECT_EQ(calls.graph().nodes.size(), 2U);
  }
}

TEST(ActivationRows, PreluBackwardIsOneMapWithTwoResults) {
  CallRunner calls;
  const Tensor grad_self = calls.fresh_scalar();
  const Tensor grad_weight = calls.fresh_scalar();
  calls.add("_prelu_kernel_backward", {calls.scalar(3), calls.scalar(-2), calls.scalar(0.25)},
            {grad_self, grad_weight});
  ASSERT_EQ(calls.graph().nodes.size(), 1U);
  EXPECT_EQ(calls.value(grad_self), 0.75);
  EXPECT_EQ(calls.value(grad_weight), -6);
}

TEST(ActivationRows, GluReadsAndWritesHalves) {
  CallRunner calls;
  const Tensor x = calls.tensor({4, 6});
  calls.add("glu", {x, Extent(-1)}, {calls.fresh({4, 3})});
  calls.add("glu_backward", {calls.tensor({4, 3}), x, Extent(-1)}, {calls.fresh({4, 6})});
  const Graph& graph = calls.graph();
  ASSERT_EQ(graph.nodes.size(), 3U);
  EXPECT_EQ(graph.nodes[0].operands[0].view.strides, (Extents{6, 1}));
  EXPECT_EQ(graph.nodes[0].operands[1].view.offset, Extent(3));
  // The second half is written on top of the first.
  EXPECT_EQ(graph.nodes[2].results[0].base, graph.nodes[1].results[0].value);
  EXPECT_TRUE(calls.declined().empty());
}

TEST(ActivationRows, NanGoesThrough) {
  EXPECT_TRUE(std::isnan(result("relu", {NAN}, {})));
  EXPECT_TRUE(std::isnan(result("softshrink", {NAN}, {real(0.5)})));
  EXPECT_TRUE(std::isnan(result("hardshrink", {NAN}, {real(0.5)})));
  EXPECT_EQ(result("hardsigmoid_backward", {3, NAN}, {}), 0);
}

}  // namespace
}  // namespace trireme::graph
