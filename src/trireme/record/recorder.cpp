// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/recorder.h"

#include <ATen/Parallel.h>
#include <ATen/SequenceNumber.h>
#include <c10/core/StorageImpl.h>
#include <torch/csrc/autograd/engine.h>

#include "trireme/base/env.h"
#include "trireme/record/device_tensor.h"
#include "trireme/record/outputs.h"

namespace trireme::record {
namespace {

constexpr size_t kQueueCapacity =
    8192;  // calls; a training step of a 6-layer transformer has about 600
constexpr size_t kFormCapacity = 65536;  // forms; about 1 KiB each

void release_storage(void* context) { recorder().release(static_cast<VirtualStorage*>(context)); }

void finish(torch::jit::Stack* stack, size_t arguments, std::vector<c10::IValue> results) {
  torch::jit::drop(*stack, arguments);
  for (auto& result : results) stack->push_back(std::move(result));
}

std::shared_ptr<CallError> make_error(const std::exception& error, const OpInfo& op, SiteId site) {
  auto made = std::make_shared<CallError>();
  made->kind = error_kind(error);
  made->message = error_message(error);
  made->op = op.name;
  made->where = describe_site(site);
  return made;
}

}  // namespace

// What one thread needs to record a call; kept, so that recording allocates nothing.
struct Recorder::Scratch {
  Signature signature;
  Bindings bindings;
  PhiloxState random;
  SiteId site = kUnknownSite;
  Phase phase = Phase::Neither;
  uint64_t autograd_sequence = 0;
  uint64_t autograd_thread = 0;

