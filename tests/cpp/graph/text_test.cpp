// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <string>

#include "random_graph.h"
#include "sample_graph.h"
#include "trireme/graph/ir/equal.h"
#include "trireme/graph/text/parse.h"
#include "trireme/graph/text/print.h"

namespace trireme::graph {
namespace {

using testing::kSampleGraph;
using testing::named_call;
using testing::random_graph;

TEST(Text, SaysEveryPrimitive) {
  const Graph graph = parse(kSampleGraph, named_call);
  EXPECT_EQ(print(graph), kSampleGraph);
  ASSERT_EQ(graph.nodes.size(), 13U);
  EXPECT_EQ(graph.values.size(), 23U);
  EXPECT_EQ(graph.numbers, (std::vector<DType>{DType::Float64, DType::Int64}));
  EXPECT_EQ(graph.inputs, (std::vector<ValueId>{0, 1, 2, 3, 4}));
  EXPECT_EQ(graph.values[1].count, 2 * Extent::symbol(0) * Extent::symbol(1) + 8);
  const Node& map = graph.nodes[0];
  EXPECT_EQ(map.call, 4U);
  EXPECT_EQ(map.operands[1].dtype, DType::Float32);
  EXPECT_EQ(map.operands[1].view, (View{{32, 32}, {0, 1}, 0}));
  EXPECT_EQ(map.operands[0].view, View::row_major({32, 32}));
  ASSERT_NE(map.as<Map>(), nullptr);
  EXPECT_EQ(map.as<Map>()->expression.nodes.back().op, ScalarOp::Add);
  EXPECT_EQ(graph.nodes[1].parallel, 1U);
  EXPECT_EQ(graph.nodes[2].parallel, 0U);
  EXPECT_TRUE(graph.nodes[5].as<Attend>()->causal);
  EXPECT_EQ(graph.nodes[5].as<Attend>()->scale.input, 0U);
  EXPECT_FALSE(graph.nodes[7].as<Scatter>()->indexed[0].wraps);
  EXPECT_EQ(graph.nodes[7].results[0].base, 0U);
  EXPECT_EQ(graph.nodes[9].as<Sort>()->take, Extent(5));
  EXPECT_EQ(graph.nodes[10].as<Random>()->parameters[1].constant, 0.5);
  EXPECT_EQ(graph.nodes[11].as<Opaque>()->call->name(), "aten::linalg_svd");
  EXPECT_EQ(graph.nodes[12].results[0].view, (View{{512}, {2}, 1}));
  EXPECT_EQ(graph.outputs[0].input, 0U);
  EXPECT_EQ(graph.outputs[1].input, std::nullopt);
}

TEST(Text, RandomGraphsComeBackEqual) {
  size_t nodes = 0;
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    const Graph graph = random_graph(seed);
    const std::string text = print(graph);
    Graph back;
    ASSERT_NO_THROW(back = parse(text, named_call)) << text;
    ASSERT_TRUE(equal(graph, back)) << text << "\n--- came back as ---\n" << print(back);
    nodes += graph.nodes.size();
  }
  EXPECT_GT(nodes, 10000U);  // they are not all empty
}

TEST(Text, EqualSeesADifference) {
  const Graph graph = parse(kSampleGraph, named_call);
  EXPECT_TRUE(equal(graph, graph));
  Graph other = graph;
  other.nodes[0].call = 5;
  EXPECT_FALSE(equal(graph, other));
  other = graph;
  other.nodes[7].as<Scatter>()->indexed[0].wraps = true;
  EXPECT_FALSE(equal(graph, other));
  other = graph;
  other.nodes[12].results[0].view.offset = 0;
  EXPECT_FALSE(equal(graph, other));
  other = graph;
  other.nodes[11].primitive = Opaque{named_call("aten::linalg_qr")};
  EXPECT_FALSE(equal(graph, other));
  other = graph;
  other.outputs[0].input = 1;
  EXPECT_FALSE(equal(graph, other));
}

TEST(Text, NumbersKeepTheirBits) {
  const auto back = [](double value) {
    return parse_expression("return " + print(value) + ":f64").nodes.at(0).value;
  };
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double value :
       {0.0, -0.0, 0.1, -1.0 / 3, 1e300, 5e-324, 123456789.0, std::nan(""), infinity, -infinity,
        std::bit_cast<double>(0xfff8000000000001), std::bit_cast<double>(0x7ff0000000000001)}) {
    EXPECT_EQ(std::bit_cast<uint64_t>(back(value)), std::bit_cast<uint64_t>(value)) << print(value);
  }
  EXPECT_EQ(print(0.1), "0.1");
  EXPECT_EQ(print(-0.0), "-0");
  EXPECT_EQ(print(-std::numeric_limits<double>::quiet_NaN()), "nan_fff8000000000000");
}

TEST(Text, ExtentsReadAsPolynomials) {
  const Extent s0 = Extent::symbol(0);
  const Extent s1 = Extent::symbol(1);
  EXPECT_EQ(print(4 * s0 * s1 + 8), "4*s0*s1 + 8");
  EXPECT_EQ(print(s0 * s0 - s1 - 1), "s0*s0 - s1 - 1");
  EXPECT_EQ(print(-2 * s0), "-2*s0");
  EXPECT_EQ(print(Extent(std::numeric_limits<int64_t>::min())), "-9223372036854775808");
  // Brought to canonical form.
  const Graph graph = parse("symbols 2 input %0: f32[3 + s1*s0 - s0 + 2*s0*s1 + s0]");
  EXPECT_EQ(graph.values[0].count, 3 * s0 * s1 + 3);
}

