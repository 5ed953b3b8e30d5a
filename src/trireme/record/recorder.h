// SPDX-License-Identifier: Apache-2.0
// Records op calls: from the dispatcher's boxed stack to the queue, and device tensors back to the
// program.
#pragma once

#include <ATen/core/stack.h>
#include <c10/core/Allocator.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "trireme/base/spin_lock.h"
#include "trireme/record/address_space.h"
#include "trireme/record/bytes_ahead.h"
#include "trireme/record/call.h"
#include "trireme/record/call_queue.h"
#include "trireme/record/draft.h"
#include "trireme/record/form_cache.h"
#include "trireme/record/kernel_warnings.h"
#include "trireme/record/observer.h"

namespace trireme::record {

// What the recorder needs from rooms above it. All members are set before the first call is
// recorded.
struct RecorderHooks {
  // Draws from a generator (null: the device's own) for one call, and advances it.
  PhiloxState (*draw)(c10::GeneratorImpl* generator) = nullptr;
  // Makes sure that the executor is running and this thread prepared; throws in a forked child.
  void (*ensure_running)() = nullptr;
  // The device's allocator, to which storages belong.
  c10::Allocator* allocator = nullptr;
  // Runs a call that cannot be recorded as data (sparse tensors, custom ops) at once, on this
  // thread.
  void (*run_opaque)(const OpInfo& op, torch::jit::Stack* stack) = nullptr;
  // Makes a device tensor of a CPU tensor that an awaited call returned and that is not strided.
  at::Tensor (*adopt)(const at::Tensor& host) = nullptr;
};

struct Counters {
  uint64_t calls = 0;  // appended ops
  uint64_t cache_hits = 0;
  // Look-ups that found no form. A new call of an op with a typed kernel counts twice, typed and
  // boxed: so a typed kernel that reads its arguments otherwise than the boxed way never stops.
  uint64_t cache_misses = 0;
  uint64_t awaited = 0;  // calls the program waited for, misses included
  uint64_t opaque = 0;
  uint64_t waits = 0;
  uint64_t errors = 0;  // calls that failed while executing
  uint64_t forms = 0;
  uint64_t pending = 0;
};

class Recorder {
 public:
  Recorder();

  // The boxed kernel: takes the op's arguments off the stack and puts its results on it.
  void record(const OpInfo& op, torch::jit::Stack* stack);

  // The fast path, for kernels that have the arguments as C++ values: draft() gives this thread's
  // draft, into which a SignatureBuilder puts them; append_known() appends the call if its form is
  // known, or returns null, and then record() must be called. Of a known call make the outputs with
  // `Outputs`, then call finish_known().
  Draft& draft();
  const CallForm* append_known(const OpInfo& op, Draft& draft);
  void finish_known(const CallForm& form, Draft& draft);

  // A new device storage without memory. Thread-safe.
  c10::Storage make_storage(size_t nbytes);
  // The program's storage over a virtual one; gives that to it.
  c10::Storage wrap(VirtualStorage* storage);
  c10::DataPtr make_data_ptr(size_t nbytes);
  // A device tensor over a new storage that holds the memory of a CPU tensor no one else uses.
  at::Tensor adopt_dense(const at::Tensor& host);

  // The program has dropped a storage.
  void release(VirtualStorage* storage) noexcept;

  // Runs `task` on the executor's thread after all calls recorded so far, as a use (and write) of
  // `storages`. Returns its number.
  uint64_t append_task(std::function<void()> task, c10::ArrayRef<VirtualStorage*> uses = {},
                       c10::ArrayRef<VirtualStorage*> writes = {});

  // Waits until everything recorded so far has run; throws an error the program has not been told
  // of.
  void synchronize();
  // Waits until the data of the storage is there; throws if it was spoiled.
  void wait_for_data(VirtualStorage& storage);
  // Waits until no recorded call uses the storage: the caller may then read and write its memory.
  void wait_for_use(VirtualStorage& storage);
  // The caller is about to fill `bytes` of memory that the executor needs only when it has run call
  // `until`: waits until so much may be ahead of it.
  void hold_ahead(size_t bytes, uint64_t until);
  // Notes an error found while executing; synchronize() will throw it unless it is raised before.
  void note_error(std::shared_ptr<const CallError> error);
  // The first error not yet told, or null.
  std::shared_ptr<const CallError> unreported_error();

