// SPDX-License-Identifier: Apache-2.0
// Compiled graphs of products against the interpreter: what is done in their results.
#include <gtest/gtest.h>

#include <string>

#include "program_support.h"

namespace trireme::compile::testing {
namespace {

// [24, 40] = [24, 32] by [32, 40], a bias for columns, one for rows, another tensor.
constexpr const char* kInputs = R"(
    input %0: f32[768]
    input %1: f32[1280]
    input %2: f32[40]
    input %3: f32[24]
    input %4: f32[960]
)";
constexpr const char* kProduct = R"(
    %5: f32[960] = contract (i0 < 24, i1 < 40 | i2 < 32) {
      a0 = %0 at [24, 40, 32 : 32, 0, 1]
      a1 = %1 at [24, 40, 32 : 0, 32, 1]
    }
)";
constexpr const char* kByColumn = "%2 at [24, 40 : 0, 1] ";
constexpr const char* kByRow = "%3 at [24, 40 : 1, 0] ";

std::string product(const std::string& operands, const std::string& expression) {
  return std::string(kInputs) + kProduct + "%6: f32[960] = map (i0 < 24, i1 < 40) { " + operands +
         " return " + expression + " }\noutput %6";
}

void expect_one_step(const std::string& text) {
  EXPECT_EQ(steps_of(text), 1U) << text;
  expect_same(Case(text));
}

TEST(ProductProgram, BiasOfColumnsOrRows) {
  expect_one_step(product(std::string("a0 = %5 a1 = ") + kByColumn, "add(a1:f32, a0:f32)"));
  expect_one_step(product(std::string("a0 = %5 a1 = ") + kByRow, "add(a0:f32, a1:f32)"));
}

TEST(ProductProgram, EachActivationOfTheBiasedSum) {
  for (const char* activation :
       {"maximum(x0, 0:f32)", "sigmoid(x0)", "tanh(x0)", "div(x0, add(exp(neg(x0)), 1:f32))",
        "mul(mul(x0, 0.5:f32), add(erf(mul(x0, 0.7071067811865476:f32)), 1:f32))"}) {
    const std::string text = std::string(kInputs) + kProduct +
                             "%6: f32[960] = map (i0 < 24, i1 < 40) { a0 = %5 a1 = " + kByColumn +
                             " x0 = add(a0:f32, a1:f32) return " + activation + " }\noutput %6";
    expect_one_step(text);
  }
}

TEST(ProductProgram, AnotherTensorAndSeveralTerms) {
  expect_one_step(product("a0 = %5 a1 = %4", "mul(a0:f32, a1:f32)"));
  expect_one_step(product(std::string("a0 = %5 a1 = %4 a2 = ") + kByColumn + "a3 = " + kByRow,
                          "mul(add(add(a0:f32, a2:f32), a1:f32), a3:f32)"));
}

// A head of the result: the bias is no vector of one product.
TEST(ProductProgram, ResultInHeads) {
  const std::string text = std::string(kInputs) + R"(
    %5: f32[960] at [24, 5, 8 : 8, 192, 1] = contract (i0 < 24, i1 < 5, i2 < 8 | i3 < 32) {
      a0 = %0 at [24, 5, 8, 32 : 32, 0, 0, 1]
      a1 = %1 at [24, 5, 8, 32 : 0, 256, 32, 1]
    }
    %6: f32[960] at [24, 5, 8 : 8, 192, 1] = map (i0 < 24, i1 < 5, i2 < 8) {
      a0 = %5 at [24, 5, 8 : 8, 192, 1]
      a1 = %2 at [24, 5, 8 : 0, 8, 1]
      return add(a0:f32, a1:f32)
    }
    output %6
)";
  expect_one_step(text);
}

TEST(ProductProgram, NarrowOperandsRoundedAtTheEnd) {
  const std::string text = R"(
    input %0: bf16[768]
    input %1: bf16[1280]
    input %2: bf16[40]
    %3: f32[960] = contract (i0 < 24, i1 < 40 | i2 < 32) {
      a0 = %0 at [24, 40, 32 : 32, 0, 1]
      a1 = %1 at [24, 40, 32 : 0, 32, 1]
    }
    %4: bf16[960] = map (i0 < 24, i1 < 40) {
      a0 = %3
      a1 = %2 at [24, 40 : 0, 1]
      return cast(add(cast(a1:bf16):f32, a0:f32)):bf16
    }
    output %4
)";
  EXPECT_EQ(steps_of(text), 1U);
  const Case one(text);
  const auto compiled = compiler().compile(one.graph, {});
  EXPECT_NE(compiled->describe().find("bias"), std::string::npos) << compiled->describe();
}

TEST(ProductProgram, WhatOthersReadOrLiesElsewhereIsNoEpilogue) {
  // the sums leave
  EXPECT_EQ(steps_of(product("a0 = %5 a1 = %4", "mul(a0:f32, a1:f32)") + "\noutput %5"), 2U);
  // what is subtracted, and what is no operand
  EXPECT_EQ(steps_of(product("a0 = %5 a1 = %4", "sub(a0:f32, a1:f32)")), 2U);
  EXPECT_EQ(steps_of(product("a0 = %5 a1 = %4", "add(a0:f32, exp(a1:f32))")), 2U);
  // elements of the sums at other points
  EXPECT_EQ(steps_of(product("a0 = %5 at [24, 40 : 1, 24]", "maximum(a0:f32, 0:f32)")), 2U);
}

TEST(ProductProgram, RowsThatVary) {
  const std::string text = R"(
    symbols 1
    input %0: f32[32*s0]
    input %1: f32[1280]
    input %2: f32[40]
    %3: f32[40*s0] = contract (i0 < s0, i1 < 40 | i2 < 32) {
      a0 = %0 at [s0, 40, 32 : 32, 0, 1]
      a1 = %1 at [s0, 40, 32 : 0, 32, 1]
    }
    %4: f32[40*s0] = map (i0 < s0, i1 < 40) {
      a0 = %3
      a1 = %2 at [s0, 40 : 0, 1]
      return maximum(add(a0:f32, a1:f32), 0:f32)
    }
    output %4
)";
  EXPECT_EQ(steps_of(text), 1U);
  for (const int64_t rows : {0, 1, 24, 300}) expect_same(Case(text, {rows}));
}

}  // namespace
}  // namespace trireme::compile::testing
