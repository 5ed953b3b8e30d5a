// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/call_queue.h"

#include <bit>
#include <chrono>

namespace trireme::record {
namespace {

// About 20 us: longer than the gap between two recorded calls, shorter than what a sleep and a wake
// cost.
constexpr int kSpins = 600;

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

CallQueue::CallQueue(size_t capacity) : ring_(std::bit_ceil(capacity)), mask_(ring_.size() - 1) {}

void CallQueue::append() {
  const uint64_t number = next_number();
  ring_[number & mask_].number = number;
  // Sequentially consistent, as is the executor's store before it looks at appended_ and sleeps:
  // one of the two sees the other.
  appended_.store(number, std::memory_order_seq_cst);
  if (executor_sleeps_.load(std::memory_order_seq_cst)) wake_executor();
}

void CallQueue::wake_executor() {
  const std::lock_guard lock(mutex_);
  executor_sleeps_.store(false, std::memory_order_relaxed);
  executor_wakes_.notify_one();
}

void CallQueue::wait_for_space(bool interruptible) {
  const uint64_t last = appended();
  if (last - executed() >= ring_.size()) wait(last - ring_.size() / 2, interruptible);
  known_executed_.store(executed(), std::memory_order_relaxed);
}

Call* CallQueue::front() {
  const uint64_t number = executed_.load(std::memory_order_relaxed) + 1;
  for (int spin = 0; spin < kSpins; ++spin) {
    if (appended_.load(std::memory_order_acquire) >= number) return &ring_[number & mask_];
    relax();
  }
  std::unique_lock lock(mutex_);
  while (true) {
    executor_sleeps_.store(true, std::memory_order_seq_cst);
    if (appended_.load(std::memory_order_seq_cst) >= number) break;
    if (stopping_.load(std::memory_order_relaxed)) return nullptr;
    executor_wakes_.wait(lock);
  }
  executor_sleeps_.store(false, std::memory_order_relaxed);
  return &ring_[number & mask_];
}

void CallQueue::pop() {
  const uint64_t number = executed_.load(std::memory_order_relaxed) + 1;
  executed_.store(number, std::memory_order_seq_cst);
  if (wake_at_.load(std::memory_order_seq_cst) <= number) {
    const std::lock_guard lock(mutex_);
    wake_at_.store(UINT64_MAX, std::memory_order_relaxed);
    waiter_wakes_.notify_all();
  }
}

void CallQueue::stop() {
  const std::lock_guard lock(mutex_);
  stopping_.store(true, std::memory_order_relaxed);
  executor_wakes_.notify_one();
}

void CallQueue::wait(uint64_t number, bool interruptible) {
  if (executed() >= number) return;
  waits_.fetch_add(1, std::memory_order_relaxed);
  for (int spin = 0; spin < kSpins; ++spin) {
    if (executed() >= number) return;
    relax();
  }
  void* state = hooks_.enter != nullptr ? hooks_.enter() : nullptr;
  bool interrupted = false;
  {
    std::unique_lock lock(mutex_);
    while (true) {
      if (number < wake_at_.load(std::memory_order_relaxed)) {
        wake_at_.store(number, std::memory_order_seq_cst);
      }
      if (executed_.load(std::memory_order_seq_cst) >= number) break;
      if (waiter_wakes_.wait_for(lock, std::chrono::milliseconds(50)) == std::cv_status::timeout &&
          interruptible && hooks_.interrupted != nullptr) {
        lock.unlock();
        interrupted = hooks_.interrupted();
        lock.lock();
        if (interrupted) break;
      }
    }
  }
  if (hooks_.leave != nullptr) hooks_.leave(state);
  if (interrupted) hooks_.raise_interrupt();
}

}  // namespace trireme::record
