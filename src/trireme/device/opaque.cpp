// SPDX-License-Identifier: Apache-2.0
#include "trireme/device/opaque.h"

#include <ATen/NestedTensorImpl.h>
#include <ATen/SparseCsrTensorImpl.h>
#include <ATen/SparseTensorImpl.h>
#include <ATen/core/grad_mode.h>
#include <ATen/native/SparseTensorUtils.h>
#include <ATen/ops/_sparse_compressed_tensor_unsafe.h>
#include <ATen/ops/_sparse_coo_tensor_unsafe.h>
#include <ATen/quantized/QTensorImpl.h>
#include <ATen/quantized/Quantizer.h>

#include <functional>
#include <vector>

#include "trireme/record/device_tensor.h"
#include "trireme/record/recorder.h"
#include "trireme/run/alloc/c10_adapter.h"
#include "trireme/run/reference_executor.h"

namespace trireme::device {
namespace {

using record::Recorder;
using record::VirtualStorage;

bool on_device(const at::Tensor& tensor) {
  return tensor.defined() && tensor.device().type() == c10::DeviceType::PrivateUse1;
}

bool is_compressed(const at::Tensor& tensor) {
  return !tensor.is_nested() && tensor.layout() != at::kStrided && tensor.layout() != at::kSparse;
}

at::Tensor quantized(const c10::Storage& storage, const record::Geometry& geometry,
                     c10::DispatchKey key, const at::QuantizerPtr& quantizer) {
  auto tensor = at::detail::make_tensor<at::QTensorImpl>(
      c10::Storage(storage), c10::DispatchKeySet(key), c10::scalarTypeToTypeMeta(geometry.dtype),
      quantizer);
  record::apply_geometry(geometry, geometry.offset, *tensor.unsafeGetTensorImpl());
  return tensor;
}

// The device tensor over `storage` that lies there as `host` lies in its own.
at::Tensor like_host(const c10::Storage& storage, const at::Tensor& host) {
  const record::Geometry geometry = record::geometry_of(*host.unsafeGetTensorImpl());
  if (!host.is_quantized()) return record::make_device_tensor(storage, geometry, geometry.offset);
  return quantized(storage, geometry, c10::DispatchKey::QuantizedPrivateUse1, host.quantizer());
}

at::Tensor dense_to_host(const at::Tensor& tensor) {
  TORCH_CHECK(tensor.has_storage(),
              "trireme: a tensor without storage was given to an op that needs its data");
  VirtualStorage* storage = &record::require_storage(*tensor.unsafeGetTensorImpl());
  record::recorder().wait_for_use(*storage);
  record::recorder().wait_for_data(*storage);
  const record::Geometry geometry = record::geometry_of(*tensor.unsafeGetTensorImpl());
  at::Tensor host = run::host_tensor(*storage, geometry, geometry.offset);
  storage->version = 0;  // a custom op may write to what its schema does not say
  if (tensor.is_quantized()) {
    host = quantized(host.storage(), geometry, c10::DispatchKey::QuantizedCPU, tensor.quantizer());
  }
  if (record::recorder().observed()) {
    const record::SiteId site = record::current_site();  // before the lock: it may need the GIL
    record::recorder().tell([&](record::Observer& observer) {
      observer.read(*storage, geometry, geometry.offset, host, site);
    });
  }
  return host;
}

at::Tensor zero_tensor_to_host(const at::Tensor& tensor) {
  return at::_efficientzerotensor(tensor.sizes(), tensor.options().device(at::kCPU));
}

at::Tensor sparse_to_host(const at::Tensor& tensor) {
  const auto* impl = at::sparse::get_sparse_impl(tensor);
  return at::_sparse_coo_tensor_unsafe(to_host(impl->indices()), to_host(impl->values()),
                                       tensor.sizes(), tensor.options().device(at::kCPU),
                                       impl->coalesced());
}

at::Tensor compressed_to_host(const at::Tensor& tensor) {
  const auto* impl = static_cast<at::SparseCsrTensorImpl*>(tensor.unsafeGetTensorImpl());
  return at::_sparse_compressed_tensor_unsafe(
      to_host(impl->compressed_indices()), to_host(impl->plain_indices()), to_host(impl->values()),
      tensor.sizes(), tensor.options().device(at::kCPU));
}

// A nested tensor over another buffer: its sizes, strides and offsets lie on the CPU wherever it
// is.
at::Tensor nested_over(const at::Tensor& buffer, const at::Tensor& like) {
  const auto* impl = at::native::get_nested_tensor_impl(like);
  return at::detail::make_tensor<at::native::NestedTensorImpl>(
      buffer, impl->get_nested_sizes(), impl->get_nested_strides(), impl->get_storage_offsets());
}

at::Tensor nested_buffer(const at::Tensor& tensor) {
  return at::native::get_nested_tensor_impl(tensor)->get_unsafe_storage_as_tensor();
}

bool consists_of_parts(const at::Tensor& tensor) {
  return tensor.is_nested() || tensor.layout() != at::kStrided;
}

// The device tensor whose dense parts are what `part` makes of those of the CPU tensor.
at::Tensor of_parts(const at::Tensor& host,
                    const std::function<at::Tensor(const at::Tensor&)>& part) {
  const at::AutoDispatchBelowADInplaceOrView below;
  if (host.is_nested()) return nested_over(part(nested_buffer(host)), host);
  if (host.layout() == at::kSparse) {
    const auto* parts = at::sparse::get_sparse_impl(host);
    at::Tensor tensor = at::detail::make_tensor<at::SparseTensorImpl>(
        c10::DispatchKeySet(c10::DispatchKey::SparsePrivateUse1), host.dtype());
    auto* impl = at::sparse::get_sparse_impl(tensor);
    impl->resize_(parts->sparse_dim(), parts->dense_dim(), host.sizes());
    impl->set_indices_and_values_unsafe(part(parts->indices()), part(parts->values()));
    impl->set_coalesced(parts->coalesced());
    return tensor;
  }
  const auto* parts = static_cast<at::SparseCsrTensorImpl*>(host.unsafeGetTensorImpl());
  at::Tensor tensor = at::detail::make_tensor<at::SparseCsrTensorImpl>(
      c10::DispatchKeySet(c10::DispatchKey::SparseCsrPrivateUse1), record::kDevice, host.layout(),
      host.dtype());
  static_cast<at::SparseCsrTensorImpl*>(tensor.unsafeGetTensorImpl())
      ->set_member_tensors(part(parts->compressed_indices()), part(parts->plain_indices()),
                           part(parts->values()), host.sizes());
  return tensor;
}

// One opaque call: device tensors to CPU tensors over the same memory, and back.
class OpaqueCall {
 public:
  OpaqueCall(const record::OpInfo& op, torch::jit::Stack* stack) : op_(op), stack_(stack) {}

