// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "pass_support.h"

namespace trireme::compile::testing {
namespace {

TEST(EliminateDead, WhatNoOutputNeeds) {
  expect_rewritten("eliminate_dead", R"(
    input %0: f32[6]
    %1: f32[6] = map (i0 < 6) { a0 = %0  return exp(a0:f32) }
    %2: f32[6] = map (i0 < 6) { a0 = %1  return neg(a0:f32) }
    %3: f32[6] = map (i0 < 6) { a0 = %0  return neg(a0:f32) }
    output %3
  )",
                   R"(
    input %0: f32[6]
    unmade %1: f32[6]
    unmade %2: f32[6]
    %3: f32[6] = map (i0 < 6) { a0 = %0  return neg(a0:f32) }
    output %3
  )");
}

TEST(EliminateDead, WhatIsWrittenOverANeededValueIsNot) {
  expect_unchanged("eliminate_dead", R"(
    input %0: f32[6]
    %1: f32[6] = map (i0 < 6) { a0 = %0  return exp(a0:f32) }
    %2: f32[6] at [3] over %1 = map (i0 < 3) { a0 = %0 at [3]  return neg(a0:f32) }
    output %2
  )");
}

TEST(EliminateDead, CallsStay) {
  expect_unchanged("eliminate_dead", R"(
    input %0: f32[6]
    %1: f32[6] at [6] = opaque "aten::sort" () { a0 = %0 at [6] }
    output %0
  )");
}

}  // namespace
}  // namespace trireme::compile::testing
