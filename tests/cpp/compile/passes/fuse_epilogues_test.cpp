// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "pass_support.h"

namespace trireme::compile::testing {
namespace {

constexpr const char* kConvolution = R"(
    number n0: f64
    input %0: f32[32]
    input %1: f32[8]
    input %2: f32[2]
    input %3: f32[2]
    input %4: f32[2]
    input %5: f32[2]
    input %6: f32[16]
)";
constexpr const char* kConvolve = R"( = convolve forward stride [1, 1] padding [0, 0]
        dilation [1, 1] output_padding [0, 0] groups 1
        (i0 < 2, i1 < 2, i2 < 2, i3 < 2 | i4 < 4, i5 < 1, i6 < 1) {
      a0 = %0 at [2, 4, 2, 2]  a1 = %1 at [2, 4, 1, 1]
    }
)";

std::string after(const std::string& value, const std::string& rest,
                  const std::string& before = {}) {
  return kConvolution + before + value + kConvolve + rest;
}

// A batch norm by running statistics, what a shortcut adds, an activation.
TEST(FuseEpilogues, ScalesAndShiftsAreMadeBefore) {
  expect_rewritten("fuse_epilogues", after("%7: f32[16]", R"(
    %8: f32[2] = map (i0 < 2) { a0 = %2  return add(abs(a0:f32), n0:f32) }
    %9: f32[16] = map (i0 < 2, i1 < 2, i2 < 2, i3 < 2) {
      a0 = %3 at [2, 2, 2, 2 : 0, 1, 0, 0]
      a1 = %7
      a2 = %8 at [2, 2, 2, 2 : 0, 1, 0, 0]
      a3 = %5 at [2, 2, 2, 2 : 0, 1, 0, 0]
      return add(mul(sub(a1:f32, a0:f32), a2:f32), a3:f32)
    }
    %10: f32[16] = map (i0 < 2, i1 < 2, i2 < 2, i3 < 2) {
      a0 = %9  a1 = %6  return add(a0:f32, a1:f32)
    }
    %11: f32[16] = map (i0 < 2, i1 < 2, i2 < 2, i3 < 2) {
      a0 = %10  return maximum(a0:f32, 0:f32)
    }
    output %11
    output %8
  )"),
                   std::string(kConvolution) + R"(
    %8: f32[2] = map (i0 < 2) { a0 = %2  return add(abs(a0:f32), n0:f32) }
    %12: f32[2] = map (i0 < 2) {
      a0 = %3  a1 = %8  a2 = %5
      return add(mul(neg(a0:f32), a1:f32), a2:f32)
    }
    %7: f32[16])" + kConvolve +
                       R"(
    unmade %9: f32[16]
    unmade %10: f32[16]
    %11: f32[16] = map (i0 < 2, i1 < 2, i2 < 2, i3 < 2) {
      a0 = %7
      a1 = %8 at [2, 2, 2, 2 : 0, 1, 0, 0]
      a2 = %12 at [2, 2, 2, 2 : 0, 1, 0, 0]
      a3 = %6
      return maximum(add(add(mul(a0:f32, a1:f32), a2:f32), a3:f32), 0:f32)
    }
    output %11
    output %8
  )",
                   1e-5F);
}

// A bias as it is.
TEST(FuseEpilogues, WhatIsReadyStays) {
  expect_unchanged("fuse_epilogues", after("%7: f32[16]", R"(
    %8: f32[16] = map (i0 < 2, i1 < 2, i2 < 2, i3 < 2) {
      a0 = %7  a1 = %3 at [2, 2, 2, 2 : 0, 1, 0, 0]
      x0 = add(a0:f32, a1:f32)
      return div(x0, add(exp(neg(x0)), 1:f32))
    }
    output %8
  )"));
}

TEST(FuseEpilogues, OneMapOfTwo) {
  expect_rewritten("fuse_epilogues", after("%7: f32[16]", R"(
    %8: f32[16] = map (i0 < 2, i1 < 2, i2 < 4) {
      a0 = %7 at [2, 2, 4]  a1 = %3 at [2, 2, 4 : 0, 1, 0]
      return add(a0:f32, a1:f32)
    }
    %9: f32[16] = map (i0 < 2, i1 < 2, i2 < 2, i3 < 2) { a0 = %8  return tanh(a0:f32) }
    output %9
  )"),
                   after("%7: f32[16]", R"(
    unmade %8: f32[16]
    %9: f32[16] = map (i0 < 2, i1 < 2, i2 < 2, i3 < 2) {
      a0 = %7  a1 = %3 at [2, 2, 2, 2 : 0, 1, 0, 0]
      return tanh(add(a0:f32, a1:f32))
    }
    output %9
  )"));
}

TEST(FuseEpilogues, NotWhereOthersReadTheResult) {
  const std::string norm = R"(
    %8: f32[16] = map (i0 < 2, i1 < 2, i2 < 2, i3 < 2) {
      a0 = %7  a1 = %3 at [2, 2, 2, 2 : 0, 1, 0, 0]
      return sub(a0:f32, a1:f32)
    }
    output %8
  )";
  expect_unchanged("fuse_epilogues", after("%7: f32[16]", norm + "output %7"));
  expect_unchanged("fuse_epilogues", after("%7: f32[16]", norm + R"(
    %9: f32[1] = reduce sum (i0 < 1 | i1 < 16) { a0 = %7 at [1, 16]  return a0:f32 }
    output %9
  )"));
}

// Not longer than what it reads lies where it is.
TEST(FuseEpilogues, NotWhereTheInputIsWrittenOver) {
  expect_unchanged("fuse_epilogues", after("%7: f32[16]", R"(
    %8: f32[32] at [16] over %0 = map (i0 < 16) { a0 = %0 at [16]  return exp(a0:f32) }
    %9: f32[16] = map (i0 < 2, i1 < 2, i2 < 2, i3 < 2) {
      a0 = %7  a1 = %8 at [2, 2, 2, 2 : 0, 1, 0, 0]
      return sub(a0:f32, a1:f32)
    }
    output %9
    output %8 replaces input 0
  )"));
}

TEST(FuseEpilogues, NotOtherExpressions) {
  for (const char* expression : {"sin(a0:f32)", "mul(a0:f32, a0:f32)", "add(a0:f32, cast(i1):f32)",
                                 "maximum(a0:f32, 1:f32)", "sub(a1:f32, a0:f32)"}) {
    expect_unchanged("fuse_epilogues", after("%7: f32[16]", R"(
      %8: f32[16] = map (i0 < 2, i1 < 2, i2 < 2, i3 < 2) {
        a0 = %7  a1 = %3 at [2, 2, 2, 2 : 0, 1, 0, 0]  return )" +
                                                                std::string(expression) + R"(
      }
      output %8
    )"));
  }
}

}  // namespace
}  // namespace trireme::compile::testing