TEST(Text, ViewsLeaveOutWhatIsUsual) {
  EXPECT_EQ(print(View::row_major({4, 8})), "[4, 8]");
  EXPECT_EQ(print(View{{4, 8}, {1, 4}, 0}), "[4, 8 : 1, 4]");
  EXPECT_EQ(print(View{{4, 8}, {8, 1}, 3}), "[4, 8 : 8, 1 : 3]");
  EXPECT_EQ(print(View{}), "[]");
  EXPECT_EQ(print(View{{}, {}, 7}), "[ :  : 7]");
}

TEST(Text, SharedTermsAreNamed) {
  Expression e;
  const ExprId a = e.add({.op = ScalarOp::Load, .dtype = DType::Float32});
  const ExprId twice = e.add({.op = ScalarOp::Add, .dtype = DType::Float32, .args = {a, a}});
  e.roots = {e.add({.op = ScalarOp::Mul, .dtype = DType::Float32, .args = {twice, twice}}), twice};
  EXPECT_EQ(print(e), "x0 = a0:f32\nx1 = add(x0, x0)\nreturn mul(x1, x1), x1\n");
  EXPECT_EQ(parse_expression(print(e)), e);
}

TEST(Text, LongChainsAreCutIntoStatements) {
  Expression e = Expression::load(DType::Float32);
  for (ExprId i = 0; i < 5000; ++i) {
    e.nodes.push_back({.op = ScalarOp::Neg, .dtype = DType::Float32, .args = {i}});
  }
  e.roots = {5000};
  EXPECT_EQ(parse_expression(print(e)), e);
}

TEST(Text, CommentsAndSpaceDoNotCount) {
  const Graph graph = parse("input %0 : f32 [ 8 ]# a value\n\n  output %0# the same");
  EXPECT_EQ(print(graph), "input %0: f32[8]\noutput %0\n");
  EXPECT_EQ(print(parse("")), "");
}

struct Wrong {
  const char* text;
  const char* error;
};

class TextErrors : public ::testing::TestWithParam<Wrong> {};

TEST_P(TextErrors, TellWhereAndWhat) {
  try {
    parse(GetParam().text);
    FAIL() << "parsed: " << GetParam().text;
  } catch (const ParseError& error) {
    EXPECT_STREQ(error.what(), GetParam().error);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, TextErrors,
    ::testing::Values(
        Wrong{"input %0: f33[8]", "line 1, column 11: expected a dtype, found 'f33'"},
        Wrong{"symbols 1\ninput %0: f32[s]",
              "line 2, column 15: expected a size: an integer or a symbol such as s0, found 's'"},
        Wrong{"input %0: f32[8", "line 1, column 16: expected ']', found the end of the text"},
        Wrong{"inputs %0",
              "line 1, column 1: expected symbols, randoms, number, input, unmade, output or a "
              "node, found 'inputs'"},
        Wrong{"input %0: f32[99999999999999999999]",
              "line 1, column 15: expected an integer of 64 bits, found '99999999999999999999'"},
        Wrong{"number n1: f64", "line 1, column 8: expected n0: numbers are declared in order"},
        Wrong{"output %0", "line 1, column 8: %0 is declared nowhere"},
        Wrong{"input %1: f32[8]",
              "line 1, column 7: %1 leaves a gap: expected %0 among the values"},
        Wrong{"input %0: f32[8]\ninput %0: f32[9]",
              "line 2, column 7: %0 has been declared with another type before"},
        Wrong{"%0: f32[8] = mop (i0 < 8) {}",
              "line 1, column 14: expected a primitive: map, reduce, ..., found 'mop'"},
        Wrong{"%0: f32[8] = map (i1 < 8) {}",
              "line 1, column 19: expected the dimension i0, found 'i1'"},
        Wrong{"%0: f32[8] = map (i0 < 8) { return neg(x1) }",
              "line 1, column 40: x1 is not defined above"},
        Wrong{"%0: f32[8] = map (i0 < 8) { x1 = 1:f32 x1 = 2:f32 return x1 }",
              "line 1, column 40: x1 has been defined before"},
        Wrong{"%0: f32[8] = map (i0 < 8) { return add(1:f32, 2:f64) }",
              "line 1, column 36: add of these arguments needs its dtype told: add(...):f32"},
        Wrong{"%0: f32[8] = map (i0 < 8) { return 1.5:i64 }",
              "line 1, column 36: expected an integer of 64 bits, found '1.5'"},
        Wrong{"%0: f32[8] = map (i0 < 8) { return sine(1:f32) }",
              "line 1, column 36: expected a term, found 'sine'"},
        Wrong{"%0: f32[8] = map (i0 < 8) { return a0 }",
              "line 1, column 39: expected ':', found '}'"},
        Wrong{"%0: f32[8] = reduce mean (| i0 < 8) { return 1:f32 }",
              "line 1, column 21: expected a reduction: sum, product, ..., found 'mean'"},
        Wrong{"%0: f32[8] = opaque \"aten::foo\" () {}",
              "line 1, column 21: no opaque call is known by the name 'aten::foo'"},
        Wrong{"%0: f32[8] = opaque \"aten::foo",
              "line 1, column 21: a string without its closing quote"}));

TEST(Text, TooDeeplyNestedTermsAreAnError) {
  std::string text = "return ";
  for (int i = 0; i < 100000; ++i) text += "neg(";
  EXPECT_THROW(parse_expression(text), ParseError);
}

}  // namespace
}  // namespace trireme::graph
