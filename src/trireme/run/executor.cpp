// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/executor.h"

#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <c10/util/Exception.h>
#include <c10/util/thread_name.h>
#include <pthread.h>

#include <atomic>
#include <charconv>
#include <chrono>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "trireme/base/env.h"
#include "trireme/base/errors.h"
#include "trireme/record/openmp_team.h"
#include "trireme/record/recorder.h"
#include "trireme/run/alloc/c10_adapter.h"
#include "trireme/run/alloc/host_allocator.h"
#include "trireme/run/reference_executor.h"
#include "trireme/run/segment/compiled_program.h"
#include "trireme/run/segment/compiler_library.h"
#include "trireme/run/segment/held_calls.h"
#include "trireme/run/segment/interpreted_program.h"
#include "trireme/run/segment/segment_runner.h"
#include "trireme/run/verify/verifier.h"

namespace trireme::run {
namespace {

// Warnings of the call that runs; they are the program's thread's to issue.
class CallWarnings final : public c10::WarningHandler {
 public:
  void process(const c10::Warning& warning) override { raised_.push_back(warning); }

  void hand_over(record::Call& call) {
    if (raised_.empty()) [[likely]]
      return;
    if (call.completion != nullptr) {
      call.completion->warnings = std::move(raised_);
    } else if (call.form != nullptr) {
      for (const c10::Warning& warning : raised_) {
        record::recorder().warnings().keep(warning, *call.form->op, call.site);
      }
    }
    raised_.clear();
  }

 private:
  std::vector<c10::Warning> raised_;
};

enum class Compiling : uint8_t { Off, Interpreted, On };

// TRIREME_COMPILE: 1, 0, or `interpret`; unset: 1 where the compiler is installed, and the program
// does not stop at each call.
Compiling compiling() {
  const auto text = base::env_string("TRIREME_COMPILE");
  if (!text) {
    const bool on = compiler_installed() && !base::env_flag("TRIREME_SYNC");
    return on ? Compiling::On : Compiling::Off;
  }
  if (*text == "interpret") return Compiling::Interpreted;
  return base::env_flag("TRIREME_COMPILE") ? Compiling::On : Compiling::Off;
}

// Calls of a segment at most, 0: as many as come before the program waits; and whether that grows.
struct Interval {
  size_t calls = 64;
  Growth growth = Growth::WhenItPays;
};

// TRIREME_INTERVAL: N, or N+, which grows at once.
Interval interval() {
  const auto text = base::env_string("TRIREME_INTERVAL");
  if (!text) return {};
  const bool grows = text->ends_with('+');
  const std::string digits = text->substr(0, text->size() - (grows ? 1 : 0));
  Interval interval{0, grows ? Growth::AtOnce : Growth::None};
  const char* end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data(), end, interval.calls);
  if (read.ec != std::errc() || read.ptr != end) {
    throw std::invalid_argument("TRIREME_INTERVAL=" + *text +
                                ": expected a number of calls, N or N+");
  }
  if (interval.calls == 0) interval.calls = std::numeric_limits<size_t>::max();
  return interval;
}

// What verify mode holds against the reference executor: compiled code, or the interpreter.
const compile::Compiler* compiler_to_verify() {
  return compiling() == Compiling::On ? &load_compiler() : nullptr;
}

class Executor {
 public:
  void ensure() {
    if (running_.load(std::memory_order_acquire)) [[likely]]
      return;
    start();
  }

  void stop(bool abandon) {
    const std::lock_guard lock(mutex_);
    if (!thread_) return;
    abandon_.store(abandon);
    record::recorder().queue().stop();
    thread_->join();
    thread_.reset();
    record::recorder().set_alive(false);
    running_.store(false);
  }

  std::map<std::string, OpVerification> verified() const {
    return verifier_ ? verifier_->report() : std::map<std::string, OpVerification>();
  }

  SegmentCounters segments() {
    const std::lock_guard lock(counters_mutex_);
    SegmentCounters counters = counters_;
    if (maker_ != nullptr) {
      counters.programs_pending = maker_->pending();
      counters.compiler_rested = maker_->rested() ? 1 : 0;
      counters.refused = maker_->refused();
    }
    return counters;
  }

  bool compiles() const { return compiling_ != Compiling::Off; }
  bool forked() const { return forked_.load(std::memory_order_relaxed); }

  // Runs what is pending: a lock that a kernel holds (of a static's initialisation, of a library)
  // would stay locked in the child for ever. Polls, since a wait would give up the GIL within
  // fork().
  void before_fork() {
    if (!running_.load()) return;
    record::CallQueue& queue = record::recorder().queue();
    const uint64_t last = queue.appended();
    queue.demand(last);
    while (queue.executed() < last) std::this_thread::sleep_for(std::chrono::microseconds(100));
  }

  void after_fork_in_child() {
    if (!running_.load()) return;
    forked_.store(true);
    running_.store(false);
    record::recorder().set_alive(false);
    static_cast<void>(
        thread_.release());  // the thread is not in this process; its handle is leaked on purpose
  }

 private:
  void start() {
    TORCH_CHECK(!forked(),
                "Cannot re-initialize trireme in forked subprocess. To use trireme with "
                "multiprocessing, you must "
                "use the 'spawn' start method");
    const std::lock_guard lock(mutex_);
    if (running_.load()) return;
    abandon_.store(false);
    record::recorder().queue().restart();
    record::recorder().set_alive(true);
    record::release_openmp_team();
    thread_ = std::make_unique<std::thread>([this] { loop(); });
    running_.store(true, std::memory_order_release);
  }

