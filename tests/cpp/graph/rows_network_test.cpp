// SPDX-License-Identifier: Apache-2.0
// Convolution, attention, interpolation, random ops.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "calls_support.h"

namespace trireme::graph {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the helpers of these tests

std::vector<Argument> convolution(const Tensor& input, const Tensor& weight, const Tensor& bias,
                                  bool transposed, int64_t groups) {
  return {input,      weight,     bias,          sizes({2}),    sizes({1, 1}),
          sizes({1}), transposed, sizes({0, 0}), Extent(groups)};
}

TEST(RowsConvolve, BiasIsAMapOverTheResult) {
  Calls calls;
  const Tensor input = calls.input(DType::BFloat16, {2, 4, 8, 8});
  const Tensor weight = calls.input(DType::BFloat16, {6, 2, 3, 3});
  const Tensor bias = calls.input(DType::BFloat16, {6});
  calls.call("convolution", convolution(input, weight, bias, false, 2),
             {calls.fresh(DType::BFloat16, {2, 6, 4, 4})});
  const Graph graph = calls.finish();
  ASSERT_EQ(kinds(graph), (Kinds{"convolve", "map"}));
  EXPECT_EQ(graph.nodes[0].dims, sizes({2, 6, 4, 4, 2, 3, 3}));
  EXPECT_EQ(graph.nodes[0].results[0].dtype, DType::Float32);
  EXPECT_EQ(graph.nodes[0].as<Convolve>()->stride, sizes({2, 2}));
  EXPECT_EQ(graph.nodes[1].operands[1].view.strides, sizes({0, 1, 0, 0}));
}

TEST(RowsConvolve, TransposedSumsOverInputChannels) {
  Calls calls;
  const Tensor input = calls.input(DType::Float32, {2, 4, 8, 8});
  const Tensor weight = calls.input(DType::Float32, {4, 3, 3, 3});
  calls.call("convolution", convolution(input, weight, Tensor{}, true, 2),
             {calls.fresh(DType::Float32, {2, 6, 15, 15})});
  const Graph graph = calls.finish();
  ASSERT_EQ(kinds(graph), Kinds{"convolve"});
  EXPECT_EQ(graph.nodes[0].dims, sizes({2, 6, 15, 15, 2, 3, 3}));
}

TEST(RowsConvolve, BackwardGivesWhatIsWanted) {
  Calls calls;
  const Tensor grad = calls.input(DType::Float32, {2, 6, 4, 4});
  const Tensor input = calls.input(DType::Float32, {2, 4, 8, 8});
  const Tensor weight = calls.input(DType::Float32, {6, 4, 3, 3});
  const Tensor grad_weight = calls.fresh(DType::Float32, {6, 4, 3, 3});
  const Tensor grad_bias = calls.fresh(DType::Float32, {6});
  calls.call("convolution_backward",
             {grad, input, weight, sizes({6}), sizes({2, 2}), sizes({1, 1}), sizes({1, 1}), false,
              sizes({0, 0}), Extent(1), std::vector<bool>{false, true, true}},
             {Tensor{}, grad_weight, grad_bias});
  const Graph graph = calls.finish();
  ASSERT_EQ(kinds(graph), (Kinds{"convolve", "reduce"}));
  EXPECT_EQ(graph.nodes[0].as<Convolve>()->kind, ConvolveKind::GradWeight);
  EXPECT_EQ(graph.nodes[0].operands[0].value, graph.inputs[0]);
  EXPECT_EQ(graph.nodes[1].dims, sizes({6, 2, 4, 4}));
}

TEST(RowsAttend, ScaleComesFromTheWidth) {
  Calls calls;
  const Tensor q = calls.input(DType::Float32, {2, 4, 5, 16});
  const Tensor k = calls.input(DType::Float32, {2, 4, 7, 16});
  const Tensor mask = calls.input(DType::Float32, {5, 7});
  calls.call("_scaled_dot_product_flash_attention_for_cpu",
             {q, k, k, number(0.0), false, mask, None{}},
             {calls.fresh(DType::Float32, {2, 4, 5, 16}), calls.fresh(DType::Float32, {2, 4, 5})});
  const Graph graph = calls.finish();
  ASSERT_EQ(kinds(graph), Kinds{"attend"});
  const Attend& attend = *graph.nodes[0].as<Attend>();
  EXPECT_EQ(attend.scale.constant, 0.25);
  EXPECT_TRUE(attend.masked);
  EXPECT_EQ(graph.nodes[0].operands[3].view.strides, sizes({0, 0, 7, 1}));
}

TEST(RowsAttend, DropoutDeclines) {
  Calls calls;
  const Tensor q = calls.input(DType::Float32, {2, 4, 5, 16});
  calls.call("_scaled_dot_product_flash_attention_for_cpu",
             {q, q, q, number(0.1), true, None{}, None{}},
             {calls.fresh(DType::Float32, {2, 4, 5, 16}), calls.fresh(DType::Float32, {2, 4, 5})});
  EXPECT_EQ(kinds(calls.finish()), Kinds{"opaque"});
}

TEST(RowsInterpolate, WholeFactorsAreViews) {
  Calls calls;
  calls.call("upsample_nearest2d",
             {calls.input(DType::Float32, {1, 2, 3, 4}), sizes({6, 12}), None{}, None{}},
             {calls.fresh(DType::Float32, {1, 2, 6, 12})});
  const Graph graph = calls.finish();
  ASSERT_EQ(kinds(graph), Kinds{"map"});
  EXPECT_EQ(graph.nodes[0].dims, sizes({1, 2, 3, 2, 4, 3}));
  EXPECT_EQ(graph.nodes[0].operands[0].view.strides, sizes({24, 12, 4, 0, 1, 0}));
  EXPECT_EQ(graph.nodes[0].results[0].base, kNoValue);
}

TEST(RowsInterpolate, OthersAreGathers) {
  Calls calls;
  calls.call("upsample_nearest1d", {calls.input(DType::Float32, {1, 2, 4}), sizes({7}), None{}},
             {calls.fresh(DType::Float32, {1, 2, 7})});
  EXPECT_EQ(kinds(calls.finish()), (Kinds{"map", "gather"}));
}

TEST(RowsInterpolate, WholeFactorsGoBackAsSums) {
  Calls calls;
  calls.call("upsample_nearest2d_backward",
             {calls.input(DType::Float32, {1, 2, 6, 12}), sizes({6, 12}), sizes({1, 2, 3, 4}),
              None{}, None{}},
             {calls.fresh(DType::Float32, {1, 2, 3, 4})});
  const Graph graph = calls.finish();
  ASSERT_EQ(kinds(graph), Kinds{"reduce"});
  EXPECT_EQ(graph.nodes[0].dims, sizes({1, 2, 3, 4, 2, 3}));
}

TEST(RowsInterpolate, BilinearIsOneDimensionAfterAnother) {
  Calls calls;
  calls.call("upsample_bilinear2d",
             {calls.input(DType::Float32, {1, 2, 3, 4}), sizes({5, 9}), false, None{}, None{}},
             {calls.fresh(DType::Float32, {1, 2, 5, 9})});
  const Graph graph = calls.finish();
  EXPECT_EQ(kinds(graph),
            (Kinds{"map", "gather", "gather", "map", "map", "gather", "gather", "map"}));
  EXPECT_EQ(graph.nodes[3].dims, sizes({1, 2, 3, 9}));
}

TEST(RowsInterpolate, BicubicBackwardScattersFourTaps) {
  Calls calls;
  calls.call("upsample_bicubic2d_backward",
             {calls.input(DType::Float32, {1, 2, 5, 9}), sizes({5, 9}), sizes({1, 2, 3, 4}), true,
              None{}, None{}},
             {calls.fresh(DType::Float32, {1, 2, 3, 4})});
  const Graph graph = calls.finish();
  EXPECT_EQ(std::ranges::count_if(graph.nodes,
                                  [](const Node& node) { return node.as<Scatter>() != nullptr; }),
            8);
}

TEST(RowsRandom, DropoutDrawsItsMask) {
  Calls calls;
  const Tensor x = calls.input(DType::BFloat16, {3, 4});
  calls.call("native_dropout", {x, number(0.25), true},
             {calls.fresh(DType::BFloat16, {3, 4}), calls.fresh(DType::Bool, {3, 4})},
             calls.random());
  const Graph graph = calls.finish();
  ASSERT_EQ(kinds(graph), (Kinds{"random", "map"}));
  const Random& random = *graph.nodes[0].as<Random>();
  EXPECT_EQ(random.distribution, Distribution::Bernoulli);
  EXPECT_EQ(random.parameters[0].constant, 0.75);
}

TEST(RowsRandom, DropoutGoesBackByItsMask) {
  Calls calls;
  calls.call("native_dropout_backward",
             {calls.input(DType::Float32, {3, 4}), calls.input(DType::Bool, {3, 4}), number(1.25)},
             {calls.fresh(DType::Float32, {3, 4})});
  EXPECT_EQ(kinds(calls.finish()), Kinds{"map"});
}

TEST(RowsRandom, ComplexNormalHalvesTheVariance) {
  Calls calls;
  const Tensor x = calls.input(DType::Complex64, {3});
  calls.call("normal_", {x, number(0.0), number(1.0), None{}}, {x}, calls.random());
  const Graph graph = calls.finish();
  ASSERT_EQ(kinds(graph), Kinds{"random"});
  EXPECT_EQ(graph.nodes[0].dims, sizes({3, 2}));
  EXPECT_EQ(graph.nodes[0].as<Random>()->parameters[1].constant, 1 / std::sqrt(2.0));
}

TEST(RowsRandom, WrongRangesDecline) {
  Calls calls;
  const Tensor x = calls.input(DType::UInt8, {3});
  calls.call("random_.from", {x, Extent(-1), Extent(4), None{}}, {x}, calls.random());
  calls.call("random_.to", {x, Extent(257), None{}}, {x}, calls.random());
  const Tensor f = calls.input(DType::Float32, {3});
  calls.call("uniform_", {f, number(1.0), number(0.0), None{}}, {f}, calls.random());
  EXPECT_EQ(kinds(calls.finish()), (Kinds{"opaque", "opaque", "opaque"}));
}

TEST(RowsRandom, DefaultRangeIsWhatIsExact) {
  Calls calls;
  const Tensor x = calls.input(DType::Int32, {3});
  const Tensor f = calls.input(DType::Float16, {3});
  calls.call("random_", {x, None{}}, {x}, calls.random());
  calls.call("random_", {f, None{}}, {f}, calls.random());
  const Graph graph = calls.finish();
  EXPECT_EQ(graph.nodes[0].as<Random>()->parameters[1].constant, 0x1p31);
  EXPECT_EQ(graph.nodes[1].as<Random>()->parameters[1].constant, 0x1p11 + 1);
}

}  // namespace
}  // namespace trireme::graph
