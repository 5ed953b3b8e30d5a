// SPDX-License-Identifier: Apache-2.0
// What runs a whole segment.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "trireme/base/pace.h"
#include "trireme/run/segment/fit_symbols.h"
#include "trireme/run/segment/segment_log.h"

namespace trireme::run {

class Program {
 public:
  Program() = default;
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  virtual ~Program() = default;

  // Whether it is right for these values of the calls' numbers and of its symbols.
  virtual bool accepts(const SegmentLog& log, std::span<const int64_t> symbols) const = 0;
  // Runs it: `log` has the segment's calls with this time's values, `storages` are the log's,
  // `symbols` the values of the program's symbols.
  // Leaves the values of all storages that did not die. Errors of a call are left in the storages
  // that it and its dependents should have written; `failed` is the number of the call, or none.
  virtual void run(const SegmentLog& log, std::span<record::VirtualStorage* const> storages,
                   std::span<const int64_t> symbols) = 0;
};

// Which program is wanted.
struct ProgramRequest {
  std::shared_ptr<const SegmentLog> log;
  std::vector<bool> varies;              // by value, calls laid flat: it was seen with another one
  std::shared_ptr<const SymbolFit> fit;  // for all numbers that it explains; null: for the log's
  base::Pace* pace = nullptr;            // of whoever makes it
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
    settle(State::Ready);
  }
  void refuse(const std::string& why) {
    why_ = why;
    settle(State::Refused);
  }
  // Until it is no longer asked for.
  void wait() const { state_.wait(State::Asked, std::memory_order_acquire); }
  Program& program() const { return *program_; }   // when ready
  const std::string& why() const { return why_; }  // when refused

 private:
  void settle(State state) {
    state_.store(state, std::memory_order_release);
    state_.notify_all();
  }

  std::atomic<State> state_{State::None};
  std::unique_ptr<Program> program_;
  std::string why_;
};

}  // namespace trireme::run
