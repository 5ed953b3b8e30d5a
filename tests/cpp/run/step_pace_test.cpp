// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/segment/step_pace.h"

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

namespace trireme::run {
namespace {

using std::chrono::milliseconds;
using Time = StepPace::Clock::time_point;
using Duration = StepPace::Clock::duration;

// A loop of steps that take `step` each and have calls of `forms` forms; the executor waits for
// `waits` of each. Returns the share after `steps` of them.
double share(milliseconds step, size_t forms, milliseconds waits = {}, int steps = 4,
             milliseconds pause = {}) {
  const std::vector<record::CallForm> all(forms);
  StepPace pace;
  for (const record::CallForm& form : all) pace.take_call(form);
  Time now = StepPace::Clock::now();
  Duration waited{};
  pace.look(now, waited);
  for (int i = 0; i < steps; ++i) {
    now += step;
    waited += waits;
    pace.begin_step(now, /*compiles=*/false);
    for (const record::CallForm& form : all) pace.take_call(form);
    pace.look(now, waited);
  }
  pace.look(now + pause, waited);
  return pace.share();
}

TEST(StepPace, LongStepsAreCompiledAtOnce) {
  EXPECT_EQ(share(milliseconds(500), 100), 1);
  EXPECT_EQ(share(milliseconds(50), 10), 1);
}

TEST(StepPace, ShortStepsOfManyFormsAreLeftAlone) {
  EXPECT_LT(share(milliseconds(12), 100), 0.5);
  EXPECT_LT(share(milliseconds(50), 1000), 0.5);
}

TEST(StepPace, AnExecutorThatWaitsHasTimeToSpare) {
  EXPECT_EQ(share(milliseconds(12), 100, milliseconds(8)), 1);
  EXPECT_LT(share(milliseconds(12), 100, milliseconds(2)), 0.5);
}

TEST(StepPace, NothingIsBegunInTheFirstStepForSomeTime) {
  const record::CallForm form;
  StepPace pace;
  const auto now = StepPace::Clock::now();
  pace.look(now, {});
  EXPECT_LT(pace.held_until(), now);  // nothing has come yet
  pace.take_call(form);
  pace.look(now + milliseconds(20), {});
  EXPECT_GT(pace.held_until(), now + milliseconds(100));
  EXPECT_LT(pace.held_until(), now + milliseconds(1000));
  pace.begin_step(now + milliseconds(40), /*compiles=*/false);
  pace.look(now + milliseconds(40), {});
  EXPECT_LT(pace.held_until(), now);
}

TEST(StepPace, NothingIsSpreadOutsideOfALoop) {
  EXPECT_EQ(share(milliseconds(12), 100, {}, 0), 1);
  EXPECT_EQ(share(milliseconds(12), 100, {}, 4, milliseconds(500)), 1);
}

}  // namespace
}  // namespace trireme::run