  void run() {
    Recorder& recorder = record::recorder();
    recorder.hooks().ensure_running();
    recorder.count_opaque();
    recorder.queue().wait(recorder.queue().appended());
    recorder.warnings().issue();
    const auto args = torch::jit::last(*stack_, op_.args.size());
    torch::jit::Stack host;
    host.reserve(args.size());
    for (const auto& argument : args) {
      // `.to("cpu")` of what is not dense: the result is asked for where it is.
      stays_on_host_ |= argument.isDevice() && argument.toDevice().is_cpu();
      host.push_back(to_cpu(argument));
    }
    {
      const run::HostAllocatorScope memory;
      op_.handle.callBoxed(&host);
    }
    for (const Pair& pair : pairs_) write_back(pair);
    std::vector<c10::IValue> results;
    for (size_t i = 0; i < host.size(); ++i) {
      const int aliased = i < op_.returns.size() ? op_.returns[i].aliased_arg : -1;
      results.push_back(aliased >= 0 && args[aliased].isTensor() ? args[aliased]
                                                                 : from_cpu(host[i]));
    }
    torch::jit::drop(*stack_, op_.args.size());
    for (auto& result : results) stack_->push_back(std::move(result));
  }

 private:
  struct Pair {
    at::Tensor device;
    at::Tensor host;
  };

  at::Tensor tensor_to_cpu(const at::Tensor& tensor) {
    if (!on_device(tensor)) return tensor;
    pairs_.push_back({tensor, to_host(tensor)});
    // Kernels ask: sparse.mm keeps what its gradient needs only then. Below autograd, which has
    // seen the call; a custom op may have no such entry.
    if (tensor.requires_grad() && op_.name.starts_with("aten::"))
      pairs_.back().host.set_requires_grad(true);
    // Now: a call may give an argument other parts than those whose memory they share here.
    for (Pair& part : strided_parts(pairs_.back())) parts_.push_back(std::move(part));
    return pairs_.back().host;
  }

