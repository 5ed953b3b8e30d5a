// SPDX-License-Identifier: Apache-2.0
// A clock of one thread's working time.
#pragma once

#include <atomic>
#include <chrono>

namespace trireme::record {

// Stands still until `runs` is called for the first time, and between `stands` and `runs`. One
// thread sets it; any thread reads it.
class WorkClock {
 public:
  using Clock = std::chrono::steady_clock;

  void stands(Clock::time_point now) {
    if (stands_at_.load(std::memory_order_relaxed) != kRuns) return;
    stands_at_.store(now.time_since_epoch() - stood(), std::memory_order_relaxed);
  }
  void runs(Clock::time_point now) {
    stood_.store(now.time_since_epoch() - stands_at_.load(std::memory_order_relaxed),
                 std::memory_order_relaxed);
    stands_at_.store(kRuns, std::memory_order_release);
  }

  Clock::duration now() const {
    const Clock::duration at = stands_at_.load(std::memory_order_acquire);
    return at != kRuns ? at : Clock::now().time_since_epoch() - stood();
  }
  // How much less than the time since Clock's epoch that is; of a difference: how long it stood.
  Clock::duration stood() const { return stood_.load(std::memory_order_relaxed); }

 private:
  static constexpr Clock::duration kRuns = Clock::duration::max();

  std::atomic<Clock::duration> stood_{};
  std::atomic<Clock::duration> stands_at_{};
};

}  // namespace trireme::record
