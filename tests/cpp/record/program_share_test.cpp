// SPDX-License-Identifier: Apache-2.0
// The share of the time that a program runs is judged by its waits, some time at once.
#include "trireme/record/program_share.h"

#include <gtest/gtest.h>

namespace trireme::record {
namespace {

using std::chrono::milliseconds;

class Program {
 public:
  // Steps of which the program runs and sleeps for so long, for half a second; and the executor
  // waits for it.
  bool is_large_after(milliseconds runs, milliseconds sleeps, milliseconds executor_waits = {}) {
    for (const auto end = now_ + milliseconds(500); now_ < end;) {
      now_ += runs;
      executor_waited_ += executor_waits;
      share_.slept(now_, now_ + sleeps, executor_waited_);
      now_ += sleeps;
    }
    return share_.large();
  }

 private:
  ProgramShare::Clock::time_point now_ = ProgramShare::Clock::now();
  ProgramShare share_{now_};
  ProgramShare::Clock::duration executor_waited_{};
};

TEST(ProgramShare, IsLargeWhereTheProgramRunsForLong) {
  Program program;
  EXPECT_FALSE(program.is_large_after(milliseconds(20), milliseconds(2000)));
  EXPECT_TRUE(program.is_large_after(milliseconds(8), milliseconds(7)));
  EXPECT_FALSE(program.is_large_after(milliseconds(5), milliseconds(95)));
}

TEST(ProgramShare, WhatTheExecutorWaitsForIsLeftOut) {
  Program program;
  EXPECT_FALSE(program.is_large_after(milliseconds(410), milliseconds(90), milliseconds(400)));
  EXPECT_FALSE(program.is_large_after(milliseconds(20), milliseconds(20), milliseconds(15)));
  EXPECT_TRUE(program.is_large_after(milliseconds(40), milliseconds(20), milliseconds(15)));
}

TEST(ProgramShare, ChangesNotToAndFro) {
  Program program;
  EXPECT_FALSE(program.is_large_after(milliseconds(3), milliseconds(7)));
  EXPECT_TRUE(program.is_large_after(milliseconds(5), milliseconds(5)));
  EXPECT_TRUE(program.is_large_after(milliseconds(3), milliseconds(7)));
  EXPECT_FALSE(program.is_large_after(milliseconds(2), milliseconds(8)));
}

TEST(ProgramShare, OneShortWaitIsNotJudged) {
  const auto now = ProgramShare::Clock::now();
  ProgramShare share(now);
  share.slept(now + milliseconds(30), now + milliseconds(31), {});
  EXPECT_FALSE(share.large());
  share.slept(now + milliseconds(60), now + milliseconds(61), {});
  EXPECT_TRUE(share.large());
}

}  // namespace
}  // namespace trireme::record
