// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "../program_support.h"
#include "pass_support.h"

namespace trireme::compile::testing {
namespace {

// %5: rows of %1 at the places of %2, added up over zeros.
const std::string kScattered = R"(
    input %0: f32[80]
    input %1: f32[48]
    %2: i64[6] = map (i0 < 6) { return i0 }
    %3: f32[80] = map (i0 < 80) { a0 = %0  return neg(a0:f32) }
    %4: f32[80] = map (i0 < 10, i1 < 8) { return 0:f32 }
    %5: f32[80] at [6, 8 : 0, 1] over %4 = scatter add [stride 8 bound 10] (i0 < 6, i1 < 8) {
      a0 = %1  a1 = %2 at [6, 8 : 1, 0]
    }
)";

TEST(AccumulateScatters, OverWhatTheyAreAddedTo) {
  for (const std::string operands : {"a0 = %3  a1 = %5", "a0 = %5  a1 = %3"}) {
    expect_rewritten("accumulate_scatters",
                     kScattered + "%6: f32[80] = map (i0 < 10, i1 < 8) { " + operands +
                         " return add(a0:f32, a1:f32) }\n output %6",
                     R"(
    input %0: f32[80]
    input %1: f32[48]
    %2: i64[6] = map (i0 < 6) { return i0 }
    %3: f32[80] = map (i0 < 80) { a0 = %0  return neg(a0:f32) }
    unmade %4: f32[80]
    unmade %5: f32[80]
    %6: f32[80] at [6, 8 : 0, 1] over %3 = scatter add [stride 8 bound 10] (i0 < 6, i1 < 8) {
      a0 = %1  a1 = %2 at [6, 8 : 1, 0]
    }
    output %6
)");
  }
}

TEST(AccumulateScatters, SeveralOfThem) {
  const std::string text = kScattered + R"(
    %6: f32[80] = map (i0 < 10, i1 < 8) { a0 = %5  a1 = %3  return add(a0:f32, a1:f32) }
    %7: f32[80] = map (i0 < 10, i1 < 8) { return 0:f32 }
    %8: f32[80] at [6, 8 : 0, 1] over %7 = scatter add [stride 8 bound 10] (i0 < 6, i1 < 8) {
      a0 = %1  a1 = %2 at [6, 8 : 1, 0]
    }
    %9: f32[80] = map (i0 < 10, i1 < 8) { a0 = %6  a1 = %8  return add(a0:f32, a1:f32) }
    output %9
)";
  expect_same(Case(text));
}

TEST(AccumulateScatters, NotWhereMoreIsAsked) {
  // of other elements; of a product; over something; and where the scattered sums leave
  for (const std::string rest :
       {"%6: f32[80] = map (i0 < 80) { a0 = %3 at [80 : -1 : 79]  a1 = %5  return add(a0:f32, "
        "a1:f32) }\n output %6",
        "%6: f32[80] = map (i0 < 80) { a0 = %3  a1 = %5  return mul(a0:f32, a1:f32) }\n output %6",
        "%6: f32[80] = map (i0 < 80) { a0 = %3  a1 = %5  return add(a0:f32, a1:f32) }\n output %6\n"
        " output %5"}) {
    expect_unchanged("accumulate_scatters", kScattered + rest);
  }
}

}  // namespace
}  // namespace trireme::compile::testing
