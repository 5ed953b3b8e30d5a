// SPDX-License-Identifier: Apache-2.0
// The bounded queue between the recorder (many threads, one at a time under the recorder's lock)
// and the executor (one thread). A ring of calls that are filled and run in place.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "trireme/record/call.h"
#include "trireme/record/processor_of.h"
#include "trireme/record/program_share.h"
#include "trireme/record/spin.h"
#include "trireme/record/work_clock.h"

namespace trireme::record {

// Called around a wait that may be long, on the waiting thread.
struct WaitHooks {
  // Gives up what others need to make progress (the GIL); returns what `leave` needs to take it
  // back.
  void* (*enter)() = nullptr;
  void (*leave)(void* state) = nullptr;
  // Called every 50 ms of a wait, between enter and leave; true when the wait must end (Ctrl-C was
  // pressed).
  bool (*interrupted)() = nullptr;
  // Throws what stands for the interrupt; called after leave.
  void (*raise_interrupt)() = nullptr;
};

class CallQueue {
 public:
  explicit CallQueue(size_t capacity);  // rounded up to a power of two

  // --- recorder, under its lock ---
  uint64_t next_number() const { return appended_.load(std::memory_order_relaxed) + 1; }
  bool full() {
    if (!may_be_full()) return false;
    known_executed_.store(executed(), std::memory_order_release);
    return may_be_full();
  }
  // The slot of the next call; not full().
  Call& next() { return ring_[next_number() & mask_]; }
  // Publishes the slot.
  void append();
  // The item that is appended next begins a segment: the program has waited for a value. Any
  // thread.
  void cut_next() { cut_next_.store(true, std::memory_order_relaxed); }

  // --- any thread ---
  uint64_t appended() const { return appended_.load(std::memory_order_acquire); }
  uint64_t executed() const { return executed_.load(std::memory_order_acquire); }
  // Returns when the call has run. Throws when the wait was interrupted, which only an
  // interruptible one can be.
  void wait(uint64_t number, bool interruptible = true);
  // Whether full() must be asked: the executor's own count is a cache line that it keeps writing.
  bool may_be_full() const {
    return next_number() - known_executed_.load(std::memory_order_acquire) > ring_.size();
  }
  // Whether the call has run; looks at the executor's count.
  bool has_executed(uint64_t number) {
    const uint64_t done = executed();
    known_executed_.store(done, std::memory_order_release);
    return number <= done;
  }
  // The same without that look: may say no of one that has just run.
  bool surely_executed(uint64_t number) const {
    return number <= known_executed_.load(std::memory_order_acquire);
  }
  // Tells the executor that the program will not go on before the call has run: it must not hold
  // calls back to see what follows. Part of `wait`.
  void demand(uint64_t number);
  // Waits until half of the queue is free, if it is full.
  void wait_for_space(bool interruptible = true);
  void set_wait_hooks(WaitHooks hooks) { hooks_ = hooks; }
  size_t capacity() const { return ring_.size(); }
  uint64_t waits() const { return waits_.load(std::memory_order_relaxed); }
  const ProgramShare& program_share() const { return program_share_; }

  // --- executor ---
  // The next call, or null when `stop` was called and nothing is left. Blocks while the queue is
  // empty.
  Call* front();
  // The call `ahead` places behind the front (0: the front itself), for an executor that holds
  // calls back. Blocks until it is there or, giving null, until the program waits for a call before
  // it, or `stop` was called.
  Call* peek(uint64_t ahead);
  // Stands while `peek` waits, and before its first call has come.
  const WorkClock& executor_clock() const { return executor_clock_; }
  // The call from `front` has run.
  void pop();
  // Makes `front` return null once the queue is empty; until `restart`.
  void stop();
  void restart() { stopping_.store(false, std::memory_order_relaxed); }

 private:
  void wake_executor();
  Call* wait_for(uint64_t number);
  void executor_woke(Spin::Clock::time_point slept_from);
  // Whether there is a call number `number`, or nothing to hold back for.
  bool arrived(uint64_t number) const {
    return appended_.load(std::memory_order_seq_cst) >= number;
  }
  bool must_run(uint64_t number) const {
    return demanded_.load(std::memory_order_seq_cst) > executed_.load(std::memory_order_relaxed) &&
           appended_.load(std::memory_order_seq_cst) < number;
  }

  std::vector<Call> ring_;
  uint64_t mask_;
  bool asymmetric_;  // the kernel has membarrier: see append
  WaitHooks hooks_;
  alignas(64) std::atomic<uint64_t> appended_{0};
  ProcessorOf program_on_;                   // the thread that appended last
  std::atomic<uint64_t> known_executed_{0};  // at least so many have run
  alignas(64) std::atomic<uint64_t> executed_{0};
  ProcessorOf executor_on_;
  uint64_t known_appended_ = 0;  // the executor's: at least so many are there
  WorkClock executor_clock_;
  alignas(64) std::atomic<bool> executor_sleeps_{false};
  std::atomic<uint64_t> wake_at_{UINT64_MAX};  // smallest number that a sleeping thread waits for
  std::atomic<uint64_t> demanded_{0};          // largest number that a thread has waited for
  std::atomic<bool> cut_next_{false};
  std::atomic<uint64_t> waits_{0};
  std::atomic<bool> stopping_{false};
  Spin executor_spin_;
  Spin program_spin_;
  ProgramShare program_share_;
  std::mutex mutex_;
  std::condition_variable executor_wakes_;
  std::condition_variable waiter_wakes_;
};

}  // namespace trireme::record
