// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/reference_executor.h"

#include <ATen/Parallel.h>
#include <ATen/ScalarOps.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_strided.h>
#include <c10/core/TensorImpl.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <optional>
#include <vector>

#include "trireme/base/openmp.h"
#include "trireme/record/recorder.h"
#include "trireme/run/alloc/c10_adapter.h"
#include "trireme/run/random/random.h"
#include "trireme/run/small_call.h"

namespace trireme::run {
namespace {

using record::ArgSlot;
using record::Call;
using record::CallError;
using record::CallForm;
using record::Geometry;
using record::OutputSlot;
using record::VirtualStorage;

// Rebuilds the op's arguments from a form, CPU tensors and values.
class ArgumentWriter {
 public:
  ArgumentWriter(c10::ArrayRef<at::Tensor> tensors, c10::ArrayRef<c10::IValue> values,
                 torch::jit::Stack& stack)
      : tensors_(tensors), values_(values), stack_(stack) {}

  void write(const std::vector<ArgSlot>& slots) {
    for (const ArgSlot& slot : slots) write(slot);
  }

 private:
  void write(const ArgSlot& slot) {
    switch (slot.kind) {
      case ArgSlot::Kind::Constant:
        stack_.push_back(slot.constant);
        return;
      case ArgSlot::Kind::Tensor:
        stack_.emplace_back(tensors_[next_tensor_++]);
        return;
      case ArgSlot::Kind::HostTensor:
        stack_.emplace_back(next_host_tensor());
        return;
      case ArgSlot::Kind::Number:
        stack_.push_back(values_[next_value_++]);
        return;
      case ArgSlot::Kind::TensorList:
        write_tensors(slot);
        return;
      case ArgSlot::Kind::NumberList:
        write_numbers(slot);
        return;
    }
  }

  void write_tensors(const ArgSlot& slot) {
    if (slot.optional_items) {
      c10::List<std::optional<at::Tensor>> list;
      list.reserve(slot.items.size());
      for (const ArgSlot& item : slot.items) list.push_back(next_item(item));
      stack_.emplace_back(std::move(list));
      return;
    }
    c10::List<at::Tensor> list;
    list.reserve(slot.items.size());
    for (const ArgSlot& item : slot.items) list.push_back(next_item(item).value_or(at::Tensor()));
    stack_.emplace_back(std::move(list));
  }

  std::optional<at::Tensor> next_item(const ArgSlot& item) {
    if (item.kind == ArgSlot::Kind::Tensor) return tensors_[next_tensor_++];
    if (item.kind == ArgSlot::Kind::HostTensor) return next_host_tensor();
    return std::nullopt;
  }

  at::Tensor next_host_tensor() {
    const c10::IValue& value = values_[next_value_++];
    return value.isTensor() ? value.toTensor()
                            : at::native::wrapped_scalar_tensor(value.toScalar());
  }

  void write_numbers(const ArgSlot& slot) {
    c10::impl::GenericList list(slot.item_type);
    list.reserve(slot.items.size());
    for (size_t i = 0; i < slot.items.size(); ++i) list.push_back(values_[next_value_++]);
    stack_.emplace_back(std::move(list));
  }

