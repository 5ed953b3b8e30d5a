// SPDX-License-Identifier: Apache-2.0
// On which processor a thread ran last.
#pragma once

#include <sched.h>

#include <atomic>

namespace trireme::record {

// One thread says where it runs; another, which spins for it, asks whether it is in its way: what
// ran here and is not done waits here, behind the one that spins.
class ProcessorOf {
 public:
  void runs() { processor_.store(current(), std::memory_order_relaxed); }
  // From now on it sleeps, and may wake up anywhere.
  void sleeps() { processor_.store(kUnknown, std::memory_order_relaxed); }

  bool is_here() const { return processor_.load(std::memory_order_relaxed) == current(); }
  bool may_be_here() const {
    const int known = processor_.load(std::memory_order_relaxed);
    return known == kUnknown || known == current();
  }

 private:
  static constexpr int kUnknown = -1;
  static constexpr int kNowhere = -2;  // it has not run

  // Some nanoseconds: glibc reads what the kernel keeps up to date.
  static int current() { return ::sched_getcpu(); }

  std::atomic<int> processor_{kNowhere};
};

}  // namespace trireme::record
