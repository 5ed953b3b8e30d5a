// SPDX-License-Identifier: Apache-2.0
// Sums of columns, whose loops are interchanged: against the interpreter, over widths about those
// of vectors and blocks, and heights about those at which states are settled.
#include <gtest/gtest.h>

#include <cmath>

#include "kernel_support.h"
#include "trireme/graph/check/verify.h"
#include "trireme/graph/text/parse.h"

namespace trireme::compile::testing {
namespace {

struct Shape {
  int64_t rows, columns;
};

void expect_right(const std::string& op, const std::string& dtype, const std::string& term,
                  bool symbolic, Shape shape, double tolerance) {
  const std::string rows = symbolic ? "s0" : std::to_string(shape.rows);
  const std::string columns = symbolic ? "s1" : std::to_string(shape.columns);
  const bool second = op == "welford";
  const std::string result = op == "arg_minimum" ? "i64" : dtype;
  std::string text = symbolic ? "symbols 2\n" : "";
  text += "input %0: " + dtype + "[" +
          (symbolic ? "s0*s1" : std::to_string(shape.rows * shape.columns)) +
          "]\ninput %1: " + dtype + "[" + rows + "]\n%2: " + result + "[" + columns + "]" +
          (second ? ", %3: " + dtype + "[" + columns + "]" : "") + " = reduce " + op + " (i0 < " +
          columns + " | i1 < " + rows + ") {\n a0 = %0 at [" + columns + ", " + rows + " : 1, " +
          columns + "]\n a1 = %1 at [" + columns + ", " + rows + " : 0, 1]\n return " + term +
          "\n}\noutput %2\n" + (second ? "output %3\n" : "");
  const graph::Graph graph = graph::parse(text);
  ASSERT_TRUE(graph::verify(graph).empty()) << text << graph::verify(graph).front();
  const graph::DType type = graph.values[graph.inputs[0]].dtype;
  const auto matrix = random_elements(type, shape.rows * shape.columns, 1, /*special=*/false);
  const auto vector = random_elements(type, shape.rows, 2, /*special=*/false);
  graph::Inputs inputs{{matrix, vector}, {}, {}, {}};
  if (symbolic) inputs.symbols = {shape.rows, shape.columns};
  for (const int64_t pieces : {1, 3}) {
    const Both both = run_both(graph, inputs, pieces);
    for (size_t k = 0; k < both.wanted.size(); ++k) {
      for (size_t i = 0; i < both.wanted[k].size(); ++i) {
        EXPECT_NEAR(both.given[k][i], both.wanted[k][i],
                    tolerance * (std::abs(both.wanted[k][i]) + std::sqrt(shape.rows)))
            << op << " " << dtype << ": " << shape.rows << " x " << shape.columns << ", column "
            << i;
      }
    }
  }
}

constexpr Shape kShapes[] = {{16, 128},  {17, 129},   {64, 143},  {65, 144},  {200, 4095},
                             {63, 4096}, {130, 4097}, {500, 300}, {128, 8209}};

TEST(Columns, Sums) {
  for (const bool symbolic : {false, true}) {
    for (const Shape shape : kShapes) {
      expect_right("sum", "f32", "a0:f32", symbolic, shape, 4e-6);
      expect_right("sum", "f64", "mul(a0:f64, a1:f64)", symbolic, shape, 1e-13);
    }
  }
}

TEST(Columns, ProductWithAVector) {
  for (const Shape shape : kShapes) {
    expect_right("sum", "f32", "mul(a0:f32, a1:f32)", false, shape, 4e-6);
  }
}

TEST(Columns, OtherReductions) {
  for (const Shape shape : {Shape{16, 128}, Shape{200, 333}}) {
    expect_right("maximum", "f32", "a0:f32", false, shape, 0);
    expect_right("arg_minimum", "f32", "a0:f32", false, shape, 0);
    expect_right("welford", "f32", "a0:f32", false, shape, 1e-5);
    expect_right("sum", "i64", "a0:i64", false, shape, 0);
  }
}

}  // namespace
}  // namespace trireme::compile::testing