  // Adds or removes who is told of the stream; not owned.
  void add_observer(Observer* observer);
  // The same, at a moment when all that was recorded has run: the storages hold what the stream so
  // far has made.
  void add_observer_when_idle(Observer* observer);
  void remove_observer(Observer* observer);
  bool observed() const { return observed_.load(std::memory_order_relaxed); }
  // Tells the observers, in the stream's order.
  template <class Tell>
  void tell(Tell&& tell_one) {
    if (!observed()) return;
    const std::lock_guard lock(mutex_);
    for (Observer* observer : observers_) tell_one(*observer);
  }

  CallQueue& queue() { return queue_; }
  KernelWarnings& warnings() { return warnings_; }
  RecorderHooks& hooks() { return hooks_; }
  Counters counters();
  // Whether an executor runs what is appended. Without one (before start, after shutdown, in a
  // forked child) a dropped storage is freed at once.
  void set_alive(bool alive) { alive_.store(alive, std::memory_order_release); }
  bool alive() const { return alive_.load(std::memory_order_acquire); }
  // The executor is to see each release in the stream's order, though nothing pending names the
  // storage: it follows segments, of which deaths are a part.
  void queue_releases(bool all) { queue_releases_.store(all, std::memory_order_relaxed); }
  const AddressSpace& addresses() const { return addresses_; }
  // A new address for a storage that has grown to `nbytes`.
  void* take_address(size_t nbytes) { return addresses_.take(nbytes); }
  void count_opaque() { opaque_.fetch_add(1, std::memory_order_relaxed); }
  void set_sync(bool sync) { sync_ = sync; }

 private:
  bool record_known(const OpInfo& op, torch::jit::Stack* stack, Draft& draft);
  // The same for a call not seen before, where its output metadata can be told without running it.
  bool record_inferred(const OpInfo& op, torch::jit::Stack* stack, Draft& draft);
  void record_awaited(const OpInfo& op, torch::jit::Stack* stack, Draft& draft);
  void remember(std::unique_ptr<CallForm> form);
  uint64_t append_op(const CallForm& form, Draft& draft, c10::ArrayRef<VirtualStorage*> fresh,
                     Completion* completion);
  struct ThreadDraft;
  Draft& prepare_draft();
  Draft* take_draft();
  void give_draft(Draft* draft);
  VirtualStorage* make_virtual(size_t nbytes) {
    return new VirtualStorage(next_storage_.fetch_add(1, std::memory_order_relaxed), nbytes);
  }
  void release_retired_forms();
  std::unique_lock<base::SpinLock> lock_with_space();
  void publish(Call& call);
  void flush_overflow();

  base::SpinLock mutex_;  // guards the queue's recording side, the cache, the counters and threads_
  CallQueue queue_;
  int threads_ = 0;  // of the last call outside backward
  BytesAhead bytes_ahead_;
  FormCache cache_;
  RecorderHooks hooks_;
  bool sync_ = false;
  Counters counters_;
  std::vector<VirtualStorage*> overflow_;  // releases that found the queue full
  std::vector<Observer*> observers_;
  std::vector<std::unique_ptr<Draft>> drafts_;
  std::vector<Draft*> free_drafts_;  // of threads that have ended
  std::atomic<bool> observed_{false};
  std::atomic<uint64_t> next_storage_{1};
  AddressSpace addresses_;
  std::atomic<bool> alive_{false};
  std::atomic<bool> queue_releases_{false};

  KernelWarnings warnings_;
  std::mutex error_mutex_;
  std::vector<std::shared_ptr<const CallError>> errors_;
  std::atomic<uint64_t> error_count_{0};
  std::atomic<uint64_t> opaque_{0};
};

// The process's recorder. Never destroyed: tensors may outlive the interpreter.
Recorder& recorder();

}  // namespace trireme::record
