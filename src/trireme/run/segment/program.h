// SPDX-License-Identifier: Apache-2.0
// What runs a whole segment.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string>

#include "trireme/run/segment/segment_log.h"

namespace trireme::run {

class Program {
 public:
  Program() = default;
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  virtual ~Program() = default;

  // Whether it is right for these values of the calls' numbers.
  virtual bool accepts(const SegmentLog& log) const = 0;
  // Runs it: `log` has the segment's calls with this time's values, `storages` are the log's.
  // Leaves the values of all storages that did not die. Errors of a call are left in the storages
  // that it and its dependents should have written; `failed` is the number of the call, or none.
  virtual void run(const SegmentLog& log, std::span<record::VirtualStorage* const> storages) = 0;
};

// Where the compiler's thread leaves a program for the executor's.
class ProgramSlot {
 public:
  enum class State : uint8_t { None, Asked, Ready, Refused };

  State state() const { return state_.load(std::memory_order_acquire); }
  bool ready() const { return state() == State::Ready; }
  void ask() { state_.store(State::Asked, std::memory_order_relaxed); }
  void fill(std::unique_ptr<Program> program) {
    program_ = std::move(program);
    state_.store(State::Ready, std::memory_order_release);
  }
  void refuse(const std::string& why) {
    why_ = why;
    state_.store(State::Refused, std::memory_order_release);
  }
  Program& program() const { return *program_; }   // when ready
  const std::string& why() const { return why_; }  // when refused

 private:
  std::atomic<State> state_{State::None};
  std::unique_ptr<Program> program_;
  std::string why_;
};

}  // namespace trireme::run
