// SPDX-License-Identifier: Apache-2.0
// Makes programs of segments on a thread of its own.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "trireme/record/openmp_team.h"
#include "trireme/run/segment/program.h"

namespace trireme::run {

// Throws std::exception where no program can be made; what() is kept as the reason.
using MakeProgram = std::function<std::unique_ptr<Program>(const ProgramRequest& request)>;

class ProgramMaker {
 public:
  using Clock = std::chrono::steady_clock;

  explicit ProgramMaker(MakeProgram make);
  ~ProgramMaker();
  ProgramMaker(const ProgramMaker&) = delete;
  ProgramMaker& operator=(const ProgramMaker&) = delete;

  // Returns at once; `slot` is filled, or refuses, later.
  void ask(ProgramRequest request, std::shared_ptr<ProgramSlot> slot);
  // How many were asked for and are neither made nor refused yet. Any thread.
  uint64_t pending() const { return pending_.load(std::memory_order_acquire); }
  // Whether it has been idle for long, compared with the time that it has spent on programs: there
  // is time for one that the program can do without. Any thread.
  bool rested() const;
  // Why programs were not made, and how many; of the first kRefusals reasons. Any thread.
  std::map<std::string, uint64_t> refused();
  static constexpr size_t kRefusals = 64;
  // Of the time, the part in which it may work. Any thread.
  void set_share(double share) { pace_.set_share(share); }
  // No program is begun before this time. One thread.
  void hold_until(Clock::time_point time) { tell(held_until_, time); }
  // Whether the program keeps a processor busy: OpenMP's teams then sleep while they wait, as they
  // do while a program is made (record::CountedByOpenMp). One thread.
  void set_program_busy(bool busy) { tell(program_busy_, busy); }

 private:
  struct Job {
    ProgramRequest request;
    std::shared_ptr<ProgramSlot> slot;
  };

  // Sets what only this function changes, on one thread: it alone reads it without the mutex.
  template <class T>
  void tell(T& what, T value) {
    if (what == value) return;
    {
      const std::lock_guard lock(mutex_);
      what = value;
    }
    wakes_.notify_one();
  }
  void loop();
  // Whether its thread counts as one that keeps a processor busy.
  void count(bool busy);
  void note_refusal(const std::string& why);
  // Waits for a job; false: to stop.
  bool take(Job& job);

  MakeProgram make_;
  std::mutex mutex_;
  std::condition_variable wakes_;
  std::deque<Job> jobs_;
  std::map<std::string, uint64_t> refused_;
  bool stopping_ = false;
  bool program_busy_ = false;
  Clock::time_point held_until_ = Clock::time_point::min();
  std::atomic<uint64_t> pending_{0};
  std::atomic<Clock::time_point> rested_at_{Clock::time_point::min()};  // if nothing is asked for
  base::Pace pace_{[this](bool sleeps) { count(!sleeps); }};
  std::optional<record::CountedByOpenMp> counted_;  // the maker's thread
  std::thread thread_;
};

}  // namespace trireme::run
