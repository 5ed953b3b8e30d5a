// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "pass_support.h"

namespace trireme::compile::testing {
namespace {

TEST(EliminateCommon, EqualWorkIsDoneOnce) {
  expect_rewritten("eliminate_common", R"(
    input %0: f32[6]
    %1: f32[6] = map (i0 < 6) call 1 { a0 = %0  return exp(a0:f32) }
    %2: f32[6] = map (i0 < 6) call 2 { a0 = %0  return exp(a0:f32) }
    %3: f32[2] = reduce sum (i0 < 2 | i1 < 3) call 3 { a0 = %1  return a0:f32 }
    %4: f32[2] = reduce sum (i0 < 2 | i1 < 3) call 4 { a0 = %2  return a0:f32 }
    %5: f32[2] = map (i0 < 2) call 5 { a0 = %3  a1 = %4  return mul(a0:f32, a1:f32) }
    output %5
  )",
                   R"(
    input %0: f32[6]
    %1: f32[6] = map (i0 < 6) call 1 { a0 = %0  return exp(a0:f32) }
    %2: f32[6] = map (i0 < 6) call 2 { a0 = %0  return exp(a0:f32) }
    %3: f32[2] = reduce sum (i0 < 2 | i1 < 3) call 3 { a0 = %1  return a0:f32 }
    %4: f32[2] = reduce sum (i0 < 2 | i1 < 3) call 4 { a0 = %1  return a0:f32 }
    %5: f32[2] = map (i0 < 2) call 5 { a0 = %3  a1 = %3  return mul(a0:f32, a1:f32) }
    output %5
  )");
}

TEST(EliminateCommon, OutputsHaveMemoryOfTheirOwn) {
  expect_unchanged("eliminate_common", R"(
    input %0: f32[6]
    %1: f32[6] = map (i0 < 6) { a0 = %0  return exp(a0:f32) }
    %2: f32[6] = map (i0 < 6) { a0 = %0  return exp(a0:f32) }
    output %1
    output %2
  )");
}

TEST(EliminateCommon, WhatIsWrittenOverIsNotThereForTheSecond) {
  expect_unchanged("eliminate_common", R"(
    input %0: f32[6]
    %1: f32[6] = map (i0 < 6) { a0 = %0  return exp(a0:f32) }
    %2: f32[6] = map (i0 < 6) { a0 = %0  return exp(a0:f32) }
    %3: f32[6] at [3] over %2 = map (i0 < 3) { a0 = %1 at [3]  return neg(a0:f32) }
    %4: f32[6] = map (i0 < 6) { a0 = %1  a1 = %3  return add(a0:f32, a1:f32) }
    output %4
  )");
}

TEST(EliminateCommon, CallsAndRandomNumbersAreAllMade) {
  expect_unchanged("eliminate_common", R"(
    input %0: f32[6]
    %1: f32[6] at [6] = opaque "aten::sort" () { a0 = %0 at [6] }
    %2: f32[6] at [6] = opaque "aten::sort" () { a0 = %0 at [6] }
    %3: f32[6] = map (i0 < 6) { a0 = %1  a1 = %2  return add(a0:f32, a1:f32) }
    output %3
  )");
}

}  // namespace
}  // namespace trireme::compile::testing
