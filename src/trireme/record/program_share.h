// SPDX-License-Identifier: Apache-2.0
// How much of the time in which the executor works the program's threads run, too; it sees only
// their calls.
#pragma once

#include <atomic>
#include <chrono>
#include <mutex>

namespace trireme::record {

class ProgramShare {
 public:
  using Clock = std::chrono::steady_clock;

  explicit ProgramShare(Clock::time_point now = Clock::now()) : begin_(now) {}

  // A thread of the program has slept so long, waiting for calls; and the executor has, in all
  // until then, waited so long for the program: whether that runs or pauses then takes nothing from
  // the calls. Any thread.
  void slept(Clock::time_point from, Clock::time_point to, Clock::duration executor_waited);
  // Whether, of late, they have run for a good part of the executor's time: then a processor is
  // theirs. Not so before the first waits. Any thread.
  bool large() const { return large_.load(std::memory_order_relaxed); }

  static constexpr double kLarge = 0.4;  // of the executor's time; from there on it is large
  static constexpr double kSmall = 0.25;
  static constexpr std::chrono::milliseconds kWindow{50};  // the shortest such time that is judged

 private:
  std::mutex mutex_;  // guards the next three
  Clock::time_point begin_;
  Clock::duration slept_{};
  Clock::duration executor_waited_{};  // until `begin_`
  std::atomic<bool> large_{false};
};

}  // namespace trireme::record