  void read_context() {
    site = current_site();
    autograd_sequence = 0;
    phase = Phase::Neither;
    if (torch::autograd::get_current_graph_task_id() != -1) {
      phase = Phase::Backward;
      if (const auto node = torch::autograd::get_current_node()) {
        autograd_sequence = node->sequence_nr();
        autograd_thread = node->thread_id();
      }
    } else if (bindings.requires_grad && at::GradMode::is_enabled()) {
      phase = Phase::Forward;
      autograd_sequence = at::sequence_number::peek();
      autograd_thread = at::RecordFunction::currentThreadId();
    }
  }
};

Recorder::Recorder()
    : queue_(static_cast<size_t>(base::env_int("TRIREME_QUEUE", kQueueCapacity))),
      cache_(static_cast<size_t>(base::env_int("TRIREME_FORMS", kFormCapacity))),
      sync_(base::env_flag("TRIREME_SYNC")) {}

Recorder& recorder() {
  static auto* instance = new Recorder;
  return *instance;
}

void Recorder::record(const OpInfo& op, torch::jit::Stack* stack) {
  hooks_.ensure_running();
  thread_local Scratch scratch;
  const auto args = torch::jit::last(*stack, op.args.size());
  if (op.route == Route::Opaque ||
      build_signature(op, args, scratch.signature, scratch.bindings) == SignatureResult::Foreign) {
    hooks_.run_opaque(op, stack);
    return;
  }
  if (op.random) {
    c10::IValue generator;
    for (size_t i = 0; i < op.args.size(); ++i) {
      if (op.args[i].kind == ArgKind::Generator) generator = args[i];
    }
    scratch.random = hooks_.draw(generator);
  }
  scratch.read_context();
  if (op.route == Route::Cached && record_known(op, stack, scratch)) {
    if (sync_) synchronize();
    return;
  }
  record_awaited(op, stack, scratch);
}

bool Recorder::record_known(const OpInfo& op, torch::jit::Stack* stack, Scratch& scratch) {
  const auto args = torch::jit::last(*stack, op.args.size());
  std::vector<c10::IValue> results;
  {
    const auto lock = lock_with_space();
    CallForm* form = cache_.find(scratch.signature);
    if (form == nullptr) {
      ++counters_.cache_misses;
      return false;
    }
    ++counters_.cache_hits;
    ++form->hits;
    c10::SmallVector<c10::Storage, 2> fresh;
    c10::SmallVector<VirtualStorage*, 2> names;
    for (const size_t nbytes : form->fresh_nbytes) {
      fresh.push_back(make_storage(nbytes));
      names.push_back(virtual_storage(*fresh.back().unsafeGetStorageImpl()));
    }
    results = make_results(*form, args, fresh);
    append_op(*form, scratch, names, nullptr);
    if (!form->updates.empty()) apply_updates(*form, args);
  }
  finish(stack, op.args.size(), std::move(results));
  return true;
}

void Recorder::record_awaited(const OpInfo& op, torch::jit::Stack* stack, Scratch& scratch) {
  const auto args = torch::jit::last(*stack, op.args.size());
  std::unique_ptr<CallForm> form = make_form(op, args, scratch.signature);
  const Bindings bindings = scratch.bindings;
  const SiteId site = scratch.site;
  Completion completion;
  uint64_t number = 0;
  {
    const auto lock = lock_with_space();
    ++counters_.awaited;
    number = append_op(*form, scratch, {}, &completion);
  }
  // Not interruptible: the executor writes to `completion`.
  queue_.wait(number, /*interruptible=*/false);
  if (completion.failed()) {
    if (op.route == Route::Cached && !sync_ &&
        defer_value_error(stack, *form, bindings, completion, site, number)) {
      return;
    }
    tell([&](Observer& observer) { observer.failed(number, failure_of(completion), false, {}); });
    if (completion.poison) raise(*completion.poison);
    std::rethrow_exception(completion.error);
  }
  const LearnedOutputs learned = learn_outputs(*form, bindings, completion);
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
  auto results = make_results(*form, args, fresh);
  apply_updates(*form, args);
  if (op.route == Route::Cached) {
    form->complete = true;
    const std::lock_guard lock(mutex_);
    if (cache_.find(scratch.signature) == nullptr) {
      cache_.insert(std::move(form), queue_.next_number());
      cache_.release_retired(queue_.executed());
    }
  }
  finish(stack, op.args.size(), std::move(results));
}

bool Recorder::defer_value_error(torch::jit::Stack* stack, CallForm& form, const Bindings& bindings,
                                 const Completion& completion, SiteId site, uint64_t number) {
  // Valid on zeros: then it was a value that was wrong, which only execution can find.
  Completion zeros;
  hooks_.run_on_zeros(form, bindings, zeros);
  if (zeros.error) return false;
  const LearnedOutputs learned = learn_outputs(form, bindings, zeros);
  if (!learned.strided) return false;
  const auto args = torch::jit::last(*stack, form.op->args.size());
  c10::SmallVector<c10::Storage, 2> fresh;
  std::vector<VirtualStorage*> spoiled;
  for (const size_t nbytes : form.fresh_nbytes) {
    fresh.push_back(make_storage(nbytes));
    spoiled.push_back(virtual_storage(*fresh.back().unsafeGetStorageImpl()));
  }
  tell([&](Observer& observer) { observer.failed(number, failure_of(completion), true, spoiled); });
  for (size_t i = 0; i < bindings.tensors.size(); ++i) {
    if (form.written[i] && bindings.tensors[i].storage != nullptr) {
      spoiled.push_back(bindings.tensors[i].storage);
    }
  }
  std::shared_ptr<const CallError> error = completion.poison;
  if (!error) {
    try {
      std::rethrow_exception(completion.error);
    } catch (const std::exception& thrown) {
      error = make_error(thrown, *form.op, site);
    }
    note_error(error);
  }
  append_task(
      [spoiled, error] {
        for (VirtualStorage* storage : spoiled) storage->error = error;
      },
      {}, spoiled);
  auto results = make_results(form, args, fresh);
  finish(stack, form.op->args.size(), std::move(results));
  return true;
}

std::unique_lock<std::mutex> Recorder::lock_with_space() {
  std::unique_lock lock(mutex_);
  while (queue_.full()) {
    lock.unlock();
    queue_.wait_for_space();
    lock.lock();
  }
  if (!overflow_.empty()) flush_overflow();
  return lock;
}

uint64_t Recorder::append_op(const CallForm& form, Scratch& scratch,
                             c10::ArrayRef<VirtualStorage*> fresh, Completion* completion) {
  Call& call = queue_.next();
  const uint64_t number = queue_.next_number();
  const auto& tensors = scratch.bindings.tensors;
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
  call.site = scratch.site;
  call.threads = at::get_num_threads();
  call.phase = scratch.phase;
  call.autograd_sequence = scratch.autograd_sequence;
  call.autograd_thread = scratch.autograd_thread;
  call.random = scratch.random;
  call.fresh.assign(fresh.begin(), fresh.end());
  call.completion = completion;
  call.bindings = std::move(scratch.bindings);
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
  auto* storage = new VirtualStorage(next_storage_.fetch_add(1, std::memory_order_relaxed), nbytes);
  return {addresses_.take(nbytes), storage, &release_storage, kDevice};
}

c10::Storage Recorder::make_storage(size_t nbytes) {
  return c10::Storage(c10::make_intrusive<c10::StorageImpl>(
      c10::StorageImpl::use_byte_size_t(), nbytes, make_data_ptr(nbytes), hooks_.allocator,
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
  // Nothing pending names it, or nothing will run any more: free it here.
  if (!alive() || storage->last_use.load(std::memory_order_relaxed) <= queue_.executed()) {
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
  queue_.wait(queue_.appended());
  if (const auto error = unreported_error()) raise(*error);
}

void Recorder::wait_for_data(VirtualStorage& storage) {
  queue_.wait(storage.last_write.load(std::memory_order_relaxed));
  if (storage.error) raise(*storage.error);
}

void Recorder::wait_for_use(VirtualStorage& storage) {
  queue_.wait(storage.last_use.load(std::memory_order_relaxed));
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
