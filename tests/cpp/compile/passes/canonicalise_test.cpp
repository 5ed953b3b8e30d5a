// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "pass_support.h"

namespace trireme::compile::testing {
namespace {

TEST(Canonicalise, OperandsOnceInTheOrderOfTheirLoads) {
  expect_rewritten("canonicalise", R"(
    input %0: f32[6]
    input %1: f32[6]
    %2: f32[6] = map (i0 < 6) { a0 = %1  a1 = %0  a2 = %0  return sub(a1:f32, mul(a0:f32, a2:f32)) }
    output %2
  )",
                   R"(
    input %0: f32[6]
    input %1: f32[6]
    %2: f32[6] = map (i0 < 6) { a0 = %0  a1 = %1  x0 = a0:f32  return sub(x0, mul(x0, a1:f32)) }
    output %2
  )");
}

TEST(Canonicalise, DimensionsOfOnePointGo) {
  expect_rewritten("canonicalise", R"(
    input %0: f32[6]
    %1: f32[6] = map (i0 < 1, i1 < 2, i2 < 1, i3 < 3) { a0 = %0  return mul(a0:f32, cast(i3):f32) }
    %2: f32[2] = reduce sum (i0 < 2, i1 < 1 | i2 < 3, i3 < 1) { a0 = %1  return a0:f32 }
    output %2
  )",
                   R"(
    input %0: f32[6]
    %1: f32[6] = map (i0 < 2, i1 < 3) { a0 = %0  return mul(a0:f32, cast(i1):f32) }
    %2: f32[2] = reduce sum (i0 < 2 | i1 < 3) { a0 = %1  return a0:f32 }
    output %2
  )");
}

TEST(Canonicalise, AReductionKeepsADimension) {
  expect_unchanged("canonicalise", R"(
    input %0: f32[6]
    %1: f32[6] = reduce sum (i0 < 6 | i1 < 1) { a0 = %0  return a0:f32 }
    output %1
  )");
}

}  // namespace
}  // namespace trireme::compile::testing
