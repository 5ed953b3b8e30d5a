// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/recorder.h"

#include <ATen/Parallel.h>
#include <c10/core/AutogradState.h>
#include <c10/core/StorageImpl.h>

#include <algorithm>

#include "trireme/base/env.h"
#include "trireme/record/device_tensor.h"
#include "trireme/record/infer_outputs.h"
#include "trireme/record/outputs.h"

namespace trireme::record {
namespace {

constexpr size_t kQueueCapacity =
    8192;  // calls; a training step of a 6-layer transformer has about 600
constexpr size_t kMuch = size_t{16} << 10U;  // bytes
constexpr size_t kFormCapacity = 65536;      // forms; about 1 KiB each

// Trivial, so that reading it needs no initialisation; ThreadDraft fills it.
thread_local constinit Draft* t_draft = nullptr;

void finish(torch::jit::Stack* stack, size_t arguments, std::vector<c10::IValue> results) {
  torch::jit::drop(*stack, arguments);
  for (auto& result : results) stack->push_back(std::move(result));
}

}  // namespace

Recorder::Recorder()
    : queue_(static_cast<size_t>(base::env_int("TRIREME_QUEUE", kQueueCapacity))),
      cache_(static_cast<size_t>(base::env_int("TRIREME_FORMS", kFormCapacity))),
      sync_(base::env_flag("TRIREME_SYNC")) {}

Recorder& recorder() {
  static auto* instance = new Recorder;
  return *instance;
}

// Gives a thread's draft back when the thread ends.
struct Recorder::ThreadDraft {
  ThreadDraft() {
    t_draft = recorder().take_draft();
    // Backward passes run on this thread, as the CPU's do. Recording them is all there is to do: a
    // thread of autograd's own would cost two switches of thread and GIL for each.
    c10::AutogradState::get_tls_state().set_multithreading_enabled(false);
  }
  ~ThreadDraft() {
    recorder().give_draft(t_draft);
    t_draft = nullptr;
  }
  ThreadDraft(const ThreadDraft&) = delete;
  ThreadDraft& operator=(const ThreadDraft&) = delete;
};

Draft& Recorder::draft() {
  if (t_draft == nullptr || !alive() || queue_.may_be_full()) [[unlikely]]
    return prepare_draft();
  return *t_draft;
}

Draft& Recorder::prepare_draft() {
  hooks_.ensure_running();
  // Here, before the draft is filled: Python may run in this wait, for a signal, and record.
  if (queue_.may_be_full()) queue_.wait_for_space();
  thread_local const ThreadDraft here;
  // A destructor of another thread-local object may still record after `here` is gone.
  if (t_draft == nullptr) t_draft = take_draft();
  return *t_draft;
}

Draft* Recorder::take_draft() {
  const std::lock_guard lock(mutex_);
  if (free_drafts_.empty()) {
    drafts_.push_back(std::make_unique<Draft>());
    return drafts_.back().get();
  }
  Draft* draft = free_drafts_.back();
  free_drafts_.pop_back();
  return draft;
}

void Recorder::give_draft(Draft* draft) {
  const std::lock_guard lock(mutex_);
  draft->busy.store(false, std::memory_order_relaxed);
  free_drafts_.push_back(draft);
}

// Under the lock. A form is in use by pending calls and by threads that make a call's outputs.
void Recorder::release_retired_forms() {
  const bool used = std::any_of(drafts_.begin(), drafts_.end(), [](const auto& draft) {
    return draft->busy.load(std::memory_order_acquire);
  });
  if (!used) cache_.release_retired(queue_.executed());
}

void Recorder::record(const OpInfo& op, torch::jit::Stack* stack) {
  Draft& draft = this->draft();
  const auto args = torch::jit::last(*stack, op.args.size());
  if (op.route == Route::Opaque || build_signature(op, args, draft) == SignatureResult::Foreign) {
    hooks_.run_opaque(op, stack);
    return;
  }
  if (draft.route == Route::Cached &&
      (record_known(op, stack, draft) || record_inferred(op, stack, draft))) {
    return;
  }
  if (draft.route != Route::Cached) draft.read_context();
  if (op.random) draft.random = hooks_.draw(draft.generator);
  record_awaited(op, stack, draft);
}

const CallForm* Recorder::append_known(const OpInfo& op, Draft& draft) {
  if (draft.route != Route::Cached) return nullptr;
  draft.read_context();
  draft.busy.store(true, std::memory_order_relaxed);
  const auto lock = lock_with_space();
  CallForm* form = cache_.find(draft.signature);
  if (form == nullptr) {
    ++counters_.cache_misses;
    draft.busy.store(false, std::memory_order_relaxed);
    return nullptr;
  }
  ++counters_.cache_hits;
  ++form->hits;
  if (op.random) draft.random = hooks_.draw(draft.generator);
  draft.fresh.clear();
  for (const size_t nbytes : form->fresh_nbytes) draft.fresh.push_back(make_virtual(nbytes));
  append_op(*form, draft, draft.fresh, nullptr);
  return form;
}

void Recorder::finish_known(const CallForm& form, Draft& draft) {
  if (!form.updates.empty()) apply_updates(form, draft.tensors);
  draft.busy.store(false, std::memory_order_release);
  if (sync_) synchronize();
}

bool Recorder::record_known(const OpInfo& op, torch::jit::Stack* stack, Draft& draft) {
  const CallForm* form = append_known(op, draft);
  if (form == nullptr) return false;
  c10::SmallVector<c10::Storage, 4> fresh;
  for (VirtualStorage* storage : draft.fresh) fresh.push_back(wrap(storage));
  auto results = Outputs(*form, draft.tensors, fresh).all();
  finish_known(*form, draft);
  finish(stack, op.args.size(), std::move(results));
  return true;
}

bool Recorder::record_inferred(const OpInfo& op, torch::jit::Stack* stack, Draft& draft) {
  if (metadata_mode() != MetadataMode::Meta) return false;
  const auto args = torch::jit::last(*stack, op.args.size());
  std::unique_ptr<CallForm> form = make_form(op, args, draft.signature);
  if (!infer_outputs(*form, args, draft.bindings)) return false;
  remember(std::move(form));
  return record_known(op, stack, draft);
}

void Recorder::remember(std::unique_ptr<CallForm> form) {
  form->complete = true;
  const std::lock_guard lock(mutex_);
  if (cache_.find(form->words, form->hash) != nullptr) return;  // another thread was faster
  cache_.insert(std::move(form), queue_.next_number());
  release_retired_forms();
}

void Recorder::record_awaited(const OpInfo& op, torch::jit::Stack* stack, Draft& draft) {
  const auto args = torch::jit::last(*stack, op.args.size());
  std::unique_ptr<CallForm> form = make_form(op, args, draft.signature);
  const Bindings bindings = draft.bindings;
  const auto arguments = draft.tensors;
  const bool cached = draft.route == Route::Cached;
  Completion completion;
  uint64_t number = 0;
  {
    const auto lock = lock_with_space();
    ++counters_.awaited;
    number = append_op(*form, draft, {}, &completion);
  }
  // Not interruptible: the executor writes to `completion`.
  queue_.wait(number, /*interruptible=*/false);
  warnings_.issue();
  for (const c10::Warning& warning : completion.warnings) warnings_.issue(warning);
  if (completion.failed()) {
    tell([&](Observer& observer) { observer.failed(number, failure_of(completion)); });
    if (completion.poison) raise(*completion.poison);
    std::rethrow_exception(completion.error);
  }
  const LearnedOutputs learned = learn_outputs(*form, bindings, completion);
  if (cached && metadata_mode() == MetadataMode::Check) check_inferred(*form, args, bindings);
  if (!learned.strided) {
    tell([&](Observer& observer) { observer.returned(number, *form, completion.results); });
    std::vector<c10::IValue> results;
    for (size_t i = 0; i < op.returns.size(); ++i) {
      const auto& result = completion.results[i];
      if (op.returns[i].aliased_arg >= 0) {
        results.push_back(args[op.returns[i].aliased_arg]);
      } else if (result.isTensor()) {
        results.emplace_back(hooks_.adopt(result.toTensor()));
      } else if (result.isTensorList()) {
        c10::List<at::Tensor> list;
        for (const at::Tensor& item : result.toTensorVector()) list.push_back(hooks_.adopt(item));
        results.emplace_back(std::move(list));
      } else {
        results.push_back(result);
      }
    }
    finish(stack, op.args.size(), std::move(results));
    return;
  }
  c10::SmallVector<c10::Storage, 2> fresh;
  for (size_t i = 0; i < learned.fresh.size(); ++i) {
    fresh.push_back(make_storage(form->fresh_nbytes[i]));
    virtual_storage(*fresh.back().unsafeGetStorageImpl())->memory = learned.fresh[i];
  }
  tell([&](Observer& observer) {
    std::vector<VirtualStorage*> names;
    for (const auto& storage : fresh)
      names.push_back(virtual_storage(*storage.unsafeGetStorageImpl()));
    observer.outputs(number, *form, names);
  });
  auto results = Outputs(*form, arguments, fresh).all();
  apply_updates(*form, arguments);
  // A call that warns is waited for each time, so that it warns at the call.
  if (cached && completion.warnings.empty()) remember(std::move(form));
  finish(stack, op.args.size(), std::move(results));
}

std::unique_lock<base::SpinLock> Recorder::lock_with_space() {
  std::unique_lock lock(mutex_);
  while (queue_.full()) {
    lock.unlock();
    // Not interruptible: see prepare_draft.
    queue_.wait_for_space(/*interruptible=*/false);
    lock.lock();
  }
  if (!overflow_.empty()) flush_overflow();
  return lock;
}

uint64_t Recorder::append_op(const CallForm& form, Draft& draft,
                             c10::ArrayRef<VirtualStorage*> fresh, Completion* completion) {
  Call& call = queue_.next();
  const uint64_t number = queue_.next_number();
  const auto& tensors = draft.bindings.tensors;
  for (size_t i = 0; i < tensors.size(); ++i) {
    VirtualStorage* storage = tensors[i].storage;
    if (storage == nullptr) continue;
    storage->last_use.store(number, std::memory_order_relaxed);
    if (form.written[i]) storage->last_write.store(number, std::memory_order_relaxed);
  }
  for (VirtualStorage* storage : fresh) {
    storage->last_use.store(number, std::memory_order_relaxed);
    storage->last_write.store(number, std::memory_order_relaxed);
  }
  call.kind = Call::Kind::Op;
  call.form = &form;
  call.site = draft.site;
  // In backward this may be a thread of autograd's, which set_num_threads in the program's does not
  // reach: eager runs backward in the program's.
  if (draft.phase != Phase::Backward || threads_ == 0) threads_ = at::get_num_threads();
  call.threads = threads_;
  call.phase = draft.phase;
  call.autograd_sequence = draft.autograd_sequence;
  call.autograd_thread = draft.autograd_thread;
  call.random = draft.random;
  call.fresh.assign(fresh.begin(), fresh.end());
  call.completion = completion;
  call.bindings = std::move(draft.bindings);
  ++counters_.calls;
  publish(call);
  return number;
}

void Recorder::publish(Call& call) {
  call.number = queue_.next_number();
  if (observed() && call.kind == Call::Kind::Op) {
    for (Observer* observer : observers_) observer->call(call);
  }
  queue_.append();
}

void Recorder::add_observer(Observer* observer) {
  const std::lock_guard lock(mutex_);
  observers_.push_back(observer);
  observed_.store(true);
}

void Recorder::add_observer_when_idle(Observer* observer) {
  hooks_.ensure_running();
  while (true) {
    queue_.wait(queue_.appended());
    const std::lock_guard lock(mutex_);
    if (queue_.executed() != queue_.appended() || !overflow_.empty()) continue;
    observers_.push_back(observer);
    observed_.store(true);
    return;
  }
}

void Recorder::remove_observer(Observer* observer) {
  const std::lock_guard lock(mutex_);
  std::erase(observers_, observer);
  observed_.store(!observers_.empty());
}

c10::DataPtr Recorder::make_data_ptr(size_t nbytes) {
  return {addresses_.take(nbytes), make_virtual(nbytes), &release_storage, kDevice};
}

c10::Storage Recorder::make_storage(size_t nbytes) { return wrap(make_virtual(nbytes)); }

c10::Storage Recorder::wrap(VirtualStorage* storage) {
  const size_t nbytes = storage->nbytes.load(std::memory_order_relaxed);
  return c10::Storage(c10::make_intrusive<c10::StorageImpl>(
      c10::StorageImpl::use_byte_size_t(), nbytes,
      c10::DataPtr(addresses_.take(nbytes), storage, &release_storage, kDevice), hooks_.allocator,
      /*resizable=*/true));
}

at::Tensor Recorder::adopt_dense(const at::Tensor& host) {
  const c10::Storage storage = make_storage(host.storage().nbytes());
  virtual_storage(*storage.unsafeGetStorageImpl())->memory = host.storage();
  const Geometry geometry = geometry_of(*host.unsafeGetTensorImpl());
  if (observed()) {
    const SiteId site = current_site();  // before the lock: it may need the GIL
    tell([&](Observer& observer) {
      observer.entered(*virtual_storage(*storage.unsafeGetStorageImpl()), geometry, geometry.offset,
                       host, site);
    });
  }
  return make_device_tensor(storage, geometry, geometry.offset);
}

void Recorder::release(VirtualStorage* storage) noexcept {
  if (alive()) tell([&](Observer& observer) { observer.released(*storage); });
  // Nothing pending names it, or nothing will run any more: free it here. The executor's count is
  // asked for only where much memory hangs on it.
  const uint64_t last_use = storage->last_use.load(std::memory_order_relaxed);
  const bool much = storage->nbytes.load(std::memory_order_relaxed) >= kMuch;
  const bool ran = queue_.surely_executed(last_use) || (much && queue_.has_executed(last_use));
  if (!alive() || (ran && !queue_releases_.load(std::memory_order_relaxed))) {
    delete storage;
    return;
  }
  const std::lock_guard lock(mutex_);
  overflow_.push_back(storage);
  flush_overflow();
}

void Recorder::flush_overflow() {
  size_t done = 0;
  for (; done < overflow_.size() && !queue_.full(); ++done) {
    Call& call = queue_.next();
    call.kind = Call::Kind::Release;
    call.released = overflow_[done];
    publish(call);
  }
  overflow_.erase(overflow_.begin(), overflow_.begin() + static_cast<std::ptrdiff_t>(done));
}

uint64_t Recorder::append_task(std::function<void()> task, c10::ArrayRef<VirtualStorage*> uses,
                               c10::ArrayRef<VirtualStorage*> writes) {
  hooks_.ensure_running();
  const auto lock = lock_with_space();
  Call& call = queue_.next();
  const uint64_t number = queue_.next_number();
  for (VirtualStorage* storage : uses) storage->last_use.store(number, std::memory_order_relaxed);
  for (VirtualStorage* storage : writes) {
    storage->last_use.store(number, std::memory_order_relaxed);
    storage->last_write.store(number, std::memory_order_relaxed);
  }
  call.kind = Call::Kind::Task;
  call.task = std::move(task);
  publish(call);
  return number;
}

void Recorder::synchronize() {
  hooks_.ensure_running();
  queue_.cut_next();
  queue_.wait(queue_.appended());
  warnings_.issue();
  if (const auto error = unreported_error()) raise(*error);
}

void Recorder::wait_for_data(VirtualStorage& storage) {
  const uint64_t last = storage.last_write.load(std::memory_order_relaxed);
  if (last != 0) queue_.cut_next();  // without a recorded write there is nothing to wait for, ever
  queue_.wait(last);
  warnings_.issue();
  if (storage.error) raise(*storage.error);
}

void Recorder::wait_for_use(VirtualStorage& storage) {
  const uint64_t last = storage.last_use.load(std::memory_order_relaxed);
  if (last != 0) queue_.cut_next();
  queue_.wait(last);
  warnings_.issue();
}

void Recorder::hold_ahead(size_t bytes, uint64_t until) {
  const uint64_t number = bytes_ahead_.add(bytes, until, queue_.executed());
  // Not interruptible: a draft may be half filled.
  if (number != 0) queue_.wait(std::min(number, queue_.appended()), /*interruptible=*/false);
}

void Recorder::note_error(std::shared_ptr<const CallError> error) {
  const std::lock_guard lock(error_mutex_);
  error_count_.fetch_add(1, std::memory_order_relaxed);
  std::erase_if(errors_, [](const auto& known) { return known->reported.load(); });
  errors_.push_back(std::move(error));
}

std::shared_ptr<const CallError> Recorder::unreported_error() {
  if (error_count_.load(std::memory_order_relaxed) == 0) return nullptr;
  const std::lock_guard lock(error_mutex_);
  for (const auto& error : errors_) {
    if (!error->reported.load()) return error;
  }
  return nullptr;
}

Counters Recorder::counters() {
  const std::lock_guard lock(mutex_);
  Counters counters = counters_;
  counters.opaque = opaque_.load();
  counters.waits = queue_.waits();
  counters.errors = error_count_.load();
  counters.forms = cache_.size();
  counters.pending = queue_.appended() - queue_.executed();
  return counters;
}

}  // namespace trireme::record