  c10::IValue to_cpu(const c10::IValue& value) {
    if (value.isTensor()) return tensor_to_cpu(value.toTensor());
    if (value.isDevice() && value.toDevice().type() == c10::DeviceType::PrivateUse1) {
      return c10::Device(c10::DeviceType::CPU);
    }
    if (value.isGenerator() && value.toGenerator().device().type() == c10::DeviceType::PrivateUse1)
      return {};
    if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& item : value.toTensorVector()) list.push_back(tensor_to_cpu(item));
      return list;
    }
    if (value.isOptionalTensorList()) {
      c10::List<std::optional<at::Tensor>> list;
      for (const std::optional<at::Tensor>& item : value.toOptionalTensorList()) {
        list.push_back(item ? std::make_optional(tensor_to_cpu(*item)) : std::nullopt);
      }
      return list;
    }
    return value;
  }

  c10::IValue from_cpu(const c10::IValue& value) {
    if (value.isTensor()) return tensor_from_cpu(value.toTensor());
    if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& item : value.toTensorVector()) list.push_back(tensor_from_cpu(item));
      return list;
    }
    return value;
  }

  at::Tensor tensor_from_cpu(const at::Tensor& host) {
    if (!host.defined() || !host.device().is_cpu()) return host;
    if (stays_on_host_) return host;
    for (const Pair& pair : pairs_) {
      if (pair.host.is_same(host)) return pair.device;
    }
    // Their parts may be an argument's.
    if (consists_of_parts(host)) {
      return of_parts(host, [this](const at::Tensor& part) { return part_from_cpu(part); });
    }
    if (at::Tensor view = alias_of_known(host); view.defined()) return view;
    return adopt(host);
  }

  // A device tensor over the storage that a result shares with an argument.
  at::Tensor alias_of_known(const at::Tensor& host) {
    if (!host.has_storage()) return {};
    for (const auto& [part, part_host] : parts_) {
      if (!part_host.storage().is_alias_of(host.storage())) continue;
      return like_host(part.storage(), host);
    }
    return {};
  }

  static std::vector<Pair> strided_parts(const Pair& pair) {
    if (pair.device.is_nested()) return {{nested_buffer(pair.device), nested_buffer(pair.host)}};
    if (pair.device.layout() == at::kStrided) {
      return pair.device.has_storage() && pair.host.has_storage() ? std::vector<Pair>{pair}
                                                                  : std::vector<Pair>{};
    }
    if (pair.device.layout() == at::kSparse) {
      const auto* device = at::sparse::get_sparse_impl(pair.device);
      const auto* host = at::sparse::get_sparse_impl(pair.host);
      return {{device->indices(), host->indices()}, {device->values(), host->values()}};
    }
    const auto* device = static_cast<at::SparseCsrTensorImpl*>(pair.device.unsafeGetTensorImpl());
    const auto* host = static_cast<at::SparseCsrTensorImpl*>(pair.host.unsafeGetTensorImpl());
    return {{device->compressed_indices(), host->compressed_indices()},
            {device->plain_indices(), host->plain_indices()},
            {device->values(), host->values()}};
  }

  // What the call changed of an argument besides its memory: sizes, storage, sparse parts.
  void write_back(const Pair& pair) {
    if (pair.device.is_nested()) return;  // ops write a nested tensor's buffer only
    if (pair.device.layout() == at::kStrided) {
      if (pair.device.has_storage() && pair.host.has_storage()) write_back_dense(pair);
      return;
    }
    if (pair.device.layout() == at::kSparse) {
      write_back_sparse(pair);
    } else {
      write_back_compressed(pair);
    }
  }

  void write_back_sparse(const Pair& pair) {
    auto* device = at::sparse::get_sparse_impl(pair.device);
    const auto* host = at::sparse::get_sparse_impl(pair.host);
    const at::Tensor indices = part_from_cpu(host->indices());
    const at::Tensor values = part_from_cpu(host->values());
    if (pair.device.sizes() != pair.host.sizes() || device->sparse_dim() != host->sparse_dim()) {
      device->raw_resize_(host->sparse_dim(), host->dense_dim(), pair.host.sizes());
    }
    device->set_indices_and_values_unsafe(indices, values);
    device->set_coalesced(host->coalesced());
  }

  void write_back_compressed(const Pair& pair) {
    auto* device = static_cast<at::SparseCsrTensorImpl*>(pair.device.unsafeGetTensorImpl());
    const auto* host = static_cast<at::SparseCsrTensorImpl*>(pair.host.unsafeGetTensorImpl());
    device->set_member_tensors(part_from_cpu(host->compressed_indices()),
                               part_from_cpu(host->plain_indices()), part_from_cpu(host->values()),
                               pair.host.sizes());
  }

  // A part of a sparse argument, as the call left it, or of a result.
  at::Tensor part_from_cpu(const at::Tensor& host) {
    for (const auto& [part, part_host] : parts_) {
      if (part_host.is_same(host)) return part;
    }
    return tensor_from_cpu(host);
  }

  static void write_back_dense(const Pair& pair) {
    c10::TensorImpl& device = *pair.device.unsafeGetTensorImpl();
    const c10::TensorImpl& host = *pair.host.unsafeGetTensorImpl();
    VirtualStorage& storage = record::require_storage(device);
    if (!storage.memory.is_alias_of(pair.host.storage())) {
      storage.memory = pair.host.storage();
      storage.shadow.reset();
    }
    storage.version = 0;
    const size_t nbytes = storage.memory.nbytes();
    if (nbytes != storage.nbytes) {
      storage.nbytes = nbytes;
      storage.shadow.reset();
      device.unsafe_storage().unsafeGetStorageImpl()->set_nbytes(nbytes);
    }
    const record::Geometry geometry = record::geometry_of(host);
    if (record::recorder().observed()) {
      const record::SiteId site = record::current_site();
      record::recorder().tell([&](record::Observer& observer) {
        observer.resized(storage, nbytes);
        observer.entered(storage, geometry, geometry.offset, pair.host, site);
      });
    }
    if (pair.device.is_quantized()) {
      at::set_quantizer_(pair.device, pair.host.quantizer());
    }
    if (device.sizes() != host.sizes() || device.strides() != host.strides() ||
        device.storage_offset() != host.storage_offset()) {
      device.set_sizes_and_strides(host.sizes(), host.strides(), host.storage_offset());
    }
  }

  const record::OpInfo& op_;
  torch::jit::Stack* stack_;
  bool stays_on_host_ = false;  // the call asks for results on the CPU
  std::vector<Pair> pairs_;     // tensor arguments
  std::vector<Pair> parts_;     // the dense tensors they consist of, as they were before the call
};

}  // namespace

