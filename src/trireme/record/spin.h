// SPDX-License-Identifier: Apache-2.0
// Spinning for what another thread is about to do, before sleeping until it has done it.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>

namespace trireme::record {

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// A sleep and a wake take about 10 us on bare metal and up to 100 us in a virtual machine, where an
// idle processor has to be started again. A program that reads a value every few operations would
// pay that each time, twice. So waits that have been short are spun through; where they have been
// long, a thread sleeps after a little spinning and leaves the processor to those that compute.
class Spin {
 public:
  using Clock = std::chrono::steady_clock;

  // Spins until `done()`, and true; false: it is time to sleep. Any number of threads. Gives up its
  // turn on the processor while `in_the_way()`, of what it spins for.
  template <class Done, class InTheWay>
  bool until(Done done, InTheWay in_the_way) {
    for (int spin = 0; spin < kAlways; ++spin) {
      if (done()) {
        if (spin != 0) note(0);
        return true;
      }
      relax();
    }
    if (expected() > kWorthNanoseconds || alone_) return false;
    const Clock::time_point start = Clock::now();
    while (true) {
      if (in_the_way()) std::this_thread::yield();
      for (int spin = 0; spin < kBetweenLooks; ++spin) {
        if (done()) {
          note(since(start));
          return true;
        }
        relax();
      }
      if (since(start) > kMostNanoseconds) return false;
    }
  }

  template <class Done>
  bool until(Done done) {
    return until(done, [] { return false; });
  }

  // After `until` gave up: how long it took from then on, asleep.
  void slept(Clock::time_point from) { note(since(from)); }

  int64_t expected() const { return expected_.load(std::memory_order_relaxed); }

  static constexpr int64_t kWorthNanoseconds = 150'000;  // of waits, on average
  static constexpr int64_t kMostNanoseconds = 100'000;   // of one spin

 private:
  // About 20 us: longer than the gap between two recorded calls.
  static constexpr int kAlways = 600;
  static constexpr int kBetweenLooks = 32;
  static constexpr int64_t kLong = 1'000'000;  // longer ones tell no more

  static int64_t since(Clock::time_point start) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count();
  }

  // A moving average; lost updates of other threads do no harm.
  void note(int64_t nanoseconds) {
    const int64_t known = expected();
    expected_.store(known + (std::min(nanoseconds, kLong) - known) / 8, std::memory_order_relaxed);
  }

  const bool alone_ = std::thread::hardware_concurrency() < 2;
  std::atomic<int64_t> expected_{0};
};

}  // namespace trireme::record