  c10::ArrayRef<at::Tensor> tensors_;
  c10::ArrayRef<c10::IValue> values_;
  torch::jit::Stack& stack_;
  size_t next_tensor_ = 0;
  size_t next_value_ = 0;
};

at::Tensor make_host_tensor(const c10::Storage& memory, const Geometry& geometry, int64_t offset) {
  auto tensor = at::detail::make_tensor<c10::TensorImpl>(c10::Storage(memory),
                                                         c10::DispatchKeySet(c10::DispatchKey::CPU),
                                                         c10::scalarTypeToTypeMeta(geometry.dtype));
  record::apply_geometry(geometry, offset, *tensor.unsafeGetTensorImpl());
  return tensor;
}

bool fits(const at::Tensor& tensor, const Geometry& geometry, int64_t offset) {
  const c10::TensorImpl& impl = *tensor.unsafeGetTensorImpl();
  return impl.sizes() == geometry.sizes() && impl.strides() == geometry.strides() &&
         impl.storage_offset() == offset &&
         c10::typeMetaToScalarType(impl.dtype()) == geometry.dtype &&
         impl.is_conj() == geometry.conj && impl.is_neg() == geometry.neg &&
         impl.is_wrapped_number() == geometry.wrapped_number;
}

// Looked up once per op and thread: by name it costs more than a small kernel.
RandomKernel random_kernel(const record::OpInfo& op) {
  thread_local std::vector<std::optional<RandomKernel>> kernels;
  if (op.id >= kernels.size()) kernels.resize(op.id + 1);
  auto& kernel = kernels[op.id];
  if (!kernel) kernel = find_random_kernel(op.handle.operator_name());
  return *kernel;
}

bool covers_storage(const VirtualStorage& storage, const Geometry& geometry, int64_t offset) {
  size_t bytes = c10::elementSize(geometry.dtype);
  for (const int64_t size : geometry.sizes()) bytes *= static_cast<size_t>(size);
  return offset == 0 && bytes >= storage.nbytes;
}

}  // namespace

const c10::Storage& host_memory(VirtualStorage& storage) {
  if (!storage.memory) {
    c10::Allocator* allocator = host_allocator();
    const size_t nbytes = storage.nbytes;
    storage.memory = c10::Storage(c10::make_intrusive<c10::StorageImpl>(
        c10::StorageImpl::use_byte_size_t(), nbytes, allocator->allocate(nbytes), allocator,
        /*resizable=*/true));
  }
  return storage.memory;
}

uint64_t version_of(VirtualStorage& storage) {
  static std::atomic<uint64_t> last{0};
  const bool shadow = storage.shadow.defined() && storage.memory &&
                      storage.shadow.storage().is_alias_of(storage.memory);
  if (!storage.memory || storage.memory.use_count() > (shadow ? 2U : 1U)) return 0;
  if (storage.version == 0) storage.version = ++last;
  return storage.version;
}

at::Tensor host_tensor(VirtualStorage& storage, const Geometry& geometry, int64_t offset) {
  return make_host_tensor(host_memory(storage), geometry, offset);
}

void call_op(const CallForm& form, c10::ArrayRef<at::Tensor> tensors,
             c10::ArrayRef<c10::IValue> values, const record::PhiloxState& random,
             torch::jit::Stack& stack) {
  stack.clear();
  ArgumentWriter(tensors, values, stack).write(form.args);
  if (form.op->random) {
    if (const RandomKernel kernel = random_kernel(*form.op)) {
      kernel(stack, {random.seed, random.offset});
      return;
    }
  }
  form.op->handle.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), &stack);
}

void ReferenceExecutor::run(Call& call) {
  switch (call.kind) {
    case Call::Kind::Op:
      run_op(call);
      return;
    case Call::Kind::Release:
      delete call.released;  // given up by the program: see VirtualStorage
      return;
    case Call::Kind::Task:
      call.task();
      return;
  }
}

void ReferenceExecutor::run_op(Call& call) {
  if (skip_poisoned(call)) return;
  const CallForm& form = *call.form;
  try {
    for (size_t i = 0; i < form.tensors.size(); ++i) {
      const record::TensorRef& ref = call.bindings.tensors[i];
      if (ref.storage == nullptr) {
        tensors_.emplace_back();
        continue;
      }
      VirtualStorage& storage = *ref.storage;
      if (form.written[i]) storage.version = 0;
      if (!storage.shadow.defined() || !fits(storage.shadow, form.tensors[i], ref.offset)) {
        storage.shadow = host_tensor(storage, form.tensors[i], ref.offset);
      }
      tensors_.push_back(storage.shadow);
    }
    if (call.threads != at::get_num_threads()) at::set_num_threads(call.threads);
    const c10::AutoGradMode grad_mode(form.grad_mode);
    const base::OneThread alone(threads_ == Threads::AsItPays && is_small_call_now(form));
    call_op(form, tensors_, call.bindings.values, call.random, stack_);
    if (call.completion != nullptr) {
      call.completion->results.assign(stack_.begin(), stack_.end());
      call.completion->tensors = tensors_;
      for (const auto& ref : call.bindings.tensors) {
        if (ref.storage != nullptr)
          ref.storage->shadow.reset();  // the waiting thread reads it; it may be resized
      }
    } else {
      bind_outputs(call);
    }
  } catch (const std::exception& error) {
    fail(call, error);
  }
  stack_.clear();
  tensors_.clear();
}

