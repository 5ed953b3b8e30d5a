// SPDX-License-Identifier: Apache-2.0
// Indexing, scatters, embeddings, sorting.
#include <gtest/gtest.h>

#include <algorithm>

#include "calls_support.h"

namespace trireme::graph {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the helpers of these tests

TEST(RowsIndex, NeighbouringIndicesAreReplacedWhereTheyAre) {
  Calls calls;
  const Tensor x = calls.input(DType::Float32, {2, 3, 4, 5});
  const Tensor i = calls.input(DType::Int64, {7, 1});
  const Tensor j = calls.input(DType::Int64, {6});
  calls.call("index.Tensor", {x, std::vector<Tensor>{Tensor{}, i, j}},
             {calls.fresh(DType::Float32, {2, 7, 6, 5})});
  const Graph graph = calls.finish();
  ASSERT_EQ(kinds(graph), Kinds{"gather"});
  const Node& node = graph.nodes[0];
  EXPECT_EQ(node.operands[0].view.strides, sizes({60, 0, 0, 1}));
  EXPECT_EQ(node.operands[1].view.strides, sizes({0, 1, 0, 0}));
  EXPECT_EQ(node.operands[2].view.strides, sizes({0, 0, 1, 0}));
  EXPECT_EQ(node.as<Gather>()->indexed, (std::vector<IndexedDim>{{20, 3, true}, {5, 4, true}}));
}

TEST(RowsIndex, ApartTheyComeFirst) {
  Calls calls;
  const Tensor x = calls.input(DType::Float32, {2, 3, 4});
  const Tensor i = calls.input(DType::Int64, {6});
  calls.call("index.Tensor", {x, std::vector<Tensor>{i, Tensor{}, i}},
             {calls.fresh(DType::Float32, {6, 3})});
  const Graph graph = calls.finish();
  ASSERT_EQ(kinds(graph), Kinds{"gather"});
  EXPECT_EQ(graph.nodes[0].operands[0].view.strides, sizes({0, 4}));
  EXPECT_EQ(graph.nodes[0].operands[1].view.strides, sizes({1, 0}));
}

TEST(RowsIndex, MasksDecline) {
  Calls calls;
  const Tensor x = calls.input(DType::Float32, {4});
  const Tensor mask = calls.input(DType::Bool, {4});
  calls.call("index.Tensor", {x, std::vector<Tensor>{mask}}, {calls.fresh(DType::Float32, {2})});
  EXPECT_EQ(kinds(calls.finish()), Kinds{"opaque"});
}

TEST(RowsIndex, IndexPutInPlaceIsOneScatter) {
  Calls calls;
  const Tensor x = calls.input(DType::Float32, {4, 3});
  const Tensor i = calls.input(DType::Int64, {2});
  const Tensor value = calls.input(DType::Float32, {});
  calls.call("index_put_", {x, std::vector<Tensor>{i}, value, true}, {x});
  const Graph graph = calls.finish();
  ASSERT_EQ(kinds(graph), Kinds{"scatter"});
  EXPECT_EQ(graph.nodes[0].as<Scatter>()->op, ScatterOp::Add);
  EXPECT_EQ(graph.nodes[0].operands[0].view.strides, sizes({0, 0}));
  EXPECT_EQ(graph.values[graph.nodes[0].results[0].base].count, Extent(12));
}

TEST(RowsIndex, IndexPutCopiesFirst) {
  Calls calls;
  const Tensor x = calls.input(DType::Float32, {4, 3});
  const Tensor i = calls.input(DType::Int64, {2});
  const Tensor value = calls.input(DType::Float32, {2, 3});
  calls.call("index_put", {x, std::vector<Tensor>{i}, value},
             {calls.fresh(DType::Float32, {4, 3})});
  EXPECT_EQ(kinds(calls.finish()), (Kinds{"map", "scatter"}));
}

TEST(RowsIndex, GatherTakesNoNegativeIndices) {
  Calls calls;
  const Tensor x = calls.input(DType::Float32, {4, 3});
  const Tensor i = calls.input(DType::Int64, {2, 2});
  calls.call("gather", {x, Extent(0), i}, {calls.fresh(DType::Float32, {2, 2})});
  const Graph graph = calls.finish();
  ASSERT_EQ(kinds(graph), Kinds{"gather"});
  EXPECT_EQ(graph.nodes[0].operands[0].view.strides, sizes({0, 1}));
  EXPECT_EQ(graph.nodes[0].as<Gather>()->indexed, (std::vector<IndexedDim>{{3, 4, false}}));
}

TEST(RowsIndex, TakeCountsInRowMajorOrder) {
  Calls calls;
  Tensor x = calls.input(DType::Float32, {4, 3});
  std::swap(x.sizes[0], x.sizes[1]);
  std::swap(x.strides[0], x.strides[1]);
  calls.call("take", {x, calls.input(DType::Int64, {5})}, {calls.fresh(DType::Float32, {5})});
  const Graph graph = calls.finish();
  ASSERT_EQ(kinds(graph), (Kinds{"map", "gather"}));
  EXPECT_EQ(graph.nodes[1].as<Gather>()->indexed, (std::vector<IndexedDim>{{1, 12, true}}));
}

TEST(RowsIndex, IndexAddScalesItsSource) {
  Calls calls;
  const Tensor x = calls.input(DType::Float32, {4, 3});
  const Tensor i = calls.input(DType::Int64, {2});
  const Tensor source = calls.input(DType::Float32, {4, 2});
  calls.call("index_add_", {x, Extent(1), i, source, number(2.0)}, {x});
  const Graph graph = calls.finish();
  ASSERT_EQ(kinds(graph), (Kinds{"map", "scatter"}));
  EXPECT_EQ(graph.nodes[1].operands[1].view.strides, sizes({0, 1}));
}

TEST(RowsScatter, ReduceWithoutSelfStartsFromTheIdentity) {
  Calls calls;
  const Tensor x = calls.input(DType::Float32, {4, 3});
  const Tensor i = calls.input(DType::Int64, {2, 3});
  const Tensor source = calls.input(DType::Float32, {2, 3});
  calls.call("scatter_reduce_.two", {x, Extent(0), i, source, std::string("amax"), false}, {x});
  const Graph graph = calls.finish();
  ASSERT_EQ(kinds(graph), (Kinds{"map", "scatter", "scatter"}));
  EXPECT_EQ(graph.nodes[1].as<Scatter>()->op, ScatterOp::Set);
  EXPECT_EQ(graph.nodes[2].as<Scatter>()->op, ScatterOp::Maximum);
}

TEST(RowsScatter, SourceMayBeLargerThanTheIndex) {
  Calls calls;
  const Tensor x = calls.input(DType::Float32, {4, 3});
  const Tensor i = calls.input(DType::Int64, {2, 2});
  const Tensor source = calls.input(DType::Float32, {5, 6});
  calls.call("scatter_add_", {x, Extent(0), i, source}, {x});
  const Graph graph = calls.finish();
  ASSERT_EQ(kinds(graph), Kinds{"scatter"});
  EXPECT_EQ(graph.nodes[0].operands[0].view.strides, sizes({6, 1}));
}

TEST(RowsEmbedding, RowsByIndex) {
  Calls calls;
  calls.call("embedding",
             {calls.input(DType::Float32, {10, 4}), calls.input(DType::Int64, {2, 3}), Extent(-1),
              false, false},
             {calls.fresh(DType::Float32, {2, 3, 4})});
  const Graph graph = calls.finish();
  ASSERT_EQ(kinds(graph), Kinds{"gather"});
  EXPECT_EQ(graph.nodes[0].operands[0].view.strides, sizes({0, 0, 1}));
  EXPECT_EQ(graph.nodes[0].operands[1].view.strides, sizes({3, 1, 0}));
}

TEST(RowsEmbedding, BackwardSkipsThePadding) {
  for (const int64_t padding : {-1, 0}) {
    Calls calls;
    calls.call("embedding_dense_backward",
               {calls.input(DType::Float32, {2, 3, 4}), calls.input(DType::Int64, {2, 3}),
                Extent(10), Extent(padding), false},
               {calls.fresh(DType::Float32, {10, 4})});
    const Graph graph = calls.finish();
    EXPECT_EQ(kinds(graph),
              padding < 0 ? (Kinds{"map", "scatter"}) : (Kinds{"map", "map", "scatter"}));
  }
}

TEST(RowsSort, TopkTakesTheFirst) {
  Calls calls;
  calls.call("topk", {calls.input(DType::Float32, {2, 9}), Extent(3), Extent(-1), true, true},
             {calls.fresh(DType::Float32, {2, 3}), calls.fresh(DType::Int64, {2, 3})});
  const Graph graph = calls.finish();
  ASSERT_EQ(kinds(graph), Kinds{"sort"});
  const Sort& sort = *graph.nodes[0].as<Sort>();
  EXPECT_EQ(sort.dim, 1U);
  EXPECT_TRUE(sort.descending);
  EXPECT_EQ(sort.take, std::optional<Extent>(3));
  EXPECT_EQ(graph.nodes[0].dims, sizes({2, 9}));
}

TEST(RowsSort, UnstableOrdersOfIntegersDecline) {
  Calls calls;
  const Tensor x = calls.input(DType::Int64, {9});
  const auto outputs = [&] {
    return std::vector<Tensor>{calls.fresh(DType::Int64, {9}), calls.fresh(DType::Int64, {9})};
  };
  calls.call("sort", {x, Extent(0), false}, outputs());
  calls.call("sort.stable", {x, true, Extent(0), false}, outputs());
  EXPECT_EQ(kinds(calls.finish()), (Kinds{"opaque", "sort"}));
}

TEST(RowsSort, ArgsortDropsTheValues) {
  Calls calls;
  calls.call("argsort", {calls.input(DType::Float32, {2, 9}), Extent(0), false},
             {calls.fresh(DType::Int64, {2, 9})});
  const Graph graph = calls.finish();
  ASSERT_EQ(kinds(graph), Kinds{"sort"});
  EXPECT_EQ(graph.nodes[0].results[1].dtype, DType::Int64);
}

}  // namespace
}  // namespace trireme::graph
