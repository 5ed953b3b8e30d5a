// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/device_tensor.h"

#include <ATen/core/List.h>
#include <c10/core/TensorImpl.h>

#include <algorithm>

namespace trireme::record {
namespace {

at::Tensor make_output(const CallForm& form, const OutputSlot& slot,
                       c10::ArrayRef<c10::IValue> args, c10::ArrayRef<c10::Storage> fresh) {
  switch (slot.kind) {
    case OutputSlot::Kind::Undefined:
      return {};
    case OutputSlot::Kind::Arg:
      return tensor_argument(form, args, slot.index);
    case OutputSlot::Kind::ArgStorage: {
      // The output lies where it lay in the first call, relative to the argument.
      const at::Tensor& argument = tensor_argument(form, args, slot.index);
      const int64_t shift = slot.geometry.offset - form.tensors[slot.index].offset;
      return make_device_tensor(argument.storage(), slot.geometry,
                                argument.storage_offset() + shift);
    }
    case OutputSlot::Kind::Fresh:
      return make_device_tensor(fresh[slot.index], slot.geometry, slot.geometry.offset);
  }
  return {};
}

}  // namespace

void check_device(c10::Device device) {
  TORCH_CHECK(device.index() <= 0, "invalid device ordinal ", static_cast<int>(device.index()),
              ": there is one trireme device, trireme:0, whatever stands behind it");
}

at::Tensor make_device_tensor(c10::Storage storage, const Geometry& geometry, int64_t offset) {
  auto tensor = at::detail::make_tensor<c10::TensorImpl>(
      std::move(storage), c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
      c10::scalarTypeToTypeMeta(geometry.dtype));
  apply_geometry(geometry, offset, *tensor.unsafeGetTensorImpl());
  return tensor;
}

const at::Tensor& tensor_argument(const CallForm& form, c10::ArrayRef<c10::IValue> args,
                                  uint32_t index) {
  uint32_t seen = 0;
  for (size_t i = 0; i < form.args.size(); ++i) {
    const ArgSlot& slot = form.args[i];
    if (slot.kind == ArgSlot::Kind::Tensor) {
      if (seen++ == index) return args[i].toTensor();
    } else if (slot.kind == ArgSlot::Kind::TensorList) {
      const auto items = args[i].toListRef();
      for (size_t k = 0; k < items.size(); ++k) {
        if (slot.items[k].kind == ArgSlot::Kind::Tensor && seen++ == index)
          return items[k].toTensor();
      }
    }
  }
  TORCH_INTERNAL_ASSERT(false, form.op->name, " has no tensor argument number ", index);
}

std::vector<c10::IValue> make_results(const CallForm& form, c10::ArrayRef<c10::IValue> args,
                                      c10::ArrayRef<c10::Storage> fresh) {
  std::vector<c10::IValue> results;
  results.reserve(form.returns.size());
  size_t next = 0;
  for (const ReturnSlot& returned : form.returns) {
    if (!returned.list) {
      results.emplace_back(make_output(form, form.outputs[next++], args, fresh));
      continue;
    }
    c10::List<at::Tensor> list;
    list.reserve(returned.count);
    for (uint32_t i = 0; i < returned.count; ++i) {
      list.push_back(make_output(form, form.outputs[next++], args, fresh));
    }
    results.emplace_back(std::move(list));
  }
  return results;
}

void apply_updates(const CallForm& form, c10::ArrayRef<c10::IValue> args) {
  for (const ArgUpdate& update : form.updates) {
    c10::TensorImpl& tensor = *tensor_argument(form, args, update.tensor).unsafeGetTensorImpl();
    c10::StorageImpl& storage = *tensor.unsafe_storage().unsafeGetStorageImpl();
    // As resize_ does: a storage grows to what is needed and never shrinks.
    const size_t nbytes = std::max(storage.nbytes(), bytes_needed(update.geometry));
    storage.set_nbytes(nbytes);
    virtual_storage(tensor)->nbytes = nbytes;
    tensor.set_sizes_and_strides(update.geometry.sizes(), update.geometry.strides());
  }
}

}  // namespace trireme::record