void ReferenceExecutor::bind_outputs(Call& call) {
  const CallForm& form = *call.form;
  size_t next = 0;
  for (size_t i = 0; i < form.returns.size(); ++i) {
    if (!form.returns[i].list) {
      bind_fresh(call, form.outputs[next++], stack_[i].toTensor());
      continue;
    }
    const auto items = stack_[i].toListRef();
    TORCH_CHECK(items.size() == form.returns[i].count, form.op->name, " gave ", items.size(),
                " tensors where an equal call gave ", form.returns[i].count);
    for (const auto& item : items) bind_fresh(call, form.outputs[next++], item.toTensor());
  }
  for (const auto& update : form.updates)
    call.bindings.tensors[update.tensor].storage->shadow.reset();
}

void ReferenceExecutor::bind_fresh(Call& call, const OutputSlot& slot, const at::Tensor& result) {
  if (slot.kind != OutputSlot::Kind::Fresh) return;
  VirtualStorage& storage = *call.fresh[slot.index];
  TORCH_CHECK(result.defined() && result.sizes() == slot.geometry.sizes() &&
                  result.scalar_type() == slot.geometry.dtype,
              call.form->op->name, " gave an output of shape ",
              result.defined() ? result.sizes() : c10::IntArrayRef(), " where an equal call gave ",
              slot.geometry.sizes(), "; its output depends on data: please report this op");
  if (storage.memory && storage.memory.is_alias_of(result.storage()))
    return;  // second output over it
  const bool as_recorded = fits(result, slot.geometry, slot.geometry.offset);
  const bool of_an_argument =
      std::any_of(tensors_.begin(), tensors_.end(), [&](const at::Tensor& argument) {
        return argument.defined() && argument.storage().is_alias_of(result.storage());
      });
  if (as_recorded && !of_an_argument) {
    storage.memory = result.storage();
    storage.shadow = result;
    return;
  }
  // Same values, other strides than recorded: laid out again.
  host_tensor(storage, slot.geometry, slot.geometry.offset).copy_(result);
}

bool ReferenceExecutor::skip_poisoned(Call& call) {
  const CallForm& form = *call.form;
  std::shared_ptr<const CallError> error;
  for (size_t i = 0; i < form.tensors.size(); ++i) {
    const auto& ref = call.bindings.tensors[i];
    if (ref.storage == nullptr || !ref.storage->error) continue;
    if (i == 0 && form.op->overwrites_first &&
        covers_storage(*ref.storage, form.tensors[0], ref.offset)) {
      ref.storage->error.reset();
      continue;
    }
    error = ref.storage->error;
  }
  if (!error) return false;
  for (size_t i = 0; i < form.tensors.size(); ++i) {
    if (form.written[i] && call.bindings.tensors[i].storage != nullptr) {
      call.bindings.tensors[i].storage->error = error;
    }
  }
  for (VirtualStorage* storage : call.fresh) storage->error = error;
  if (call.completion != nullptr) {
    call.completion->poison = error;
  }
  return true;
}

void ReferenceExecutor::fail(Call& call, const std::exception& error) {
  if (call.completion != nullptr) {
    call.completion->error = std::current_exception();
    return;
  }
  auto kept = record::make_call_error(error, *call.form->op, call.site);
  for (VirtualStorage* storage : call.fresh) storage->error = kept;
  for (size_t i = 0; i < call.form->tensors.size(); ++i) {
    VirtualStorage* storage = call.bindings.tensors[i].storage;
    if (call.form->written[i] && storage != nullptr) storage->error = kept;
  }
  if (note_error_) {
    note_error_(std::move(kept));
  } else {
    record::recorder().note_error(std::move(kept));
  }
}

}  // namespace trireme::run