at::Tensor to_host(const at::Tensor& tensor) {
  if (!on_device(tensor)) return tensor;
  record::recorder().hooks().ensure_running();
  const at::AutoDispatchBelowADInplaceOrView below;
  if (tensor.is_nested()) return nested_over(to_host(nested_buffer(tensor)), tensor);
  if (tensor.layout() == at::kSparse) return sparse_to_host(tensor);
  if (is_compressed(tensor)) return compressed_to_host(tensor);
  if (tensor._is_zerotensor()) return zero_tensor_to_host(tensor);
  return dense_to_host(tensor);
}

at::Tensor adopt(const at::Tensor& host) {
  if (!host.defined() || on_device(host)) return host;
  if (consists_of_parts(host)) return of_parts(host, adopt);
  if (!host.has_storage())
    return at::_efficientzerotensor(host.sizes(), host.options().device(record::kDevice));
  const at::AutoDispatchBelowADInplaceOrView below;
  const at::Tensor adopted = record::recorder().adopt_dense(host);
  return host.is_quantized() ? like_host(adopted.storage(), host) : adopted;
}

void run_opaque(const record::OpInfo& op, torch::jit::Stack* stack) { OpaqueCall(op, stack).run(); }

void opaque_fallback(const c10::OperatorHandle& handle, c10::DispatchKeySet /*keys*/,
                     torch::jit::Stack* stack) {
  run_opaque(record::op_info(handle), stack);
}

}  // namespace trireme::device
