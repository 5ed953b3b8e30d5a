// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "pass_support.h"

namespace trireme::compile::testing {
namespace {

TEST(ElideStores, WhatIsWrittenWhollyNeedsNothingBelow) {
  expect_rewritten("elide_stores", R"(
    input %0: f32[6]
    input %1: f32[6]
    %2: f32[6] at [2, 3 : 1, 2] over %0 = map (i0 < 2, i1 < 3) { a0 = %1  return neg(a0:f32) }
    output %2
  )",
                   R"(
    input %0: f32[6]
    input %1: f32[6]
    %2: f32[6] at [2, 3 : 1, 2] = map (i0 < 2, i1 < 3) { a0 = %1  return neg(a0:f32) }
    output %2
  )");
  expect_unchanged("elide_stores", R"(
    input %0: f32[6]
    input %1: f32[6]
    %2: f32[6] at [5] over %0 = map (i0 < 5) { a0 = %1 at [5]  return neg(a0:f32) }
    output %2
  )");
}

TEST(ElideStores, ScattersNeedTheirBase) {
  expect_unchanged("elide_stores", R"(
    input %0: f32[6]
    input %1: f32[6]
    %2: i64[6] = map (i0 < 6) { return i0 }
    %3: f32[6] at [6 : 0] over %0 = scatter add [stride 1 bound 6] (i0 < 6) { a0 = %1  a1 = %2 }
    output %3
  )");
}

TEST(ElideStores, CopiesToWhereItIsAlready) {
  // As x[1:3] += y leaves it: the slice, which was added to in place, is copied into x.
  expect_rewritten("elide_stores", R"(
    input %0: f32[6]
    input %1: f32[2]
    %2: f32[6] at [2 : 1 : 1] over %0 = map (i0 < 2) { a0 = %0 at [2 : 1 : 1]  a1 = %1  return add(a0:f32, a1:f32) }
    %3: f32[6] at [2 : 1 : 1] over %2 = map (i0 < 2) { a0 = %2 at [2 : 1 : 1]  return a0:f32 }
    %4: f32[6] = map (i0 < 6) { a0 = %3  return neg(a0:f32) }
    output %4
  )",
                   R"(
    input %0: f32[6]
    input %1: f32[2]
    %2: f32[6] at [2 : 1 : 1] over %0 = map (i0 < 2) { a0 = %0 at [2 : 1 : 1]  a1 = %1  return add(a0:f32, a1:f32) }
    %3: f32[6] at [2 : 1 : 1] over %2 = map (i0 < 2) { a0 = %2 at [2 : 1 : 1]  return a0:f32 }
    %4: f32[6] = map (i0 < 6) { a0 = %2  return neg(a0:f32) }
    output %4
  )");
  expect_unchanged("elide_stores", R"(
    input %0: f32[6]
    %1: f32[6] at [2 : 1 : 1] over %0 = map (i0 < 2) { a0 = %0 at [2]  return a0:f32 }
    %2: f32[6] = map (i0 < 6) { a0 = %1  return neg(a0:f32) }
    output %2
  )");
}

}  // namespace
}  // namespace trireme::compile::testing
