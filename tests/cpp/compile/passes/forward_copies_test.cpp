// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "pass_support.h"

namespace trireme::compile::testing {
namespace {

TEST(ForwardCopies, TheSourceIsReadInstead) {
  expect_rewritten("forward_copies", R"(
    input %0: f32[8]
    %1: f32[6] = map (i0 < 2, i1 < 3) { a0 = %0 at [2, 3 : 3, 1 : 2]  return a0:f32 }
    %2: f32[6] = map (i0 < 6) { a0 = %1  return a0:f32 }
    %3: f32[6] = map (i0 < 3, i1 < 2) { a0 = %2 at [3, 2 : 1, 3]  return neg(a0:f32) }
    output %3
  )",
                   R"(
    input %0: f32[8]
    %1: f32[6] = map (i0 < 2, i1 < 3) { a0 = %0 at [2, 3 : 3, 1 : 2]  return a0:f32 }
    %2: f32[6] = map (i0 < 6) { a0 = %0 at [6 : 1 : 2]  return a0:f32 }
    %3: f32[6] = map (i0 < 3, i1 < 2) { a0 = %0 at [3, 2 : 1, 3 : 2]  return neg(a0:f32) }
    output %3
  )");
}

TEST(ForwardCopies, NotWhereElementsMove) {
  expect_unchanged("forward_copies", R"(
    input %0: f32[6]
    %1: f32[6] = map (i0 < 2, i1 < 3) { a0 = %0 at [2, 3 : 1, 2]  return a0:f32 }
    %2: f32[6] = map (i0 < 6) { a0 = %1  return neg(a0:f32) }
    output %2
  )");
}

TEST(ForwardCopies, NotOfWhatIsWrittenOver) {
  expect_unchanged("forward_copies", R"(
    input %0: f32[6]
    %1: f32[6] = map (i0 < 6) { a0 = %0  return a0:f32 }
    %2: f32[6] at [3] over %0 = map (i0 < 3) { a0 = %0 at [3]  return neg(a0:f32) }
    %3: f32[6] = map (i0 < 6) { a0 = %1  a1 = %2  return add(a0:f32, a1:f32) }
    output %2 replaces input 0
    output %3
  )");
}

TEST(ForwardCopies, CallsFindTheirArgumentsThemselves) {
  expect_unchanged("forward_copies", R"(
    input %0: f32[6]
    %1: f32[6] = map (i0 < 6) { a0 = %0  return a0:f32 }
    %2: f32[6] at [6] = opaque "aten::sort" () { a0 = %1 at [6] }
    output %2
  )");
}

}  // namespace
}  // namespace trireme::compile::testing
