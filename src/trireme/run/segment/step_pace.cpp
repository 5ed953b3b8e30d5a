// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/segment/step_pace.h"

#include <algorithm>

namespace trireme::run {
namespace {

// Processor time for each of the forms that a step's calls have: 2.9 to 5 ms at eight small models,
// on a Zen 5. Layers that are alike have the same forms, and are compiled once.
constexpr std::chrono::microseconds kCompiling{3700};
// Programs whose making takes no more than the time of so many steps are made at once.
constexpr int kSteps = 10;
// What making others may take of a processor's time.
constexpr double kShare = 0.1;
// The first step takes about as long as so many of the later ones, where they are short. So does
// one during which programs are made at once.
constexpr int kSlow = 2;
// Without a new step for the time of so many, the loop is over.
constexpr int kOver = 8;
// What repeats within the first step can wait for its end, if that comes soon; and what repeats
// in a program that ends as soon need not be made.
constexpr std::chrono::milliseconds kFirst{300};
// An executor that waits for more than so much of the time leaves a processor to others.
constexpr double kIdle = 0.4;
// The shortest time that is judged so.
constexpr std::chrono::milliseconds kWindow{10};

}  // namespace

void StepPace::begin_step(Clock::time_point now, bool compiles) {
  Clock::duration spent = now - begin_;
  if (steps_ == 0 || (compiles && share_ == 1)) spent /= kSlow;
  step_ = steps_ == 0 ? spent : std::min(step_, spent);
  ++steps_;
  begin_ = now;
}

void StepPace::look(Clock::time_point now, Clock::duration waited) {
  if (now - looked_ >= kWindow) {
    idles_ = waited - waited_ > kIdle * (now - looked_);
    looked_ = now;
    waited_ = waited;
  }
  const bool loops = steps_ > 0 && now - begin_ <= kOver * step_;
  const bool spreads = loops && !idles_ && forms_.size() * kCompiling > kSteps * step_;
  share_ = spreads ? kShare : 1;
  const bool begins = steps_ == 0 && calls_ != 0 && !idles_;
  held_until_ = begins ? begin_ + kFirst : Clock::time_point::min();
}

}  // namespace trireme::run
