// SPDX-License-Identifier: Apache-2.0
#include "trireme/device/register.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/function.h>
#include <torch/library.h>

#include <array>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "trireme/device/allocator.h"
#include "trireme/device/generator.h"
#include "trireme/device/opaque.h"
#include "trireme/device/record_kernel.h"
#include "trireme/device/typed_ops.h"
#include "trireme/device/widen.h"
#include "trireme/record/recorder.h"
#include "trireme/run/alloc/c10_adapter.h"
#include "trireme/run/executor.h"
#include "trireme/run/reference_executor.h"

namespace trireme::device {
namespace {

using c10::DispatchKey;

// Ops that have a kernel of their own in this room.
const std::unordered_set<std::string_view>& hand_written() {
  static const std::unordered_set<std::string_view> names = {
      "aten::empty.memory_format",
      "aten::empty_strided",
      "aten::copy_",
      "aten::_copy_from",
      "aten::_copy_from_and_resize",
      "aten::_local_scalar_dense",
      "aten::resize_",
      "aten::set_",
      "aten::set_.source_Storage",
      "aten::set_.source_Storage_storage_offset",
      "aten::set_.source_Tensor",
      "aten::as_strided",
      "aten::view",
      "aten::view.dtype",
      "aten::unfold",
      "aten::_reshape_alias",
      "aten::view_as_real",
      "aten::view_as_complex",
      "aten::_fused_sdp_choice",
      "aten::_efficientzerotensor",
      "aten::is_pinned",
      "aten::_pin_memory",
      "aten::record_stream",
      "aten::_lazy_clone",
      "aten::is_set_to",
      "aten::set_data",
      "aten::_pack_padded_sequence",
      "aten::_backward",
  };
  return names;
}

// Composite kernels that are better taken apart: what they are made of is views, metadata, or the
// random ops and factories that are recorded themselves.
const std::unordered_set<std::string_view>& taken_apart() {
  static const std::unordered_set<std::string_view> names = {
      "aten::empty_like",
      "aten::new_empty",
      "aten::new_empty_strided",
      "aten::empty_permuted",
      "aten::_to_copy",
      "aten::to_sparse",
      "aten::_unsafe_view",
      "aten::unsafe_split.Tensor",
      "aten::unsafe_chunk",
      "aten::lift",
      "aten::lift_fresh",
      "aten::is_same_size",
      "aten::unsafe_split_with_sizes",
      "aten::_assert_async",
      "aten::_assert_scalar",
      "aten::_has_same_storage_numel",
      "aten::resize",
      "aten::set",
      "aten::empty.names",
      "aten::resize_as_",
      "aten::_sparse_coo_tensor_with_dims",
      "aten::sparse_resize_",
      "aten::copy",
      "aten::is_coalesced",
  };
  return names;
}

bool is_view(const c10::FunctionSchema& schema) {
  for (const auto& returned : schema.returns()) {
    const auto* alias = returned.alias_info();
    if (alias != nullptr && !alias->isWrite()) return true;
  }
  return false;
}

bool returns_no_tensor(const record::OpInfo& op) {
  for (const auto& returned : op.returns) {
    if (returned.kind != record::ReturnInfo::Kind::Other) return false;
  }
  return !op.returns.empty();
}

bool is_recorded(const c10::OperatorHandle& handle, const record::OpInfo& op) {
  if (hand_written().contains(op.name) || taken_apart().contains(op.name)) return false;
  if (is_view(handle.schema()) || handle.hasTag(at::Tag::inplace_view)) return false;
  if (handle.hasKernelForDispatchKey(DispatchKey::CPU)) return true;
  const bool composite =
      handle.hasKernelForDispatchKey(DispatchKey::CompositeExplicitAutograd) ||
      handle.hasKernelForDispatchKey(DispatchKey::CompositeExplicitAutogradNonFunctional);
  if (!composite) return false;
  // A composite random op ends in one that draws; a composite predicate reads metadata only.
  return !op.random && !returns_no_tensor(op);
}

// Registrations live as long as the process.
torch::Library& library(const std::string& name, DispatchKey key) {
  static auto* libraries = new std::vector<std::unique_ptr<torch::Library>>;
  libraries->push_back(
      std::make_unique<torch::Library>(torch::Library::IMPL, name, key, __FILE__, __LINE__));
  return *libraries->back();
}

TypedOps all_typed_ops() {
  TypedOps ops;
  add_pointwise_ops(ops);
  add_reduction_ops(ops);
  add_matrix_ops(ops);
  add_foreach_ops(ops);
  return ops;
}

void register_recorded_ops() {
  const TypedOps typed_ops = all_typed_ops();
  std::unordered_map<std::string, torch::Library*> libraries;
  for (const char* name : {"aten", "mkldnn", "trireme"}) {
    libraries[name] = &library(name, DispatchKey::PrivateUse1);
  }
  for (const c10::OperatorName& name : c10::Dispatcher::singleton().getAllOpNames()) {
    const auto found = libraries.find(name.name.substr(0, name.name.find("::")));
    if (found == libraries.end()) continue;
    const auto handle = c10::Dispatcher::singleton().findSchema(name);
    if (!handle) continue;
    const record::OpInfo& op = record::op_info(*handle);
    if (!is_recorded(*handle, op)) continue;
    const std::string local = op.name.substr(op.name.find("::") + 2);
    const auto typed = typed_ops.find(op.name);
    found->second->impl(local.c_str(),
                        typed != typed_ops.end()
                            ? typed->second(op)
                            : torch::CppFunction::makeFromBoxedKernel(boxed_kernel(op)));
  }
}

// Composite kernels come before fallbacks: an op that the CPU has a kernel for, for sparse, nested
// or quantized tensors, needs an entry of its own.
void register_opaque_ops() {
  const std::array<std::pair<DispatchKey, DispatchKey>, 4> keys = {
      {{DispatchKey::SparseCPU, DispatchKey::SparsePrivateUse1},
       {DispatchKey::SparseCsrCPU, DispatchKey::SparseCsrPrivateUse1},
       {DispatchKey::NestedTensorCPU, DispatchKey::NestedTensorPrivateUse1},
       {DispatchKey::QuantizedCPU, DispatchKey::QuantizedPrivateUse1}}};
  for (const auto& [host, device] : keys) {
    torch::Library& aten = library("aten", device);
    for (const c10::OperatorName& name : c10::Dispatcher::singleton().getAllOpNames()) {
      if (!name.name.starts_with("aten::")) continue;
      const auto handle = c10::Dispatcher::singleton().findSchema(name);
      if (!handle || !handle->hasKernelForDispatchKey(host)) continue;
      if (device == DispatchKey::QuantizedPrivateUse1 &&
          hand_written().contains(record::op_info(*handle).name))
        continue;
      const std::string local =
          record::op_info(*handle).name.substr(std::string_view("aten::").size());
      aten.impl(local.c_str(), torch::CppFunction::makeFromBoxedFunction<&opaque_fallback>());
    }
  }
}

// What has no kernel here (custom ops, sparse and quantized tensors) runs on the CPU as one opaque
// call.
void register_fallbacks() {
  for (const DispatchKey key :
       {DispatchKey::PrivateUse1, DispatchKey::SparsePrivateUse1, DispatchKey::SparseCsrPrivateUse1,
        DispatchKey::NestedTensorPrivateUse1, DispatchKey::QuantizedPrivateUse1}) {
    library("_", key).fallback(torch::CppFunction::makeFromBoxedFunction<&opaque_fallback>());
  }
}

void connect() {
  record::RecorderHooks& hooks = record::recorder().hooks();
  hooks.draw = &draw;
  hooks.ensure_running = [] {
    prepare_thread();
    run::ensure_executor();
  };
  hooks.allocator = device_allocator();
  hooks.run_opaque = &run_opaque;
  hooks.adopt = &adopt;
}

}  // namespace

c10::BoxedKernel boxed_kernel(const record::OpInfo& op) {
  if (may_widen(op)) return widen_kernel(op);
  return c10::BoxedKernel::makeFromFunctor(std::make_unique<RecordKernel>(op));
}

void register_kernels() {
  register_recorded_ops();
  register_opaque_ops();
  register_fallbacks();
}

void register_device() {
  static std::once_flag once;
  std::call_once(once, [] {
    run::install_cpu_allocator();
    connect();
    register_allocator();
    register_hooks();
    register_kernels();
    prepare_thread();
  });
}

}  // namespace trireme::device
