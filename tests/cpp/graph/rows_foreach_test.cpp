// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/cpp/graph/rows_support.h"
#include "trireme/graph/build/op_table.h"

namespace trireme::graph {
namespace {

using testing::CallRunner;
using testing::integer;
using testing::one;
using testing::real;
using testing::text;

using List = std::vector<Tensor>;

TEST(ForeachRows, OneMapPerTensor) {
  CallRunner calls;
  const List params{calls.tensor({4}), calls.tensor({2, 3})};
  const List others{calls.tensor({4}), calls.tensor({2, 3})};
  calls.add("_foreach_add_.List", {params, others, real(0.5)}, {});
  const Graph& graph = calls.graph();
  ASSERT_EQ(graph.nodes.size(), 2U);
  EXPECT_EQ(text(graph.nodes[1]), "add(load0, mul(0.5, load1))");
  EXPECT_EQ(graph.nodes[1].dims, (Extents{2, 3}));
  EXPECT_EQ(graph.outputs.size(), 2U);
}

TEST(ForeachRows, FunctionalFormsWriteTheirOutputs) {
  CallRunner calls;
  const List inputs{calls.scalar(4), calls.scalar(9)};
  const List roots{calls.fresh_scalar(), calls.fresh_scalar()};
  const List sums{calls.fresh_scalar(), calls.fresh_scalar()};
  calls.add("_foreach_sqrt", {inputs}, roots);
  calls.add("_foreach_add.ScalarList", {roots, std::vector<Number>{real(10), real(20)}}, sums);
  EXPECT_EQ(calls.value(roots[1]), 3);
  EXPECT_EQ(calls.value(sums[0]), 12);
  EXPECT_EQ(calls.value(sums[1]), 23);
  EXPECT_EQ(calls.value(inputs[0]), 4);
}

TEST(ForeachRows, ListsAndNumbersAndOneTensor) {
  CallRunner calls;
  const List params{calls.scalar(1), calls.scalar(2)};
  const List a{calls.scalar(3), calls.scalar(4)};
  const List b{calls.scalar(5), calls.scalar(8)};
  calls.add("_foreach_mul_.Tensor", {params, calls.scalar(10)}, {});  // 10, 20
  calls.add("_foreach_addcdiv_.ScalarList", {params, b, a, std::vector<Number>{real(3), real(1)}},
            {});                                                     // 15, 22
  calls.add("_foreach_lerp_.Scalar", {params, b, real(0.5)}, {});    // 10, 15
  calls.add("_foreach_maximum_.Scalar", {params, integer(12)}, {});  // 12, 15
  calls.add("_foreach_pow_.Scalar", {params, integer(2)}, {});       // 144, 225
  calls.add("_foreach_sub_.List", {params, a, one()}, {});           // 141, 221
  EXPECT_TRUE(calls.declined().empty());
  EXPECT_EQ(calls.value(params[0]), 141);
  EXPECT_EQ(calls.value(params[1]), 221);
}

TEST(ForeachRows, FactorsOfATensorAreItsElements) {
  CallRunner calls;
  const List params{calls.tensor({4}), calls.tensor({4})};
  calls.add("_foreach_addcmul_.Tensor", {params, params, params, calls.tensor({2})}, {});
  const Graph& graph = calls.graph();
  ASSERT_EQ(graph.nodes.size(), 2U);
  EXPECT_EQ(text(graph.nodes[1]), "add(load0, mul(mul(load1, load0), load0))");
  EXPECT_EQ(graph.nodes[1].operands[1].view.offset, Extent(1));
  EXPECT_EQ(graph.nodes[1].operands[1].view.strides, (Extents{0}));
}

TEST(ForeachRows, CopyAndZero) {
  CallRunner calls;
  const List params{calls.scalar(1), calls.scalar(2)};
  const List sources{calls.scalar(7, DType::Float32), calls.scalar(8, DType::Float32)};
  calls.add("_foreach_copy_", {params, sources, false}, {});
  calls.add("_foreach_zero_", {List{params[1]}}, {});
  EXPECT_EQ(calls.value(params[0]), 7);
  EXPECT_EQ(calls.value(params[1]), 0);
}

TEST(ForeachRows, ListsOfUnlikeLengthsAreDeclined) {
  CallRunner calls;
  const List params{calls.scalar(1), calls.scalar(2)};
  calls.add("_foreach_mul_.List", {params, List{params[0]}}, {});
  ASSERT_EQ(calls.declined().size(), 1U);
  EXPECT_EQ(calls.declined()[0], "aten::_foreach_mul_.List: lists of unlike lengths");
}

// The row of a list is the row of its tensors: it must be there.
TEST(ForeachRows, EachPointwiseOpHasARow) {
  CallRunner calls;
  size_t count = 0;
  for (const std::string_view name : OpTable::instance().names()) {
    const std::string_view prefix = "aten::_foreach_";
    if (!name.starts_with(prefix) || name.find('.') != std::string_view::npos) continue;
    const std::string base(name.substr(prefix.size()));
    if (base == "max" || base == "mm" || base == "zero_" || base.starts_with("copy") ||
        base == "clone") {
      continue;
    }
    EXPECT_NE(OpTable::instance().find("aten::" + base), nullptr) << base;
    ++count;
  }
  EXPECT_EQ(count, 60U);
}

}  // namespace
}  // namespace trireme::graph
