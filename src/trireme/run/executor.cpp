// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/executor.h"

#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <c10/util/Exception.h>
#include <c10/util/thread_name.h>
#include <pthread.h>

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
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

// What verify mode holds against the reference executor: compiled code where the program asks for
// it, else the interpreter.
const compile::Compiler* compiler_to_verify() {
  return base::env_string("TRIREME_COMPILE") == "1" ? &load_compiler() : nullptr;
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
    if (maker_ != nullptr) counters.programs_pending = maker_->pending();
    return counters;
  }

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
    } else if (const auto compile = base::env_string("TRIREME_COMPILE"); compile == "interpret") {
      run_followed(warnings, make_interpreted_program);
    } else if (compile == "1") {
      run_followed(warnings, make_compiled_program);
    } else {
      run_each(warnings);
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
    ReferenceExecutor executor;
    record::recorder().queue_releases(true);
    ProgramMaker maker(make);
    SegmentRunner runner(record::recorder().queue(), maker,
                         static_cast<size_t>(base::env_int("TRIREME_INTERVAL", 64)),
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

  void use_maker(const ProgramMaker* maker) {
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
    HeldCalls held(queue, static_cast<size_t>(base::env_int("TRIREME_INTERVAL", 1)));
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
    const std::string difference = verifier_->after(held.log(), held.storages());
    if (difference.empty()) return;
    const LoggedCall& last = held.log().calls().back();
    record::recorder().note_error(record::make_call_error(
        Error("TRIREME_VERIFY: the compiler's graph gives other values: " + difference),
        *last.form->op, last.site));
  }

  std::mutex mutex_;
  std::unique_ptr<Verifier> verifier_ =
      base::env_flag("TRIREME_VERIFY") ? std::make_unique<Verifier>(compiler_to_verify()) : nullptr;
  std::unique_ptr<std::thread> thread_;
  std::mutex counters_mutex_;  // guards the next two
  const ProgramMaker* maker_ = nullptr;
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
bool in_bad_fork() { return executor().forked(); }

}  // namespace trireme::run
