// SPDX-License-Identifier: Apache-2.0
// One failing example per rule: the sample graph, which is right, with one thing broken.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "random_graph.h"
#include "sample_graph.h"
#include "trireme/graph/check/verify.h"
#include "trireme/graph/check/view_bounds.h"
#include "trireme/graph/text/parse.h"
#include "trireme/graph/text/print.h"

namespace trireme::graph {
namespace {

// By their numbers in the sample graph.
enum : size_t {
  kMap,
  kWelford,
  kArgMaximum,
  kContract,
  kConvolve,
  kAttend,
  kGather,
  kScatter,
  kScan,
  kSort,
  kRandom,
  kOpaque,
  kPartial,
};

Graph sample() { return parse(testing::kSampleGraph, testing::named_call); }

std::string joined(const std::vector<std::string>& problems) {
  std::string text;
  for (const std::string& problem : problems) text += "  " + problem + "\n";
  return text;
}

void expect_problem(const Graph& graph, const std::string& problem) {
  const std::vector<std::string> problems = verify(graph);
  EXPECT_NE(std::ranges::find(problems, problem), problems.end())
      << "expected\n  " << problem << "\namong\n"
      << joined(problems);
}

void expect_broken(const std::function<void(Graph&)>& breaks, const std::string& problem) {
  Graph graph = sample();
  breaks(graph);
  expect_problem(graph, problem);
}

void expect_fine(const std::string& text) {
  EXPECT_EQ(joined(verify(parse(text, testing::named_call))), "") << text;
}

Expression& expression(Graph& graph, size_t node) {
  if (Map* map = graph.nodes[node].as<Map>()) return map->expression;
  return graph.nodes[node].as<Reduce>()->expression;
}

TEST(Verify, TheSampleIsRight) { EXPECT_EQ(joined(verify(sample())), ""); }

TEST(Verify, EmptyGraphIsRight) { EXPECT_TRUE(verify(Graph()).empty()); }

// --- values ---

TEST(Verify, ValuesAreMadeOnce) {
  expect_broken([](Graph& g) { g.nodes[kMap].results[0].value = 0; },
                "node 0 (map, call 4): %0 is made a second time");
  expect_broken([](Graph& g) { g.inputs.push_back(0); }, "inputs: %0 is made a second time");
  expect_broken([](Graph& g) { g.nodes[kWelford].results[0].value = 7; },
                "node 1 (reduce, call 0): %7 is made a second time");
}

TEST(Verify, ValuesAreMadeBeforeTheyAreRead) {
  expect_broken([](Graph& g) { g.nodes[kMap].operands[0].value = 9; },
                "node 0 (map, call 4): reads %9, which no node above makes");
  expect_broken([](Graph& g) { g.nodes[kMap].operands[0].value = 5; },  // its own result
                "node 0 (map, call 4): reads %5, which no node above makes");
  expect_broken([](Graph& g) { g.nodes[kScatter].results[0].base = 22; },
                "node 7 (scatter, call 0), a base: reads %22, which no node above makes");
  expect_broken([](Graph& g) { g.outputs[1].value = 22; },
                "outputs: reads %22, which no node above makes");
}

TEST(Verify, ValuesExist) {
  expect_broken([](Graph& g) { g.nodes[kMap].operands[0].value = 99; },
                "node 0 (map, call 4): names %99, which the graph lacks");
  expect_broken([](Graph& g) { g.nodes[kMap].operands[0].value = kNoValue; },
                "node 0 (map, call 4): names no value, which the graph lacks");
  expect_broken([](Graph& g) { g.nodes[kMap].results[0].value = 99; },
                "node 0 (map, call 4): names %99, which the graph lacks");
  expect_broken([](Graph& g) { g.inputs[0] = 99; }, "inputs: names %99, which the graph lacks");
  expect_broken([](Graph& g) { g.outputs[0].value = kNoValue; },
                "outputs: names no value, which the graph lacks");
}

TEST(Verify, OutputsReplaceInputs) {
  expect_broken([](Graph& g) { g.outputs[0].input = 5; },
                "output 0: replaces input 5, which the graph lacks");
  expect_broken([](Graph& g) { g.outputs[1].input = 0; },
                "output 1: replaces input 0, which another output replaces");
}

TEST(Verify, NumbersHaveFourTypes) {
  expect_broken([](Graph& g) { g.numbers[1] = DType::Float32; },
                "number n1: is f32, expected i64, f64, bool or c128");
}

TEST(Verify, SymbolsAreTheGraphs) {
  expect_broken([](Graph& g) { g.symbols = 1; }, "%1: names a symbol that the graph lacks");
  expect_broken([](Graph& g) { g.nodes[kMap].operands[0].view.offset = Extent::symbol(2); },
                "node 0 (map, call 4): names a symbol that the graph lacks");
  expect_broken([](Graph& g) { g.nodes[kSort].as<Sort>()->take = Extent::symbol(2); },
                "node 9 (sort, call 0): names a symbol that the graph lacks");
  expect_broken(
      [](Graph& g) { g.nodes[kGather].as<Gather>()->indexed[0].bound = Extent::symbol(2); },
      "node 6 (gather, call 0): names a symbol that the graph lacks");
  expect_broken([](Graph& g) { g.nodes[kConvolve].as<Convolve>()->groups = Extent::symbol(2); },
                "node 4 (convolve, call 0): names a symbol that the graph lacks");
}

// --- views and bases ---

TEST(Verify, ViewsHaveAStridePerSize) {
  expect_broken([](Graph& g) { g.nodes[kMap].operands[1].view.strides.pop_back(); },
                "node 0 (map, call 4), operand 1: its view has not one stride per size");
  expect_broken([](Graph& g) { g.nodes[kMap].results[0].view.strides.pop_back(); },
                "node 0 (map, call 4), result 0: its view has not one stride per size");
}

TEST(Verify, ViewsStayWithinTheirValues) {
  expect_broken([](Graph& g) { g.nodes[kMap].operands[0].view.offset = 1; },
                "node 0 (map, call 4), operand 0: its view leaves the value");
  expect_broken([](Graph& g) { g.nodes[kMap].operands[0].view.strides[0] = -1; },
                "node 0 (map, call 4), operand 0: its view leaves the value");
  expect_broken([](Graph& g) { g.nodes[kPartial].results[0].view.offset = 2; },
                "node 12 (map, call 0), result 0: its view leaves the value");
  // 32 elements i64 are 64 f32.
  expect_broken([](Graph& g) { g.nodes[kMap].operands[1].view.strides[1] = 3; },
                "node 0 (map, call 4), operand 1: its view leaves the value");
}

TEST(Verify, ViewsCountInTheirOwnDtype) {
  expect_fine("input %0: c64[4] %1: f32[8] = map (i0 < 8) { a0 = %0 as f32 return a0:f32 }");
  expect_problem(
      parse("input %0: f32[8] %1: c64[8] = map (i0 < 8) { a0 = %0 as c64 return a0:c64 }"),
      "node 0 (map, call 0), operand 0: its view leaves the value");
}

TEST(Verify, IndicesMoveViewsWithinTheirValues) {
  expect_broken([](Graph& g) { g.nodes[kGather].as<Gather>()->indexed[0].bound = 33; },
                "node 6 (gather, call 0), operand 0: its view leaves the value");
  expect_broken([](Graph& g) { g.nodes[kScatter].as<Scatter>()->indexed[0].stride = 33; },
                "node 7 (scatter, call 0), result 0: its view leaves the value");
}

TEST(Verify, NoElementIsWrittenTwice) {
  expect_broken([](Graph& g) { g.nodes[kMap].results[0].view.strides[0] = 0; },
                "node 0 (map, call 4), result 0: two points of its view write one element");
  expect_broken([](Graph& g) { g.nodes[kMap].results[0].view.strides[0] = 31; },
                "node 0 (map, call 4), result 0: two points of its view write one element");
}

TEST(Verify, BasesAreLikeTheirValues) {
  expect_broken([](Graph& g) { g.nodes[kScatter].results[0].base = 2; },
                "node 7 (scatter, call 0), result 0: its base has another dtype");
  expect_broken([](Graph& g) { g.nodes[kScatter].results[0].base = 3; },
                "node 7 (scatter, call 0), result 0: its base has another count");
}

TEST(ViewBounds, RepeatsElements) {
  EXPECT_FALSE(repeats_elements({{4, 8}, {8, 1}, 0}));
  EXPECT_FALSE(repeats_elements({{4, 8}, {1, 4}, 0}));
  EXPECT_FALSE(repeats_elements({{4, 8}, {-8, 1}, 24}));
  EXPECT_FALSE(repeats_elements({{4, 1}, {1, 0}, 0}));
  EXPECT_FALSE(repeats_elements({{4, 0}, {0, 0}, 0}));
  EXPECT_FALSE(repeats_elements({{2, 2}, {2, 3}, 0}));  // 0 2 3 5: they interleave
  EXPECT_TRUE(repeats_elements({{4, 8}, {0, 1}, 0}));
  EXPECT_TRUE(repeats_elements({{4, 8}, {7, 1}, 0}));
  EXPECT_TRUE(repeats_elements({{3, 3}, {2, 4}, 0}));
  EXPECT_FALSE(repeats_elements({{Extent::symbol(0), 8}, {7, 1}, 0}));  // cannot be told
  EXPECT_TRUE(repeats_elements({{Extent::symbol(0), 8}, {8, 0}, 0}));
}

// --- expressions ---

TEST(Verify, LoadsNameOperands) {
  expect_broken([](Graph& g) { expression(g, kMap).nodes[1].index = 2; },
                "node 0 (map, call 4): x1 (load) of the expression loads operand a2, which is not "
                "there");
  expect_broken([](Graph& g) { g.nodes[kMap].operands[1].dtype = DType::Int32; },
                "node 0 (map, call 4): x1 (load) of the expression is f32, its operand i32");
}

TEST(Verify, LeavesNameWhatIsThere) {
  const auto leaf = [](ScalarOp op, DType dtype, uint32_t index) {
    return [=](Graph& g) {
      expression(g, kMap).nodes[2] = {.op = op, .dtype = dtype, .index = index};
    };
  };
  expect_broken(leaf(ScalarOp::Number, DType::Float32, 2),
                "node 0 (map, call 4): x2 (number) of the expression names the number n2, which "
                "the graph lacks");
  expect_broken(leaf(ScalarOp::Index, DType::Int64, 2),
                "node 0 (map, call 4): x2 (index) of the expression names dimension 2, which the "
                "iteration space lacks");
  expect_broken(leaf(ScalarOp::Extent, DType::Float32, 0),
                "node 0 (map, call 4): x2 (extent) of the expression is not i64");
}

TEST(Verify, BoolConstantsAreZeroOrOne) {
  expect_broken(
      [](Graph& g) { expression(g, kMap).nodes[2] = {.dtype = DType::Bool, .integer = 2}; },
      "node 0 (map, call 4): x2 (constant) of the expression is a bool other than 0 and 1");
}

TEST(Verify, ArgumentsComeFirst) {
  expect_broken([](Graph& g) { expression(g, kMap).nodes[3].args[0] = 4; },
                "node 0 (map, call 4): x3 (mul) of the expression has the argument x4, which is "
                "not above it");
  expect_broken([](Graph& g) { expression(g, kMap).roots[0] = 5; },
                "node 0 (map, call 4): the expression returns x5, which it lacks");
}

TEST(Verify, ArgumentsHaveOneDtype) {
  expect_broken([](Graph& g) { expression(g, kMap).nodes[2].dtype = DType::Float64; },
                "node 0 (map, call 4): x3 (mul) of the expression does not take arguments of f32, "
                "f64");
  expect_broken([](Graph& g) { expression(g, kMap).nodes[4].dtype = DType::Float64; },
                "node 0 (map, call 4): x4 (add) of the expression of f32, f32 is f64, expected "
                "f32");
  expect_broken([](Graph& g) { expression(g, kWelford).nodes[2].dtype = DType::Float32; },
                "node 1 (reduce, call 0): x2 (lt) of the expression of f32, f32 is f32, expected "
                "bool");
}

TEST(Verify, FieldsWithoutMeaningAreZero) {
  expect_broken([](Graph& g) { expression(g, kMap).nodes[3].args[2] = 1; },
                "node 0 (map, call 4): x3 (mul) of the expression has more arguments than the "
                "operator");
  expect_broken([](Graph& g) { expression(g, kMap).nodes[2].integer = 1; },
                "node 0 (map, call 4): x2 (constant) of the expression has a field `integer` that "
                "means nothing");
  expect_broken([](Graph& g) { expression(g, kMap).nodes[0].value = -0.0; },
                "node 0 (map, call 4): x0 (load) of the expression has a field `value` that means "
                "nothing");
  expect_broken([](Graph& g) { expression(g, kMap).nodes[3].index = 1; },
                "node 0 (map, call 4): x3 (mul) of the expression has a field `index` that means "
                "nothing");
}

TEST(Verify, OperatorsTakeTheirDtypes) {
  const auto problem = [](const std::string& term, const std::string& rest) {
    expect_problem(parse("%0: f32[1] = map (i0 < 1) { return " + term + " }"),
                   "node 0 (map, call 0): " + rest);
  };
  problem("sqrt(1:i64):f32", "x1 (sqrt) of the expression does not take arguments of i64");
  problem("erf(1:c64):f32", "x1 (erf) of the expression does not take arguments of c64");
  problem("and(1:f32, 1:f32):f32",
          "x2 (and) of the expression does not take arguments of f32, f32");
  problem("shift_left(1:bool, 1:bool):f32",
          "x2 (shift_left) of the expression does not take arguments of bool, bool");
  problem("lt(1:c64, 1:c64):f32", "x2 (lt) of the expression does not take arguments of c64, c64");
  problem("maximum(1:c64, 1:c64):f32",
          "x2 (maximum) of the expression does not take arguments of c64, c64");
  problem("real(1:f32):f32", "x1 (real) of the expression does not take arguments of f32");
  problem("complex(1:i32, 1:i32):f32",
          "x2 (complex) of the expression does not take arguments of i32, i32");
  problem("select(1:f32, 1:f32, 1:f32):f32",
          "x3 (select) of the expression does not take arguments of f32, f32, f32");
  problem("abs(1:c64):c64", "x1 (abs) of the expression of c64 is c64, expected f32");
  expect_fine(
      "%0: f32[1] = map (i0 < 1) { "
      "return add(abs(complex(1:f32, 2:f32)), cast(or(is_nan(1:c64), eq(1:c64, 2:c64))):f32) }");
}

// --- primitives ---

TEST(Verify, ParallelDimensionsAreDimensions) {
  expect_broken([](Graph& g) { g.nodes[kMap].parallel = 3; },
                "node 0 (map, call 4): more parallel dimensions than dimensions");
}

TEST(Verify, MapCoversItsSpace) {
  expect_broken([](Graph& g) { g.nodes[kMap].parallel = 1; },
                "node 0 (map, call 4): it has reduction dimensions");
  expect_broken([](Graph& g) { g.nodes[kMap].operands[1].view.sizes[0] = 31; },
                "node 0 (map, call 4), operand 1: its view's sizes are not those of the iteration "
                "space");
  expect_broken([](Graph& g) { g.nodes[kMap].results[0].view.sizes[0] = 31; },
                "node 0 (map, call 4), result 0: its view's sizes are not the parallel dimensions");
}

TEST(Verify, MapHasAResultPerRoot) {
  expect_broken([](Graph& g) { expression(g, kMap).roots.push_back(0); },
                "node 0 (map, call 4): 1 results, expected 2");
  expect_broken([](Graph& g) { g.nodes[kMap].results[0].dtype = DType::Int32; },
                "node 0 (map, call 4), result 0: is i32, expected f32");
}

TEST(Verify, Reduce) {
  expect_broken([](Graph& g) { g.nodes[kWelford].operands[0].view.sizes[1] = 31; },
                "node 1 (reduce, call 0), operand 0: its view's sizes are not those of the "
                "iteration space");
  expect_broken(
      [](Graph& g) {
        g.nodes[kWelford].results[1].view = View::row_major({32, 1});
      },
      "node 1 (reduce, call 0), result 1: its view's sizes are not the parallel "
      "dimensions");
  expect_broken([](Graph& g) { g.nodes[kWelford].results.pop_back(); },
                "node 1 (reduce, call 0): 1 results, expected 2");
  expect_broken([](Graph& g) { expression(g, kWelford).roots.push_back(0); },
                "node 1 (reduce, call 0): welford is of one expression");
  expect_broken([](Graph& g) { g.nodes[kWelford].results[1].dtype = DType::Int32; },
                "node 1 (reduce, call 0), result 1: is i32, expected f32");
  expect_broken([](Graph& g) { g.nodes[kArgMaximum].results[0].dtype = DType::Float64; },
                "node 2 (reduce, call 0), result 0: is f64, expected i64");
  expect_broken([](Graph& g) { g.nodes[kArgMaximum].as<Reduce>()->op = ReduceOp::Sum; },
                "node 2 (reduce, call 0), result 0: is i64, expected f32");
  expect_broken([](Graph& g) { g.nodes[kArgMaximum].as<Reduce>()->op = ReduceOp::Any; },
                "node 2 (reduce, call 0): any and all are of bool");
  expect_problem(parse("%0: i64[1] = reduce log_sum_exp (| i0 < 4) { return i0 }"),
                 "node 0 (reduce, call 0): it is of real numbers");
}

TEST(Verify, Contract) {
  expect_broken([](Graph& g) { g.nodes[kContract].operands.pop_back(); },
                "node 3 (contract, call 0): 1 operands, expected 2");
  expect_broken([](Graph& g) { g.nodes[kContract].results.push_back(g.nodes[kMap].results[0]); },
                "node 3 (contract, call 0): 2 results, expected 1");
  expect_broken([](Graph& g) { g.nodes[kContract].operands[1].dtype = DType::Int32; },
                "node 3 (contract, call 0), operand 1: is i32, expected f32");
  expect_broken([](Graph& g) { g.nodes[kContract].results[0].dtype = DType::Int32; },
                "node 3 (contract, call 0), result 0: is i32, expected f32");
  expect_broken([](Graph& g) { g.nodes[kContract].operands[0].view.sizes[2] = 31; },
                "node 3 (contract, call 0), operand 0: its view's sizes are not those of the "
                "iteration space");
  expect_fine("input %0: f16[4] %1: f32[1] = contract (| i0 < 4) { a0 = %0 a1 = %0 }");
}

TEST(Verify, Convolve) {
  const std::string name = "node 4 (convolve, call 0): ";
  expect_broken([](Graph& g) { g.nodes[kConvolve].operands.pop_back(); },
                name + "1 operands, expected 2");
  expect_broken([](Graph& g) { g.nodes[kConvolve].operands[1].dtype = DType::Int32; },
                "node 4 (convolve, call 0), operand 1: is i32, expected f32");
  expect_broken([](Graph& g) { g.nodes[kConvolve].results[0].dtype = DType::Int32; },
                "node 4 (convolve, call 0), result 0: is i32, expected f32");
  expect_broken([](Graph& g) { g.nodes[kConvolve].dims[3] = 31; },
                "node 4 (convolve, call 0), result 0: its view's sizes are not the parallel "
                "dimensions");
  expect_broken(
      [](Graph& g) {
        g.nodes[kConvolve].operands[1].view = View::row_major({1, 3, 9});
      },
      name + "input, weight and output have not one rank of at least 3");
  expect_broken(
      [](Graph& g) { g.nodes[kConvolve].as<Convolve>()->padding.pop_back(); },
      name + "not one stride, padding, dilation and output padding per spatial dimension");
  expect_broken([](Graph& g) { g.nodes[kConvolve].operands[0].view.sizes[0] = 2; },
                name + "input and output are of two batch sizes");
  expect_broken([](Graph& g) { g.nodes[kConvolve].as<Convolve>()->groups = 3; },
                name + "the input's channels are not the weight's");
  expect_broken([](Graph& g) { g.nodes[kConvolve].operands[1].view.sizes[0] = 2; },
                name + "the output's channels are not the weight's");
  expect_broken([](Graph& g) { g.nodes[kConvolve].as<Convolve>()->padding[0] = 0; },
                name + "the output's size along dimension 2 is not what the settings give");
  expect_broken([](Graph& g) { g.nodes[kConvolve].as<Convolve>()->stride[1] = 0; },
                name + "a stride below 1");
}

TEST(Verify, ConvolveOtherKinds) {
  const auto text = [](const std::string& kind, const std::string& result, const std::string& a0,
                       const std::string& a1) {
    return "input %0: f32[999] %1: f32[999] at " + result + " = convolve " + kind +
           " stride [2] padding [1] dilation [2] output_padding [1] groups 2 (" +
           ") { a0 = %0 at " + a0 + " a1 = %0 at " + a1 + " }";
  };
  // Input [5, 4, 12], weight [6, 2, 3], output [5, 6, 5]; the parallel dimensions are set below.
  const auto problems = [](const std::string& code) {
    Graph graph = parse(code);
    graph.nodes[0].dims = graph.nodes[0].results[0].view.sizes;
    graph.nodes[0].parallel = 3;
    return joined(verify(graph));
  };
  const std::string input = "[5, 4, 12]";
  const std::string weight = "[6, 2, 3]";
  const std::string output = "[5, 6, 5]";
  EXPECT_EQ(problems(text("grad_input", input, output, weight)), "");
  EXPECT_EQ(problems(text("grad_weight", weight, output, input)), "");
  EXPECT_NE(problems(text("grad_weight", weight, input, output)), "");
  // The other way round: 4 channels of 6 come from the weight's [6, 2]; 5 become (5 - 1) * 2 - 2 +
  // 4 + 1 + 1 = 12.
  EXPECT_EQ(problems(text("forward transposed", input, output, weight)), "");
  EXPECT_NE(problems(text("forward transposed", "[5, 4, 13]", output, weight)), "");
}

TEST(Verify, Attend) {
  const std::string name = "node 5 (attend, call 0)";
  expect_broken([](Graph& g) { g.nodes[kAttend].as<Attend>()->scale.input = 2; },
                name + ": an attribute names a number that the graph lacks");
  expect_broken([](Graph& g) { g.nodes[kAttend].as<Attend>()->masked = true; },
                name + ": 3 operands, expected 4");
  expect_broken([](Graph& g) { g.nodes[kAttend].results.pop_back(); },
                name + ": 1 results, expected 2");
  expect_broken([](Graph& g) { g.nodes[kAttend].operands[1].dtype = DType::Float16; },
                name + ", operand 1: is f16, expected f32");
  expect_broken([](Graph& g) { g.nodes[kAttend].operands[0].dtype = DType::Int32; },
                name + ", operand 0: attention is of real numbers");
  expect_broken([](Graph& g) { g.nodes[kAttend].results[0].dtype = DType::Int32; },
                name + ", result 0: is i32, expected f32");
  expect_broken([](Graph& g) { g.nodes[kAttend].results[1].dtype = DType::Float16; },
                name + ": the logarithm of attention is not of the compute type");
  expect_broken(
      [](Graph& g) {
        g.nodes[kAttend].operands[2].view = View::row_major({32, 32});
      },
      name + ": the value has 2 dimensions, expected 4");
  expect_broken([](Graph& g) { g.nodes[kAttend].operands[1].view.sizes[3] = 31; },
                name +
                    ": the size of the key along dimension 3 does not fit the query, key and "
                    "value");
  expect_broken(
      [](Graph& g) {
        g.nodes[kAttend].operands[1].view.sizes[1] = 2;
        g.nodes[kAttend].operands[2].view.sizes[1] = 2;
      },
      name + ": the query's heads are no multiple of the key's");
  expect_broken([](Graph& g) { g.nodes[kAttend].results[1].view.sizes[2] = 31; },
                name +
                    ": the size of the logarithm along dimension 2 does not fit the query, key "
                    "and value");
  expect_broken(
      [](Graph& g) {
        g.nodes[kAttend].as<Attend>()->masked = true;
        g.nodes[kAttend].operands.push_back({2, DType::Int64, {{1, 1, 32, 32}, {0, 0, 0, 1}, 0}});
      },
      name + ", operand 3: a mask that is neither bool nor floating");
}

TEST(Verify, AttendBackward) {
  const std::string text = R"(
input %0: f32[64]
input %1: bool[64]
%2: f32[64] at [1, 2, 4, 8], %3: f32[24] at [1, 1, 3, 8], %4: f32[15] at [1, 1, 3, 5]
    = attend backward masked scale 0.5 () {
  a0 = %0 at [1, 2, 4, 5]
  a1 = %0 at [1, 2, 4, 8]
  a2 = %0 at [1, 1, 3, 8]
  a3 = %0 at [1, 1, 3, 5]
  a4 = %0 at [1, 2, 4, 5]
  a5 = %0 at [1, 2, 4]
  a6 = %1 at [1, 2, 4, 3]
})";
  expect_fine(text);
  Graph graph = parse(text);
  graph.nodes[0].results[2].view = View::row_major({1, 1, 3, 4});
  expect_problem(graph,
                 "node 0 (attend, call 0): the size of the value's gradient along dimension 3 does "
                 "not fit the query, key and value");
}

TEST(Verify, Gather) {
  const std::string name = "node 6 (gather, call 0)";
  expect_broken([](Graph& g) { g.nodes[kGather].as<Gather>()->indexed.clear(); },
                name + ": 2 operands, expected 1");
  expect_broken([](Graph& g) { g.nodes[kGather].operands[1].dtype = DType::Float64; },
                name + ", operand 1: an index that is neither i64 nor i32");
  expect_broken([](Graph& g) { g.nodes[kGather].results[0].dtype = DType::Int32; },
                name + ", result 0: is i32, expected f32");
  expect_broken([](Graph& g) { g.nodes[kGather].parallel = 1; },
                name + ": it has reduction dimensions");
  expect_broken([](Graph& g) { g.nodes[kGather].operands[1].view.sizes[0] = 1; },
                name + ", operand 1: its view's sizes are not those of the iteration space");
}

TEST(Verify, Scatter) {
  const std::string name = "node 7 (scatter, call 0)";
  expect_broken([](Graph& g) { g.nodes[kScatter].results[0].base = kNoValue; },
                name + ", result 0: a scatter without a base");
  expect_broken([](Graph& g) { g.nodes[kScatter].operands.pop_back(); },
                name + ": 1 operands, expected 2");
  expect_broken([](Graph& g) { g.nodes[kScatter].operands[1].dtype = DType::UInt8; },
                name + ", operand 1: an index that is neither i64 nor i32");
  expect_broken([](Graph& g) { g.nodes[kScatter].operands[0].dtype = DType::Int32; },
                name + ", result 0: is f32, expected i32");
}

TEST(Verify, Scan) {
  const std::string name = "node 8 (scan, call 0)";
  expect_broken([](Graph& g) { g.nodes[kScan].as<Scan>()->dim = 2; },
                name + ": it scans a dimension that is not there");
  expect_broken([](Graph& g) { g.nodes[kScan].as<Scan>()->op = ScanOp::Sum; },
                name + ": 2 results, expected 1");
  expect_broken([](Graph& g) { g.nodes[kScan].results[0].dtype = DType::Int32; },
                name + ", result 0: is i32, expected f32");
  expect_broken([](Graph& g) { g.nodes[kScan].results[1].dtype = DType::Int32; },
                name + ", result 1: is i32, expected i64");
}

TEST(Verify, Sort) {
  const std::string name = "node 9 (sort, call 0)";
  expect_broken([](Graph& g) { g.nodes[kSort].as<Sort>()->dim = 2; },
                name + ": it sorts a dimension that is not there");
  expect_broken([](Graph& g) { g.nodes[kSort].as<Sort>()->take = 6; },
                name + ", result 0: its view's sizes are not those of what is sorted");
  expect_broken([](Graph& g) { g.nodes[kSort].as<Sort>()->take.reset(); },
                name + ", result 1: its view's sizes are not those of what is sorted");
  expect_broken([](Graph& g) { g.nodes[kSort].results.pop_back(); },
                name + ": 1 results, expected 2");
  expect_broken([](Graph& g) { g.nodes[kSort].results[1].dtype = DType::Int32; },
                name + ", result 1: is i32, expected i64");
}

TEST(Verify, Random) {
  const std::string name = "node 10 (random, call 0)";
  expect_broken([](Graph& g) { g.nodes[kRandom].as<Random>()->state = 1; },
                name + ": it names a random input that the graph lacks");
  expect_broken([](Graph& g) { g.nodes[kRandom].as<Random>()->parameters.pop_back(); },
                name + ": 1 parameters, expected 2");
  expect_broken(
      [](Graph& g) { g.nodes[kRandom].as<Random>()->distribution = Distribution::Bernoulli; },
      name + ": 2 parameters, expected 1");
  expect_broken([](Graph& g) { g.nodes[kRandom].as<Random>()->parameters[0].input = 2; },
                name + ": an attribute names a number that the graph lacks");
  expect_broken([](Graph& g) { g.nodes[kRandom].operands = g.nodes[kScan].operands; },
                name + ": 1 operands, expected 0");
}

TEST(Verify, Opaque) {
  const std::string name = "node 11 (opaque, call 0)";
  expect_broken([](Graph& g) { g.nodes[kOpaque].primitive = Opaque{}; },
                name + ": an opaque node without its call");
  expect_broken([](Graph& g) { g.nodes[kOpaque].dims = {1}; },
                name + ": an opaque node with an iteration space");
}

TEST(Verify, BrokenGraphsDoNotCrash) {
  size_t problems = 0;
  for (uint64_t seed = 0; seed < 1000; ++seed)
    problems += verify(testing::random_graph(seed)).size();
  EXPECT_GT(problems, 1000U);
}

}  // namespace
}  // namespace trireme::graph
