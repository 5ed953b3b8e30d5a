// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "pass_support.h"

namespace trireme::compile::testing {
namespace {

TEST(ReduceProducts, AProductWithAVectorIsASum) {
  expect_rewritten("reduce_products", R"(
    input %0: f32[12]
    input %1: f32[4]
    %2: f32[3] = contract (i0 < 3 | i1 < 4) { a0 = %0  a1 = %1 at [3, 4 : 0, 1] }
    output %2
  )",
                   R"(
    input %0: f32[12]
    input %1: f32[4]
    %2: f32[3] = reduce sum (i0 < 3 | i1 < 4) { a0 = %0  a1 = %1 at [3, 4 : 0, 1]  return mul(a0:f32, a1:f32) }
    output %2
  )",
                   1e-6F);
}

TEST(ReduceProducts, MatricesAreTheLibrarys) {
  expect_unchanged("reduce_products", R"(
    input %0: f32[3200]
    input %1: f32[3200]
    %2: f32[10000] = contract (i0 < 100, i1 < 100 | i2 < 32) { a0 = %0 at [100, 100, 32 : 32, 0, 1]  a1 = %1 at [100, 100, 32 : 0, 32, 1] }
    output %2
  )");
}

}  // namespace
}  // namespace trireme::compile::testing
