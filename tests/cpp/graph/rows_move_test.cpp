// SPDX-License-Identifier: Apache-2.0
// Copies, creation, shapes, padding, windows.
#include <gtest/gtest.h>

#include <algorithm>

#include "calls_support.h"

namespace trireme::graph {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the helpers of these tests

TEST(RowsCopy, CopyBroadcastsAndCasts) {
  Calls calls;
  const Tensor self = calls.input(DType::Float64, {2, 3});
  const Tensor source = calls.input(DType::Int32, {3});
  calls.call("copy_", {self, source, false}, {self});
  const Graph graph = calls.finish();
  ASSERT_EQ(kinds(graph), Kinds{"map"});
  EXPECT_EQ(graph.nodes[0].operands[0].view.strides, sizes({0, 1}));
  EXPECT_EQ(graph.nodes[0].results[0].dtype, DType::Float64);
}

TEST(RowsCopy, WritesOfAPieceKeepTheRest) {
  Calls calls;
  const Tensor self = calls.input(DType::Float32, {4, 3});
  Tensor piece = self;
  piece.sizes = sizes({2, 3});
  piece.offset = 3;
  calls.call("copy_", {piece, calls.input(DType::Float32, {2, 3}), false}, {piece});
  const Graph graph = calls.finish();
  EXPECT_NE(graph.nodes[0].results[0].base, kNoValue);
}

TEST(RowsCopy, ComplexAsPairs) {
  Calls calls;
  const Tensor z = calls.input(DType::Complex64, {3});
  const Tensor pairs = calls.fresh(DType::Float32, {3, 2});
  calls.call("view_as_real_copy", {z}, {pairs});
  const Graph graph = calls.finish();
  EXPECT_EQ(graph.nodes[0].operands[0].dtype, DType::Float32);
  EXPECT_EQ(graph.nodes[0].operands[0].view.strides, sizes({2, 1}));
}

TEST(RowsCreation, EmptyMakesNoNode) {
  Calls calls;
  calls.call("empty.memory_format", {sizes({2}), None{}, None{}, None{}, None{}, None{}},
             {calls.fresh(DType::Float32, {2})});
  EXPECT_TRUE(calls.finish().nodes.empty());
}

TEST(RowsCreation, FullOfBoolIsTruth) {
  Calls calls;
  calls.call("full", {sizes({2}), number(0.5), DType::Bool, None{}, None{}, None{}},
             {calls.fresh(DType::Bool, {2})});
  const Graph graph = calls.finish();
  const Expression& expression = graph.nodes[0].as<Map>()->expression;
  EXPECT_EQ(expression.nodes[expression.roots[0]].integer, 1);
}

TEST(RowsCreation, ArangeCountsInDouble) {
  Calls calls;
  calls.call("arange.start_step", {number(1.0), number(2.0), number(0.25)},
             {calls.fresh(DType::Float32, {4})});
  const Graph graph = calls.finish();
  const auto& nodes = graph.nodes[0].as<Map>()->expression.nodes;
  EXPECT_TRUE(std::ranges::any_of(
      nodes, [](const ExprNode& n) { return n.op == ScalarOp::Mul && n.dtype == DType::Float64; }));
}

TEST(RowsCreation, TrilOfABatch) {
  Calls calls;
  calls.call("tril", {calls.input(DType::Float32, {5, 3, 4}), Extent(-1)},
             {calls.fresh(DType::Float32, {5, 3, 4})});
  EXPECT_EQ(kinds(calls.finish()), Kinds{"map"});
}

TEST(RowsShape, CatWritesOnePieceEach) {
  Calls calls;
  const Tensor a = calls.input(DType::Float32, {2, 3});
  const Tensor nothing = calls.input(DType::Float32, {0});
  const Tensor b = calls.input(DType::Float16, {2, 1});
  calls.call("cat", {std::vector<Tensor>{a, nothing, b}, Extent(-1)},
             {calls.fresh(DType::Float32, {2, 4})});
  const Graph graph = calls.finish();
  ASSERT_EQ(kinds(graph), (Kinds{"map", "map"}));
  EXPECT_EQ(graph.nodes[1].results[0].view.offset, Extent(3));
  EXPECT_EQ(graph.nodes[1].results[0].base, graph.nodes[0].results[0].value);
}

TEST(RowsShape, FlipReadsBackwards) {
  Calls calls;
  calls.call("flip", {calls.input(DType::Float32, {2, 3}), sizes({1})},
             {calls.fresh(DType::Float32, {2, 3})});
  const Graph graph = calls.finish();
  ASSERT_EQ(kinds(graph), Kinds{"map"});
  EXPECT_EQ(graph.nodes[0].operands[0].view.strides, sizes({3, -1}));
  EXPECT_EQ(graph.nodes[0].operands[0].view.offset, Extent(2));
}

TEST(RowsShape, RollOfTwoDimensionsIsFourPieces) {
  Calls calls;
  calls.call("roll", {calls.input(DType::Float32, {4, 3}), sizes({1, -4}), sizes({0, 1})},
             {calls.fresh(DType::Float32, {4, 3})});
  const Graph graph = calls.finish();
  EXPECT_EQ(graph.nodes.size(), 4U);
  int64_t written = 0;
  for (const Node& node : graph.nodes) {
    written += *node.results[0].view.element_count().constant();
  }
  EXPECT_EQ(written, 12);
}

TEST(RowsShape, RepeatIsOneMap) {
  Calls calls;
  calls.call("repeat", {calls.input(DType::Float32, {2, 3}), sizes({4, 1, 2})},
             {calls.fresh(DType::Float32, {4, 2, 6})});
  const Graph graph = calls.finish();
  ASSERT_EQ(kinds(graph), Kinds{"map"});
  EXPECT_EQ(graph.nodes[0].dims, sizes({4, 1, 1, 2, 2, 3}));
  EXPECT_EQ(graph.nodes[0].operands[0].view.strides, sizes({0, 0, 0, 3, 0, 1}));
  EXPECT_EQ(graph.nodes[0].results[0].base, kNoValue);
}

TEST(RowsShape, PixelShuffleIsOneMap) {
  Calls calls;
  calls.call("pixel_shuffle", {calls.input(DType::Float32, {1, 8, 3, 5}), Extent(2)},
             {calls.fresh(DType::Float32, {1, 2, 6, 10})});
  const Graph graph = calls.finish();
  ASSERT_EQ(kinds(graph), Kinds{"map"});
  EXPECT_EQ(graph.nodes[0].dims, sizes({1, 2, 2, 2, 3, 5}));
  EXPECT_EQ(graph.nodes[0].results[0].view.strides, sizes({120, 60, 10, 1, 20, 2}));
}

TEST(RowsViewCopy, SliceBackwardWritesTheSlice) {
  Calls calls;
  calls.call("slice_backward",
             {calls.input(DType::Float32, {2, 2}), sizes({2, 7}), Extent(1), Extent(-5), Extent(6),
              Extent(3)},
             {calls.fresh(DType::Float32, {2, 7})});
  const Graph graph = calls.finish();
  ASSERT_EQ(kinds(graph), (Kinds{"map", "map"}));
  EXPECT_EQ(graph.nodes[1].results[0].view.offset, Extent(2));
  EXPECT_EQ(graph.nodes[1].results[0].view.strides, sizes({7, 3}));
}

TEST(RowsViewCopy, DiagonalBelow) {
  Calls calls;
  calls.call("diagonal_backward",
             {calls.input(DType::Float32, {2}), sizes({3, 4}), Extent(-1), Extent(0), Extent(1)},
             {calls.fresh(DType::Float32, {3, 4})});
  const Graph graph = calls.finish();
  EXPECT_EQ(graph.nodes[1].results[0].view.offset, Extent(4));
  EXPECT_EQ(graph.nodes[1].results[0].view.strides, sizes({5}));
}

TEST(RowsViewCopy, UnfoldedWindowsOverlap) {
  Calls calls;
  calls.call("unfold_copy", {calls.input(DType::Float32, {7}), Extent(0), Extent(3), Extent(2)},
             {calls.fresh(DType::Float32, {3, 3})});
  const Graph graph = calls.finish();
  EXPECT_EQ(graph.nodes[0].operands[0].view.strides, sizes({2, 1}));
}

TEST(RowsPad, NegativePaddingCuts) {
  Calls calls;
  calls.call("constant_pad_nd", {calls.input(DType::Float32, {2, 5}), sizes({-1, 2}), number(1.5)},
             {calls.fresh(DType::Float32, {2, 6})});
  const Graph graph = calls.finish();
  ASSERT_EQ(kinds(graph), (Kinds{"map", "map"}));
  EXPECT_EQ(graph.nodes[1].dims, sizes({2, 4}));
  EXPECT_EQ(graph.nodes[1].operands[0].view.offset, Extent(1));
}

TEST(RowsPad, NothingLeftIsWritten) {
  Calls calls;
  calls.call("constant_pad_nd", {calls.input(DType::Float32, {2, 2}), sizes({-1, -1}), number(0.0)},
             {calls.fresh(DType::Float32, {2, 0})});
  EXPECT_EQ(kinds(calls.finish()), Kinds{"map"});
}

TEST(RowsPad, ReflectionGathersEachPaddedDimension) {
  Calls calls;
  const Tensor self = calls.input(DType::Float32, {2, 3, 4, 5});
  calls.call("reflection_pad2d", {self, sizes({1, 2, 3, 0})},
             {calls.fresh(DType::Float32, {2, 3, 7, 8})});
  const Graph graph = calls.finish();
  ASSERT_EQ(kinds(graph), (Kinds{"map", "map", "gather"}));
  EXPECT_EQ(graph.nodes[2].as<Gather>()->indexed,
            (std::vector<IndexedDim>{{1, 5, false}, {5, 4, false}}));
}

TEST(RowsPad, BackwardAddsInTheComputeType) {
  Calls calls;
  calls.call("replication_pad1d_backward",
             {calls.input(DType::BFloat16, {2, 3, 6}), calls.input(DType::BFloat16, {2, 3, 4}),
              sizes({1, 1})},
             {calls.fresh(DType::BFloat16, {2, 3, 4})});
  const Graph graph = calls.finish();
  const auto found = std::ranges::find_if(
      graph.nodes, [](const Node& node) { return node.as<Scatter>() != nullptr; });
  ASSERT_NE(found, graph.nodes.end());
  EXPECT_EQ(found->as<Scatter>()->op, ScatterOp::Add);
  EXPECT_EQ(found->results[0].dtype, DType::Float32);
}

TEST(RowsWindow, Im2colOfAnUnpaddedImageIsOneMap) {
  Calls calls;
  calls.call("im2col",
             {calls.input(DType::Float32, {2, 3, 5, 6}), sizes({2, 3}), sizes({1, 1}),
              sizes({0, 0}), sizes({1, 2})},
             {calls.fresh(DType::Float32, {2, 18, 8})});
  const Graph graph = calls.finish();
  ASSERT_EQ(kinds(graph), Kinds{"map"});
  EXPECT_EQ(graph.nodes[0].dims, sizes({2, 3, 2, 3, 4, 2}));
  EXPECT_EQ(graph.nodes[0].operands[0].view.strides, sizes({90, 30, 6, 1, 6, 2}));
}

TEST(RowsWindow, Col2imScattersAndCuts) {
  Calls calls;
  calls.call("col2im",
             {calls.input(DType::Float32, {2, 18, 24}), sizes({5, 6}), sizes({2, 3}), sizes({1, 1}),
              sizes({1, 1}), sizes({1, 2})},
             {calls.fresh(DType::Float32, {2, 3, 5, 6})});
  const Graph graph = calls.finish();
  EXPECT_EQ(kinds(graph), (Kinds{"map", "map", "map", "scatter", "map"}));
  EXPECT_TRUE(calls.declined().empty());
}

}  // namespace
}  // namespace trireme::graph
