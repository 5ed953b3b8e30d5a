// SPDX-License-Identifier: Apache-2.0
// The share of the time that a program runs is judged by its waits, some time at once.
#include "trireme/record/program_share.h"

#include <gtest/gtest.h>

namespace trireme::record {
namespace {

using std::chrono::milliseconds;

class Program {
 public:
  // Steps in which the program runs and sleeps for so long of the executor's working time, for half
  // a second.
  bool is_large_after(milliseconds runs, milliseconds sleeps) {
    for (const auto end = worked_ + milliseconds(500); worked_ < end;) {
      worked_ += runs;
      share_.slept(worked_, worked_ + sleeps);
      worked_ += sleeps;
    }
    return share_.large();
  }

 private:
  ProgramShare share_;
  ProgramShare::Clock::duration worked_{};
};

TEST(ProgramShare, IsLargeWhereTheProgramRunsForLong) {
  Program program;
  EXPECT_FALSE(program.is_large_after(milliseconds(20), milliseconds(2000)));
  EXPECT_TRUE(program.is_large_after(milliseconds(8), milliseconds(7)));
  EXPECT_FALSE(program.is_large_after(milliseconds(5), milliseconds(95)));
}

TEST(ProgramShare, ChangesNotToAndFro) {
  Program program;
  EXPECT_FALSE(program.is_large_after(milliseconds(3), milliseconds(7)));
  EXPECT_TRUE(program.is_large_after(milliseconds(5), milliseconds(5)));
  EXPECT_TRUE(program.is_large_after(milliseconds(3), milliseconds(7)));
  EXPECT_FALSE(program.is_large_after(milliseconds(2), milliseconds(8)));
}

TEST(ProgramShare, OneShortWaitIsNotJudged) {
  ProgramShare share;
  share.slept(milliseconds(30), milliseconds(31));
  EXPECT_FALSE(share.large());
  share.slept(milliseconds(60), milliseconds(61));
  EXPECT_TRUE(share.large());
}

}  // namespace
}  // namespace trireme::record
