// SPDX-License-Identifier: Apache-2.0
// How much of the time in which the executor works the program's threads run, too; it sees only
// their calls.
#pragma once

#include <atomic>
#include <chrono>
#include <mutex>

#include "trireme/record/work_clock.h"

namespace trireme::record {

class ProgramShare {
 public:
  using Clock = WorkClock::Clock;

  // A thread of the program has slept, waiting for calls, while the executor's working time went
  // from `before` to `after`: it stands still while the executor waits for the program, and whether
  // that runs, pauses or wakes up then takes nothing from the calls. Any thread.
  void slept(Clock::duration before, Clock::duration after);
  // Whether, of late, they have run for a good part of the executor's time: then a processor is
  // theirs. Not so before the first waits. Any thread.
  bool large() const { return large_.load(std::memory_order_relaxed); }

  static constexpr double kLarge = 0.4;  // of the executor's time; from there on it is large
  static constexpr double kSmall = 0.25;
  static constexpr std::chrono::milliseconds kWindow{50};  // the shortest such time that is judged

 private:
  std::mutex mutex_;         // guards the next two
  Clock::duration begin_{};  // of the working time that is judged
  Clock::duration slept_{};  // in it
  std::atomic<bool> large_{false};
};

}  // namespace trireme::record
