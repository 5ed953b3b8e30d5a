// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/bytes_ahead.h"

#include <gtest/gtest.h>

namespace trireme::record {
namespace {

constexpr size_t kHalf = BytesAhead::kLimit / 2;

TEST(BytesAhead, WaitsForTheOldestThatMustGo) {
  BytesAhead ahead;
  EXPECT_EQ(ahead.add(kHalf, 10, 0), 0U);
  EXPECT_EQ(ahead.add(kHalf, 20, 0), 0U);
  EXPECT_EQ(ahead.ahead(), 2 * kHalf);
  EXPECT_EQ(ahead.add(1, 30, 0), 10U);
  EXPECT_EQ(ahead.add(2 * kHalf - 1, 40, 10), 20U);
  EXPECT_LE(ahead.ahead(), BytesAhead::kLimit);
}

TEST(BytesAhead, WhatHasRunIsForgotten) {
  BytesAhead ahead;
  EXPECT_EQ(ahead.add(kHalf, 10, 0), 0U);
  EXPECT_EQ(ahead.add(kHalf, 20, 0), 0U);
  EXPECT_EQ(ahead.add(kHalf, 30, 10), 0U);
  EXPECT_EQ(ahead.add(kHalf, 40, 40), 0U);  // has run already: never ahead
  EXPECT_EQ(ahead.ahead(), 0U);
}

TEST(BytesAhead, APieceAboveTheLimitIsAlone) {
  BytesAhead ahead;
  EXPECT_EQ(ahead.add(1, 5, 0), 0U);
  EXPECT_EQ(ahead.add(3 * BytesAhead::kLimit, 10, 0), 10U);
  EXPECT_EQ(ahead.add(1, 11, 9), 10U);
}

}  // namespace
}  // namespace trireme::record
