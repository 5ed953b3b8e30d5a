// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/call_queue.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bit>
#include <chrono>

#include "trireme/record/openmp_team.h"

namespace trireme::record {
namespace {

bool membarrier(int command) { return ::syscall(SYS_membarrier, command, 0, 0) == 0; }

// Asks for the lines of a call before they are needed: they were last in the other core's cache.
void prefetch(const Call& call) {
  const auto* bytes = reinterpret_cast<const char*>(&call);
  for (size_t line = 0; line < sizeof(Call); line += 64) __builtin_prefetch(bytes + line);
}

}  // namespace

CallQueue::CallQueue(size_t capacity)
    : ring_(std::bit_ceil(capacity)),
      mask_(ring_.size() - 1),
      asymmetric_(membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)) {}

void CallQueue::append() {
  const uint64_t number = next_number();
  Call& call = ring_[number & mask_];
  call.number = number;
  program_on_.runs();
  call.cut = cut_next_.load(std::memory_order_relaxed) && cut_next_.exchange(false);
  // Between this store and the look at executor_sleeps_ there must be a full fence, as on the
  // executor's side: one of the two sees the other. That fence would wait for the cache line that
  // the executor polls, on every call; so the executor, which sleeps rarely, fences for both.
  if (asymmetric_) {
    appended_.store(number, std::memory_order_release);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (executor_sleeps_.load(std::memory_order_relaxed)) wake_executor();
  } else {
    appended_.store(number, std::memory_order_seq_cst);
    if (executor_sleeps_.load(std::memory_order_seq_cst)) wake_executor();
  }
  prefetch(ring_[(number + 2) & mask_]);
}

void CallQueue::wake_executor() {
  const std::lock_guard lock(mutex_);
  executor_sleeps_.store(false, std::memory_order_relaxed);
  executor_wakes_.notify_one();
}

void CallQueue::wait_for_space(bool interruptible) {
  const uint64_t last = appended();
  if (last - executed() >= ring_.size()) wait(last - ring_.size() / 2, interruptible);
  known_executed_.store(executed(), std::memory_order_release);
}

Call* CallQueue::front() {
  const uint64_t number = executed_.load(std::memory_order_relaxed) + 1;
  // What was there at the last look is run before the next: each look takes the cache line from the
  // recording thread.
  if (number < known_appended_) prefetch(ring_[(number + 1) & mask_]);
  if (number <= known_appended_) return &ring_[number & mask_];
  const bool there = executor_spin_.until(
      [&] {
        known_appended_ = appended_.load(std::memory_order_acquire);
        return number <= known_appended_;
      },
      [&] { return program_on_.is_here(); });
  if (there) return &ring_[number & mask_];
  const Spin::Clock::time_point start = Spin::Clock::now();
  executor_on_.sleeps();
  std::unique_lock lock(mutex_);
  while (true) {
    executor_sleeps_.store(true, std::memory_order_seq_cst);
    if (asymmetric_) membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
    if (appended_.load(std::memory_order_seq_cst) >= number) break;
    if (stopping_.load(std::memory_order_relaxed)) return nullptr;
    executor_wakes_.wait(lock);
  }
  executor_woke(start);
  return &ring_[number & mask_];
}

void CallQueue::executor_woke(Spin::Clock::time_point slept_from) {
  executor_sleeps_.store(false, std::memory_order_relaxed);
  executor_on_.runs();
  executor_spin_.slept(slept_from);
}

Call* CallQueue::peek(uint64_t ahead) {
  const uint64_t number = executed_.load(std::memory_order_relaxed) + 1 + ahead;
  if (number <= known_appended_) return &ring_[number & mask_];
  executor_clock_.stands(WorkClock::Clock::now());
  Call* call = wait_for(number);
  executor_clock_.runs(WorkClock::Clock::now());
  return call;
}

Call* CallQueue::wait_for(uint64_t number) {
  const bool over = executor_spin_.until(
      [&] {
        known_appended_ = appended_.load(std::memory_order_acquire);
        return number <= known_appended_ || must_run(number);
      },
      [&] { return program_on_.is_here(); });
  if (over) return number <= known_appended_ ? &ring_[number & mask_] : nullptr;
  const Spin::Clock::time_point start = Spin::Clock::now();
  executor_on_.sleeps();
  std::unique_lock lock(mutex_);
  while (true) {
    executor_sleeps_.store(true, std::memory_order_seq_cst);
    if (asymmetric_) membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
    if (arrived(number)) break;
    if (stopping_.load(std::memory_order_relaxed) || must_run(number)) {
      executor_woke(start);
      return nullptr;
    }
    executor_wakes_.wait(lock);
  }
  executor_woke(start);
  return &ring_[number & mask_];
}

void CallQueue::demand(uint64_t number) {
  uint64_t known = demanded_.load(std::memory_order_relaxed);
  while (known < number &&
         !demanded_.compare_exchange_weak(known, number, std::memory_order_seq_cst)) {
  }
  if (executor_sleeps_.load(std::memory_order_seq_cst)) wake_executor();
}

void CallQueue::pop() {
  executor_on_.runs();
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
  if (has_executed(number)) return;
  waits_.fetch_add(1, std::memory_order_relaxed);
  demand(number);
  if (program_spin_.until([&] { return has_executed(number); },
                          [&] { return executor_on_.may_be_here(); })) {
    return;
  }
  const Spin::Clock::time_point start = Spin::Clock::now();
  const WorkClock::Clock::duration worked = executor_clock_.now();
  void* state = hooks_.enter != nullptr ? hooks_.enter() : nullptr;
  release_openmp_team();
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
  program_spin_.slept(start);
  program_share_.slept(worked, executor_clock_.now());
  if (hooks_.leave != nullptr) hooks_.leave(state);
  if (interrupted) hooks_.raise_interrupt();
  has_executed(number);
}

}  // namespace trireme::record
