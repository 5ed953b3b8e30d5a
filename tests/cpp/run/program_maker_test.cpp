// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/segment/program_maker.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

namespace trireme::run {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

std::shared_ptr<ProgramSlot> ask(ProgramMaker& maker) {
  auto slot = std::make_shared<ProgramSlot>();
  maker.ask({}, slot);
  return slot;
}

// Until what was asked for is counted as made, which is soon after its slot was settled.
void wait(const ProgramMaker& maker, const ProgramSlot& slot) {
  slot.wait();
  while (maker.pending() > 0) std::this_thread::sleep_for(milliseconds(1));
}

TEST(ProgramMaker, IsRestedBeforeItWasAskedForAnything) {
  const ProgramMaker maker([](const ProgramRequest&) { return std::unique_ptr<Program>(); });
  EXPECT_TRUE(maker.rested());
}

TEST(ProgramMaker, HasRestedAfterFourTimesTheTimeOfAllItMade) {
  constexpr milliseconds kWork{100};
  ProgramMaker maker([&](const ProgramRequest&) {
    std::this_thread::sleep_for(kWork);
    return std::unique_ptr<Program>();
  });
  const auto first = ask(maker);
  EXPECT_FALSE(maker.rested());  // it is pending
  wait(maker, *first);
  const auto asked = Clock::now();
  const auto second = ask(maker);
  wait(maker, *second);
  EXPECT_FALSE(maker.rested());
  while (!maker.rested()) std::this_thread::sleep_for(milliseconds(5));
  EXPECT_GE(Clock::now() - asked, kWork + 4 * 2 * kWork);
}

TEST(ProgramMaker, BeginsNothingWhileItIsHeld) {
  ProgramMaker maker([](const ProgramRequest&) -> std::unique_ptr<Program> {
    throw std::runtime_error("no such op");
  });
  const auto asked = Clock::now();
  maker.hold_until(asked + milliseconds(200));
  const auto first = ask(maker);
  wait(maker, *first);
  EXPECT_GE(Clock::now() - asked, milliseconds(200));
  EXPECT_EQ(maker.refused(), (std::map<std::string, uint64_t>{{"no such op", 1}}));
  maker.hold_until(Clock::now() + std::chrono::hours(1));
  const auto second = ask(maker);
  std::this_thread::sleep_for(milliseconds(20));
  EXPECT_EQ(maker.pending(), 1U);
  maker.hold_until(Clock::time_point::min());
  wait(maker, *second);
}

TEST(ProgramMaker, CountsWhatItCouldNotMake) {
  ProgramMaker maker([](const ProgramRequest&) -> std::unique_ptr<Program> {
    std::this_thread::sleep_for(milliseconds(100));
    throw std::runtime_error("no such op");
  });
  const auto slot = ask(maker);
  wait(maker, *slot);
  EXPECT_EQ(slot->state(), ProgramSlot::State::Refused);
  EXPECT_EQ(slot->why(), "no such op");
  EXPECT_FALSE(maker.rested());
}

}  // namespace
}  // namespace trireme::run
