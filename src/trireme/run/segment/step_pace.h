// SPDX-License-Identifier: Apache-2.0
// How fast the programs of a training loop are to be made. Making them costs the loop about half of
// the time that it takes, whenever it is done. Where that is but a few steps' time it is done at
// once, and what is gained comes early. Where the steps are short it would double the time of
// dozens of them: it is spread over many more, each of which it makes a little longer. Nothing is
// made in the first step, after which one knows, if that ends soon; nor for as long where there is
// no backward, and each step seems to be the first.
#pragma once

#include <chrono>
#include <cstdint>
#include <unordered_set>

#include "trireme/record/call.h"

namespace trireme::run {

class StepPace {
 public:
  using Clock = std::chrono::steady_clock;

  void take_call(const record::CallForm& form) {
    if (steps_ != 0 || calls_ == kCalls) return;
    if (++calls_ == 1) begin_ = Clock::now();
    forms_.insert(&form);
  }
  // Another step than the first begins. `compiles`: there are programs to be made.
  void begin_step(Clock::time_point now, bool compiles);
  // `waited`: so long has the executor waited for calls since some time, in all.
  void look(Clock::time_point now, Clock::duration waited);
  // For base::Pace, at the last look. 1 where there is no such loop, or none any more, or where the
  // executor has time to spare.
  double share() const { return share_; }
  // No program is to be begun before, as of the last look.
  Clock::time_point held_until() const { return held_until_; }

 private:
  static constexpr uint32_t kCalls = 1U << 16U;  // without a step: it is no such loop

  Clock::time_point begin_{};
  uint32_t calls_ = 0;                                   // of the first step
  uint64_t steps_ = 0;                                   // that have ended
  Clock::duration step_{};                               // about what one takes
  std::unordered_set<const record::CallForm*> forms_{};  // of the first step's calls
  Clock::time_point looked_{};
  Clock::duration waited_{};  // at that time
  bool idles_ = true;         // the executor, in the time before
  double share_ = 1;
  Clock::time_point held_until_ = Clock::time_point::min();
};

}  // namespace trireme::run
