// SPDX-License-Identifier: Apache-2.0
// A clock of working time stands before its thread begins and while it waits.
#include "trireme/record/work_clock.h"

#include <gtest/gtest.h>

#include <chrono>

namespace trireme::record {
namespace {

using std::chrono::hours;

TEST(WorkClock, StandsUntilItsThreadBegins) {
  WorkClock clock;
  EXPECT_EQ(clock.now(), WorkClock::Clock::duration{});
  clock.stands(WorkClock::Clock::now());
  EXPECT_EQ(clock.now(), WorkClock::Clock::duration{});
}

TEST(WorkClock, LeavesOutWaits) {
  WorkClock clock;
  const auto start = WorkClock::Clock::now();
  clock.runs(start);
  const auto before = clock.stood();
  clock.stands(start + hours(3));
  EXPECT_EQ(clock.now(), hours(3));
  clock.runs(start + hours(5));
  EXPECT_EQ(clock.stood() - before, hours(2));
  clock.stands(start + hours(6));
  EXPECT_EQ(clock.now(), hours(4));
}

TEST(WorkClock, RunsWithTheClock) {
  WorkClock clock;
  clock.runs(WorkClock::Clock::now() - hours(1));
  const auto first = clock.now();
  EXPECT_GE(first, hours(1));
  EXPECT_LT(first, hours(2));
  EXPECT_GE(clock.now(), first);
}

}  // namespace
}  // namespace trireme::record
