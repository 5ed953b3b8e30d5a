// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/segment/program_maker.h"

#include <c10/util/thread_name.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <exception>
#include <mutex>
#include <utility>

#include "trireme/base/code_pages.h"

namespace trireme::run {
namespace {

// The program's own threads go first: where all cores are busy, this one and the process that it
// starts get a tenth of one.
constexpr int kNice = 10;

void lower_priority() {
  // On Linux a thread has a nice value of its own.
  const auto thread = static_cast<id_t>(::syscall(SYS_gettid));
  static_cast<void>(::setpriority(PRIO_PROCESS, thread, kNice));
}

// After so long a program is past its imports, and giving back their code costs it little: what it
// runs is mapped again within about a millisecond.
constexpr std::chrono::milliseconds kStart{50};

// What is nice to have is made when this many times the time that making has taken so far has
// passed: all of it then takes at most a fifth of the time of one processor.
constexpr int kRest = 4;

void release_code_of_imports() {
  static std::once_flag once;
  std::call_once(once, [] {
    base::release_code_pages({"libtorch_cpu.so", "libtorch_python.so", "_C.cpython"});
  });
}

}  // namespace

ProgramMaker::ProgramMaker(MakeProgram make)
    : make_(std::move(make)), thread_([this] { loop(); }) {}

ProgramMaker::~ProgramMaker() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  set_share(1);
  wakes_.notify_one();
  thread_.join();
}

void ProgramMaker::ask(ProgramRequest request, std::shared_ptr<ProgramSlot> slot) {
  slot->ask();
  pending_.fetch_add(1, std::memory_order_relaxed);
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back({std::move(request), std::move(slot)});
  }
  wakes_.notify_one();
}

bool ProgramMaker::rested() const {
  return pending() == 0 && Clock::now() >= rested_at_.load(std::memory_order_relaxed);
}

std::map<std::string, uint64_t> ProgramMaker::refused() {
  const std::lock_guard lock(mutex_);
  return refused_;
}

void ProgramMaker::note_refusal(const std::string& why) {
  const std::lock_guard lock(mutex_);
  if (refused_.size() < kRefusals || refused_.contains(why)) ++refused_[why];
}

bool ProgramMaker::take(Job& job) {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (!jobs_.empty()) {
      if (Clock::now() >= held_until_) break;
      wakes_.wait_until(lock,
                        Clock::time_point(held_until_));  // of its own: it may change meanwhile
      continue;
    }
    if (counted_) counted_->set_busy(false);
    if (counted_.has_value() == program_busy_) {
      wakes_.wait(lock);
    } else if (program_busy_) {
      counted_.emplace();
    } else {
      counted_.reset();
    }
  }
  if (stopping_) return false;
  job = std::move(jobs_.front());
  jobs_.pop_front();
  return true;
}

void ProgramMaker::count(bool busy) {
  if (!busy) return counted_.reset();
  if (!counted_) counted_.emplace();
  counted_->set_busy(true);
}

void ProgramMaker::loop() {
  c10::setThreadName("trireme-compile");
  lower_priority();
  {
    std::unique_lock lock(mutex_);
    wakes_.wait_for(lock, kStart, [&] { return stopping_ || !jobs_.empty(); });
    if (stopping_) return;
  }
  release_code_of_imports();
  Clock::duration spent{};  // on all programs
  pace_.begin();
  for (Job job; take(job); job = {}) {
    count(true);
    job.request.pace = &pace_;
    const auto begin = Clock::now();
    const auto rested = pace_.rested();
    try {
      job.slot->fill(make_(job.request));
    } catch (const std::exception& reason) {
      note_refusal(reason.what());
      job.slot->refuse(reason.what());
    }
    const auto end = Clock::now();
    spent += end - begin - (pace_.rested() - rested);
    rested_at_.store(end + kRest * spent, std::memory_order_relaxed);
    pending_.fetch_sub(1, std::memory_order_release);
    pace_.rest();
  }
  counted_.reset();  // by the thread that is counted
}

}  // namespace trireme::run
