// SPDX-License-Identifier: Apache-2.0
// Work in the background that leaves the processors alone for a part of the time.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <utility>

namespace trireme::base {

class Pace {
 public:
  using Clock = std::chrono::steady_clock;

  // `on_rest`: told by the thread that works when it begins to sleep, and when it goes on.
  explicit Pace(std::function<void(bool sleeps)> on_rest = {}) : on_rest_(std::move(on_rest)) {}

  // Processor time that work may take, of the time: (0, 1]. At first all of it. Any thread.
  void set_share(double share) { share_.store(share, std::memory_order_relaxed); }
  double share() const { return share_.load(std::memory_order_relaxed); }

  // The thread that works:
  void begin();
  // Another process has worked for it.
  void add(std::chrono::nanoseconds work) { work_ += work; }
  // Sleeps for as long as the work since `begin`, or since the last rest, is to be paid with. A
  // larger share ends it early.
  void rest();
  Clock::duration rested() const { return rested_; }  // in all rests

 private:
  std::function<void(bool)> on_rest_;
  std::atomic<double> share_{1};
  std::chrono::nanoseconds since_{};  // on the thread's clock
  std::chrono::nanoseconds work_{};   // of others, since then
  Clock::duration rested_{};
};

// Processor time that the calling thread has taken.
std::chrono::nanoseconds thread_time();

}  // namespace trireme::base
