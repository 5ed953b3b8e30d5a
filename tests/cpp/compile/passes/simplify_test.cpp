// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <regex>
#include <string>

#include "pass_support.h"

namespace trireme::compile::testing {
namespace {

// Of x0, the element; it has a name only where it is used more than once, as the printer has it.
std::string map_of(const std::string& expression, const std::string& dtype = "f32") {
  const std::string element = "a0:" + dtype;
  const bool named = expression.find("x0") != expression.rfind("x0");
  return "number n0: f64\ninput %0: " + dtype + "[4]\n%1: " + dtype +
         "[4] = map (i0 < 4) { a0 = %0  " + (named ? "x0 = " + element : "") + "  return " +
         (named ? expression : std::regex_replace(expression, std::regex("x0"), element)) +
         " }\noutput %1";
}

void expect_simple(const std::string& before, const std::string& after,
                   const std::string& dtype = "f32") {
  SCOPED_TRACE(before);
  expect_rewritten("simplify", map_of(before, dtype), map_of(after, dtype));
}

void expect_left(const std::string& expression, const std::string& dtype = "f32") {
  expect_simple(expression, expression, dtype);
}

TEST(Simplify, NeutralElements) {
  expect_simple("mul(exp(x0), 1:f32)", "exp(x0)");
  expect_simple("mul(1:f32, exp(x0))", "exp(x0)");
  expect_simple("div(exp(x0), 1:f32)", "exp(x0)");
  expect_simple("sub(exp(x0), 0:f32)", "exp(x0)");
  expect_simple("add(exp(x0), -0:f32)", "exp(x0)");
  expect_simple("add(neg(x0), 0:i64)", "neg(x0)", "i64");
  expect_simple("pow(exp(x0), 1:f32)", "exp(x0)");
}

TEST(Simplify, TheSignOfZeroIsKept) {
  expect_left("add(x0, 0:f32)");   // -0 + 0 is 0
  expect_left("sub(x0, -0:f32)");  // -0 - -0 is 0
  expect_left("mul(x0, 0:f32)");   // NaN, infinities, -0
  expect_left("sub(x0, x0)");
}

TEST(Simplify, PowersOfTwo) {
  expect_simple("div(x0, 8:f32)", "mul(x0, 0.125:f32)");
  expect_simple("div(x0, -0.5:f32)", "mul(x0, -2:f32)");
  expect_left("div(x0, 3:f32)");
  expect_left("div(x0, 1e-40:f32)");
  expect_left("div(x0, 8:i64)", "i64");
  expect_simple("pow(x0, 2:f32)", "mul(x0, x0)");
  expect_left("pow(x0, 3:f32)");
}

TEST(Simplify, WhatIsDoneTwice) {
  expect_simple("exp(neg(neg(x0)))", "exp(x0)");
  expect_simple("minimum(exp(x0), exp(x0))", "exp(x0)");
  expect_simple("select(lt(x0, 2:f32), exp(x0), exp(x0))", "exp(x0)");
  expect_simple("cast(ge(x0, x0)):i64", "cast(1:bool):i64", "i64");
  expect_left("select(ge(x0, x0), x0, 1:f32)");  // NaN
}

TEST(Simplify, Conversions) {
  expect_simple("cast(cast(x0):f32):bf16", "x0", "bf16");
  expect_simple("cast(cast(x0):f64):f32", "x0");
  expect_left("cast(cast(x0):bf16):f32");
  expect_left("cast(cast(x0):f16):bf16", "bf16");  // f16 has fewer exponents
  expect_simple("cast(cast(x0):i32):i16", "x0", "i16");
  expect_left("cast(cast(x0):f32):i32", "i32");  // 24 digits
  expect_simple("cast(cast(x0):f64):i32", "x0", "i32");
  expect_simple("cast(exp(cast(cast(x0):f32):f64)):bf16", "cast(exp(cast(x0):f64)):bf16", "bf16");
}

TEST(Simplify, ChosenByAConstant) {
  expect_simple("select(1:bool, exp(x0), x0)", "exp(x0)");
  expect_simple("select(0:bool, exp(x0), neg(x0))", "neg(x0)");
}

}  // namespace
}  // namespace trireme::compile::testing
