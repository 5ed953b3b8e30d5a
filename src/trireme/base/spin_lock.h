// SPDX-License-Identifier: Apache-2.0
// A lock for critical sections of a few nanoseconds.
#pragma once

#include <sched.h>

#include <atomic>

namespace trireme::base {

// Half the price of std::mutex, whose unlock is a second locked instruction. A waiter yields after
// a short spin: on a machine with few cores the holder may have been preempted.
class SpinLock {
 public:
  void lock() noexcept {
    if (!held_.exchange(true, std::memory_order_acquire)) return;
    wait();
  }
  void unlock() noexcept { held_.store(false, std::memory_order_release); }

 private:
  void wait() noexcept {
    for (;;) {
      for (int spin = 0; spin < 64; ++spin) {
        if (!held_.load(std::memory_order_relaxed) &&
            !held_.exchange(true, std::memory_order_acquire)) {
          return;
        }
        pause();
      }
      sched_yield();
    }
  }
  static void pause() noexcept {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }

  std::atomic<bool> held_{false};
};

}  // namespace trireme::base
