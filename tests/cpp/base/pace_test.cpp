// SPDX-License-Identifier: Apache-2.0
#include "trireme/base/pace.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <vector>

namespace trireme::base {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

void work(milliseconds time) {
  const auto begin = thread_time();
  while (thread_time() - begin < time) {
  }
}

TEST(Pace, DoesNotRestAtFirst) {
  Pace pace;
  pace.begin();
  work(milliseconds(20));
  pace.rest();
  EXPECT_EQ(pace.rested(), Clock::duration{});
}

TEST(Pace, RestsForWhatTheThreadAndOthersHaveWorked) {
  std::vector<bool> told;
  Pace pace([&](bool sleeps) { told.push_back(sleeps); });
  pace.set_share(0.25);
  pace.begin();
  work(milliseconds(10));
  pace.add(milliseconds(10));
  pace.rest();
  EXPECT_GE(pace.rested(), milliseconds(60));
  EXPECT_EQ(told, (std::vector{true, false}));
  const auto before = pace.rested();
  pace.rest();  // it has hardly worked since
  EXPECT_LT(pace.rested() - before, milliseconds(30));
}

TEST(Pace, DoesNotCountSleepAsWork) {
  Pace pace;
  pace.set_share(0.1);
  pace.begin();
  std::this_thread::sleep_for(milliseconds(50));
  pace.rest();
  EXPECT_LT(pace.rested(), milliseconds(200));
}

TEST(Pace, ALargerShareEndsARest) {
  Pace pace;
  pace.set_share(0.0001);
  pace.begin();
  work(milliseconds(10));
  std::thread hurries([&] {
    std::this_thread::sleep_for(milliseconds(30));
    pace.set_share(1);
  });
  pace.rest();  // for 100 s, else
  hurries.join();
  EXPECT_LT(pace.rested(), std::chrono::seconds(20));
}

}  // namespace
}  // namespace trireme::base
