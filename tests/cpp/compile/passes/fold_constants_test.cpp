// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "pass_support.h"

namespace trireme::compile::testing {
namespace {

TEST(FoldConstants, WhatHasConstantArgumentsIsAConstant) {
  expect_rewritten("fold_constants", R"(
    input %0: f32[4]
    %1: f32[4] = map (i0 < 4) { a0 = %0  return mul(a0:f32, sub(sqrt(4:f32), cast(3:i64):f32)) }
    output %1
  )",
                   R"(
    input %0: f32[4]
    %1: f32[4] = map (i0 < 4) { a0 = %0  return mul(a0:f32, -1:f32) }
    output %1
  )");
}

TEST(FoldConstants, ThereIsRoundingToTheTypeOfEachNode) {
  expect_rewritten("fold_constants", R"(
    input %0: f32[4]
    %1: f32[4] = map (i0 < 4) { a0 = %0  return mul(a0:f32, cast(cast(0.1:f32):bf16):f32) }
    output %1
  )",
                   R"(
    input %0: f32[4]
    %1: f32[4] = map (i0 < 4) { a0 = %0  return mul(a0:f32, 0.10009765625:f32) }
    output %1
  )");
}

TEST(FoldConstants, WhatVariesIsLeft) {
  expect_unchanged("fold_constants", R"(
    number n0: f64
    input %0: f32[4]
    %1: f32[4] = map (i0 < 4) { a0 = %0  return add(mul(a0:f32, n0:f32), cast(i0):f32) }
    output %1
  )");
}

}  // namespace
}  // namespace trireme::compile::testing
