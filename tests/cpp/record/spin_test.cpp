// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/spin.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace trireme::record {
namespace {

// How often it looked before it gave up.
int looks(Spin& spin) {
  int count = 0;
  EXPECT_FALSE(spin.until([&] {
    ++count;
    return false;
  }));
  return count;
}

void learn(Spin& spin, std::chrono::microseconds wait) {
  for (int i = 0; i < 64; ++i) spin.slept(Spin::Clock::now() - wait);
}

TEST(Spin, SeesWhatIsDone) {
  Spin spin;
  int left = 1000;
  EXPECT_TRUE(spin.until([] { return true; }));
  if (std::thread::hardware_concurrency() < 2) GTEST_SKIP() << "one processor: it sleeps at once";
  EXPECT_TRUE(spin.until([&] { return --left == 0; }));
}

TEST(Spin, SleepsSoonWhereWaitsAreLong) {
  if (std::thread::hardware_concurrency() < 2) GTEST_SKIP() << "one processor: it sleeps at once";
  Spin spin;
  const int before = looks(spin);
  learn(spin, std::chrono::microseconds(10'000));
  const int after = looks(spin);
  EXPECT_GT(spin.expected(), Spin::kWorthNanoseconds);
  EXPECT_LT(after, before);
  learn(spin, std::chrono::microseconds(1));
  EXPECT_LT(spin.expected(), Spin::kWorthNanoseconds);
  EXPECT_GT(looks(spin), after);
}

}  // namespace
}  // namespace trireme::record
