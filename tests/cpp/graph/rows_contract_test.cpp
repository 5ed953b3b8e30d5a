// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>

#include "calls_support.h"

namespace trireme::graph {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the helpers of these tests

TEST(RowsContract, MmIsOneContractOverViews) {
  Calls calls;
  const Tensor a = calls.input(DType::Float32, {2, 3});
  const Tensor b = calls.input(DType::Float32, {3, 4});
  const Tensor out = calls.fresh(DType::Float32, {2, 4});
  calls.call("mm", {a, b}, {out});
  const Graph graph = calls.finish();
  ASSERT_EQ(kinds(graph), Kinds{"contract"});
  const Node& node = graph.nodes[0];
  EXPECT_EQ(node.dims, sizes({2, 4, 3}));
  EXPECT_EQ(node.parallel, 2U);
  EXPECT_EQ(node.operands[0].view.strides, sizes({3, 0, 1}));
  EXPECT_EQ(node.operands[1].view.strides, sizes({0, 1, 4}));
  EXPECT_EQ(node.results[0].base, kNoValue);
}

TEST(RowsContract, AddmmAddsInTheComputeType) {
  Calls calls;
  const Tensor bias = calls.input(DType::BFloat16, {4});
  const Tensor a = calls.input(DType::BFloat16, {2, 3});
  const Tensor b = calls.input(DType::BFloat16, {3, 4});
  const Tensor out = calls.fresh(DType::BFloat16, {2, 4});
  calls.call("addmm", {bias, a, b, number(int64_t{1}), number(int64_t{1})}, {out});
  const Graph graph = calls.finish();
  ASSERT_EQ(kinds(graph), (Kinds{"contract", "map"}));
  EXPECT_EQ(graph.nodes[0].results[0].dtype, DType::Float32);
  EXPECT_EQ(graph.nodes[1].results[0].dtype, DType::BFloat16);
  EXPECT_EQ(graph.nodes[1].operands[1].view.strides, sizes({0, 1}));
  const auto& nodes = graph.nodes[1].as<Map>()->expression.nodes;
  EXPECT_TRUE(std::ranges::none_of(nodes, [](const ExprNode& n) { return n.op == ScalarOp::Mul; }));
}

TEST(RowsContract, BetaZeroIgnoresSelf) {
  Calls calls;
  const Tensor self = calls.input(DType::Float32, {2, 4});
  const Tensor a = calls.input(DType::Float32, {2, 3});
  const Tensor b = calls.input(DType::Float32, {3, 4});
  const Tensor out = calls.fresh(DType::Float32, {2, 4});
  calls.call("addmm", {self, a, b, number(0.0), number(2.0)}, {out});
  const Graph graph = calls.finish();
  EXPECT_EQ(graph.nodes.back().operands.size(), 1U);
}

TEST(RowsContract, BetaThatMayChangeIsDecidedByTheGraph) {
  Calls calls;
  const Tensor self = calls.input(DType::Float32, {2, 4});
  const Tensor a = calls.input(DType::Float32, {2, 3});
  const Tensor b = calls.input(DType::Float32, {3, 4});
  const Tensor out = calls.fresh(DType::Float32, {2, 4});
  Number beta = calls.input_number(DType::Float64, 0);
  beta.varies = true;
  calls.call("addmm", {self, a, b, beta, number(1.0)}, {out});
  const Graph graph = calls.finish();
  EXPECT_TRUE(calls.builder().guards().empty());
  const auto& nodes = graph.nodes.back().as<Map>()->expression.nodes;
  EXPECT_TRUE(
      std::ranges::any_of(nodes, [](const ExprNode& n) { return n.op == ScalarOp::Select; }));
}

TEST(RowsContract, AddbmmSumsOverTheBatch) {
  Calls calls;
  const Tensor self = calls.input(DType::Float32, {2, 4});
  const Tensor a = calls.input(DType::Float32, {5, 2, 3});
  const Tensor b = calls.input(DType::Float32, {5, 3, 4});
  const Tensor out = calls.fresh(DType::Float32, {2, 4});
  calls.call("addbmm", {self, a, b, number(1.0), number(1.0)}, {out});
  const Graph graph = calls.finish();
  EXPECT_EQ(graph.nodes[0].dims, sizes({2, 4, 5, 3}));
  EXPECT_EQ(graph.nodes[0].parallel, 2U);
}

TEST(RowsContract, VdotConjugatesTheFirst) {
  Calls calls;
  const Tensor a = calls.input(DType::Complex64, {3});
  const Tensor b = calls.input(DType::Complex64, {3});
  const Tensor out = calls.fresh(DType::Complex64, {});
  calls.call("vdot", {a, b}, {out});
  const Graph graph = calls.finish();
  ASSERT_EQ(kinds(graph), (Kinds{"map", "contract"}));
  EXPECT_EQ(graph.nodes[1].operands[0].value, graph.nodes[0].results[0].value);
}

TEST(RowsContract, LinearKeepsBatchDimensions) {
  Calls calls;
  const Tensor x = calls.input(DType::Float32, {2, 5, 3});
  const Tensor w = calls.input(DType::Float32, {4, 3});
  const Tensor out = calls.fresh(DType::Float32, {2, 5, 4});
  calls.call("linear", {x, w, Tensor{}}, {out});
  const Graph graph = calls.finish();
  ASSERT_EQ(kinds(graph), Kinds{"contract"});
  EXPECT_EQ(graph.nodes[0].dims, sizes({2, 5, 4, 3}));
}

TEST(RowsContract, LinearBackwardWritesWhatIsWanted) {
  Calls calls;
  const Tensor x = calls.input(DType::Float32, {2, 5, 3});
  const Tensor grad = calls.input(DType::Float32, {2, 5, 4});
  const Tensor w = calls.input(DType::Float32, {4, 3});
  const Tensor grad_w = calls.fresh(DType::Float32, {4, 3});
  const Tensor grad_b = calls.fresh(DType::Float32, {4});
  calls.call("linear_backward", {x, grad, w, std::vector<bool>{false, true, true}},
             {Tensor{}, grad_w, grad_b});
  const Graph graph = calls.finish();
  ASSERT_EQ(kinds(graph), (Kinds{"contract", "reduce"}));
  EXPECT_EQ(graph.nodes[0].dims, sizes({4, 3, 2, 5}));
  EXPECT_EQ(graph.nodes[1].dims, sizes({4, 2, 5}));
}

TEST(RowsContract, IntegersTakeNoFloatingFactor) {
  Calls calls;
  const Tensor self = calls.input(DType::Int64, {2, 4});
  const Tensor a = calls.input(DType::Int64, {2, 3});
  const Tensor b = calls.input(DType::Int64, {3, 4});
  const Tensor out = calls.fresh(DType::Int64, {2, 4});
  calls.call("addmm", {self, a, b, number(0.5), number(int64_t{1})}, {out});
  EXPECT_EQ(kinds(calls.finish()), Kinds{"opaque"});
  EXPECT_EQ(calls.declined().size(), 1U);
}

}  // namespace
}  // namespace trireme::graph
