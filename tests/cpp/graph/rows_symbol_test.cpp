// SPDX-License-Identifier: Apache-2.0
// Rows over sizes that vary from run to run.
#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "calls_support.h"

namespace trireme::graph {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the helpers of these tests

// A stream whose tensors have a symbol, n, among their sizes.
class Stream {
 public:
  Extent n() const { return Extent::symbol(0); }
  Tensor tensor(GraphBuilder::Origin origin, DType dtype, Extents sizes) {
    View view = View::row_major(std::move(sizes));
    Tensor made;
    made.dtype = dtype;
    made.storage =
        builder_.add_storage(origin, view.element_count() * static_cast<int64_t>(size_of(dtype)));
    made.sizes = std::move(view.sizes);
    made.strides = std::move(view.strides);
    return made;
  }
  Tensor input(DType dtype, Extents sizes) {
    return tensor(GraphBuilder::Origin::Outside, dtype, std::move(sizes));
  }
  Tensor fresh(DType dtype, Extents sizes) {
    return tensor(GraphBuilder::Origin::Inside, dtype, std::move(sizes));
  }
  Kinds kinds_of(const std::string& name, std::vector<Argument> args, std::vector<Tensor> outputs) {
    OpCall call;
    call.name = "aten::" + name;
    call.args = std::move(args);
    call.outputs = std::move(outputs);
    builder_.add(call);
    graph_ = builder_.finish({});
    return kinds(graph_);
  }
  const Graph& graph() const { return graph_; }
  const std::vector<Extent>& naturals() const { return builder_.naturals(); }

 private:
  GraphBuilder builder_;
  Graph graph_;
};

TEST(RowsSymbols, GrowingCacheIsJoined) {
  Stream s;
  const Tensor cache = s.input(DType::Float32, {2, s.n(), 8});
  const Tensor next = s.input(DType::Float32, {2, 1, 8});
  const Tensor out = s.fresh(DType::Float32, {2, s.n() + 1, 8});
  EXPECT_EQ(s.kinds_of("cat", {std::vector<Tensor>{cache, next}, Extent(1)}, {out}),
            (Kinds{"map", "map"}));
  EXPECT_EQ(s.graph().nodes[1].results[0].view.offset, s.n() * 8);
}

TEST(RowsSymbols, AttentionOverAGrowingCache) {
  Stream s;
  const Tensor q = s.input(DType::Float32, {2, 4, 1, 8});
  const Tensor k = s.input(DType::Float32, {2, 4, s.n(), 8});
  const Tensor mask = s.input(DType::Float32, {2, 1, 1, s.n()});
  EXPECT_EQ(s.kinds_of("_scaled_dot_product_flash_attention_for_cpu",
                       {q, k, k, number(0.0), false, mask, None{}},
                       {s.fresh(DType::Float32, {2, 4, 1, 8}), s.fresh(DType::Float32, {2, 4, 1})}),
            Kinds{"attend"});
}

TEST(RowsSymbols, ProductsOfABatchThatVaries) {
  Stream s;
  const Tensor x = s.input(DType::Float32, {s.n(), 3});
  const Tensor w = s.input(DType::Float32, {3, 4});
  const Tensor bias = s.input(DType::Float32, {4});
  EXPECT_EQ(s.kinds_of("addmm", {bias, x, w, number(int64_t{1}), number(int64_t{1})},
                       {s.fresh(DType::Float32, {s.n(), 4})}),
            (Kinds{"contract", "map"}));
}

TEST(RowsSymbols, ShapesThatKeepTheirForm) {
  Stream s;
  EXPECT_EQ(s.kinds_of("repeat", {s.input(DType::Float32, {s.n(), 3}), sizes({2, 1})},
                       {s.fresh(DType::Float32, {s.n() * 2, 3})}),
            Kinds{"map"});
}

TEST(RowsSymbols, GradientsOfViewsThatMove) {
  Stream select;
  EXPECT_EQ(select.kinds_of(
                "select_backward",
                {select.input(DType::Float32, {2, 4}), sizes({2, 9, 4}), Extent(1), select.n() - 3},
                {select.fresh(DType::Float32, {2, 9, 4})}),
            (Kinds{"map", "map"}));
  EXPECT_EQ(select.graph().nodes[1].results[0].view.offset, (select.n() - 3) * 4);
  EXPECT_EQ(select.naturals(), std::vector<Extent>{select.n() - 3}) << "-1 is the last one";

  Stream slice;
  EXPECT_EQ(slice.kinds_of("slice_backward",
                           {slice.input(DType::Float32, {2, 5}), sizes({2, 9}), Extent(1),
                            slice.n(), slice.n() + 5, Extent(1)},
                           {slice.fresh(DType::Float32, {2, 9})}),
            (Kinds{"map", "map"}));
  EXPECT_EQ(slice.graph().nodes[1].results[0].view.offset, slice.n());
  EXPECT_EQ(slice.naturals(), (std::vector<Extent>{slice.n(), Extent(9) - slice.n()}));

  Stream last;
  last.kinds_of("slice_backward",
                {last.input(DType::Float32, {2, 3}), Extents{2, last.n()}, Extent(1), Extent(-3),
                 Extent(std::numeric_limits<int64_t>::max()), Extent(1)},
                {last.fresh(DType::Float32, {2, last.n()})});
  EXPECT_EQ(last.graph().nodes[1].results[0].view.offset, last.n() - 3);
}

TEST(RowsSymbols, IndicesIntoWhatVaries) {
  Stream s;
  const Tensor x = s.input(DType::Float32, {s.n(), 3});
  const Tensor index = s.input(DType::Int64, {5});
  EXPECT_EQ(s.kinds_of("index_select", {x, Extent(0), index}, {s.fresh(DType::Float32, {5, 3})}),
            Kinds{"gather"});
  EXPECT_EQ(s.graph().nodes[0].as<Gather>()->indexed, (std::vector<IndexedDim>{{3, s.n(), false}}));
}

TEST(RowsSymbols, WhatNeedsTheSizeDeclines) {
  Stream s;
  EXPECT_EQ(s.kinds_of("roll", {s.input(DType::Float32, {s.n()}), sizes({1}), sizes({0})},
                       {s.fresh(DType::Float32, {s.n()})}),
            Kinds{"opaque"});
}

}  // namespace
}  // namespace trireme::graph