  void loop() {
    c10::setThreadName("trireme-run");
    at::init_num_threads();
    const HostAllocatorScope memory;
    const at::AutoDispatchBelowADInplaceOrView below;
    CallWarnings warnings;
    const c10::WarningUtils::WarningHandlerGuard handler(&warnings);
    if (verifier_) {
      run_verified(warnings);
    } else if (compiling_ == Compiling::Off) {
      run_each(warnings);
    } else {
      run_followed(warnings,
                   compiling_ == Compiling::On ? make_compiled_program : make_interpreted_program);
    }
  }

  void run_each(CallWarnings& warnings) {
    ReferenceExecutor executor;
    record::CallQueue& queue = record::recorder().queue();
    while (record::Call* call = queue.front()) {
      run(*call, executor, warnings);
      call->clear();
      queue.pop();
    }
  }

  void run_followed(CallWarnings& warnings, const MakeProgram& make) {
    // Compiled code has other bits anyway.
    ReferenceExecutor executor(compiling_ == Compiling::On ? Threads::AsItPays : Threads::AsEager);
    record::recorder().queue_releases(true);
    ProgramMaker maker(make);
    SegmentRunner runner(record::recorder().queue(), maker, interval_.calls, interval_.growth,
                         [&](record::Call& call) { run(call, executor, warnings); });
    use_maker(&maker);
    uint64_t told = 0;
    while (runner.step()) {
      const SegmentCounters& now = runner.counters();
      if (now.segments + now.diverged == told) continue;
      told = now.segments + now.diverged;
      const std::lock_guard lock(counters_mutex_);
      counters_ = now;
    }
    use_maker(nullptr);
  }

  void use_maker(ProgramMaker* maker) {
    const std::lock_guard lock(counters_mutex_);
    maker_ = maker;
  }

  void run(record::Call& call, ReferenceExecutor& executor, CallWarnings& warnings) {
    const bool runs = !abandon_.load(std::memory_order_relaxed) || call.completion != nullptr ||
                      call.kind != record::Call::Kind::Op;
    if (runs) executor.run(call);
    warnings.hand_over(call);
  }

  void run_verified(CallWarnings& warnings) {
    ReferenceExecutor executor;
    record::CallQueue& queue = record::recorder().queue();
    HeldCalls held(queue, base::env_string("TRIREME_INTERVAL") ? interval_.calls : 1);
    while (held.gather()) {
      const bool verifies = !held.log().calls().empty() && !abandon_.load();
      if (verifies) verifier_->before(held.log(), held.storages());
      const auto run_items = [&](bool releases) {
        for (size_t i = 0; i < held.size(); ++i) {
          record::Call& call = held.item(i);
          if ((call.kind == record::Call::Kind::Release) == releases) run(call, executor, warnings);
        }
      };
      run_items(/*releases=*/false);
      if (verifies) verify(held);
      run_items(/*releases=*/true);
      for (size_t i = 0; i < held.size(); ++i) {
        queue.front()->clear();
        queue.pop();
      }
      held.clear();
    }
  }

  void verify(HeldCalls& held) {
    std::string difference = verifier_->after(held.log(), held.storages());
    if (difference.empty()) return;
    std::vector<const record::Call*> calls;
    for (size_t i = 0; i < held.size(); ++i) calls.push_back(&held.item(i));
    try {
      const std::string file = verifier_->dump(held.log(), held.storages(), calls);
      if (!file.empty()) difference += "; `trireme replay --verify " + file + "` shows it again";
    } catch (const std::exception& error) {
      difference += std::string("; no recording of it: ") + error.what();
    }
    const LoggedCall& last = held.log().calls().back();
    record::recorder().note_error(record::make_call_error(
        Error("TRIREME_VERIFY: the compiler's graph gives other values: " + difference),
        *last.form->op, last.site));
  }

  std::mutex mutex_;
  const Compiling compiling_ = compiling();
  const Interval interval_ = interval();
  std::unique_ptr<Verifier> verifier_ =
      base::env_flag("TRIREME_VERIFY") ? std::make_unique<Verifier>(compiler_to_verify()) : nullptr;
  std::unique_ptr<std::thread> thread_;
  std::mutex counters_mutex_;  // guards the next two
  ProgramMaker* maker_ = nullptr;
  SegmentCounters counters_;
  std::atomic<bool> running_{false};
  std::atomic<bool> abandon_{false};
  std::atomic<bool> forked_{false};
};

Executor& executor() {
  static auto* instance = [] {
    auto* made = new Executor;  // never freed: tensors may be dropped while the process exits
    // Its handlers first: they run last, and take locks that what is pending needs.
    HostAllocator::instance();
    ::pthread_atfork([] { executor().before_fork(); }, nullptr,
                     [] { executor().after_fork_in_child(); });
    return made;
  }();
  return *instance;
}

}  // namespace

void ensure_executor() { executor().ensure(); }
void stop_executor(bool abandon) { executor().stop(abandon); }
SegmentCounters segment_counters() { return executor().segments(); }
std::map<std::string, OpVerification> verification_report() { return executor().verified(); }
bool compiles() { return executor().compiles(); }
bool in_bad_fork() { return executor().forked(); }

}  // namespace trireme::run
