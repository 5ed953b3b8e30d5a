// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/device_tensor.h"

#include <ATen/core/List.h>
#include <c10/core/TensorImpl.h>

#include <algorithm>

namespace trireme::record {
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

at::Tensor Outputs::next() {
  const OutputSlot& slot = form_.outputs[next_++];
  switch (slot.kind) {
    case OutputSlot::Kind::Undefined:
      return {};
    case OutputSlot::Kind::Arg:
      return at::Tensor(c10::intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>::reclaim_copy(
          arguments_[slot.index]));
    case OutputSlot::Kind::ArgStorage: {
      // The output lies where it lay in the first call, relative to the argument.
      const c10::TensorImpl& argument = *arguments_[slot.index];
      const int64_t shift = slot.geometry.offset - form_.tensors[slot.index].offset;
      return make_device_tensor(argument.storage(), slot.geometry,
                                argument.storage_offset() + shift);
    }
    case OutputSlot::Kind::Fresh:
      return make_device_tensor(fresh_[slot.index], slot.geometry, slot.geometry.offset);
  }
  return {};
}

std::vector<c10::IValue> Outputs::all() {
  std::vector<c10::IValue> results;
  results.reserve(form_.returns.size());
  for (const ReturnSlot& returned : form_.returns) {
    if (!returned.list) {
      results.emplace_back(next());
      continue;
    }
    c10::List<at::Tensor> list;
    list.reserve(returned.count);
    for (uint32_t i = 0; i < returned.count; ++i) list.push_back(next());
    results.emplace_back(std::move(list));
  }
  return results;
}

void apply_updates(const CallForm& form, c10::ArrayRef<c10::TensorImpl*> arguments) {
  for (const ArgUpdate& update : form.updates) {
    c10::TensorImpl& tensor = *arguments[update.tensor];
    c10::StorageImpl& storage = *tensor.unsafe_storage().unsafeGetStorageImpl();
    // As resize_ does: a storage grows to what is needed and never shrinks.
    const size_t nbytes = std::max(storage.nbytes(), bytes_needed(update.geometry));
    storage.set_nbytes(nbytes);
    virtual_storage(tensor)->nbytes = nbytes;
    tensor.set_sizes_and_strides(update.geometry.sizes(), update.geometry.strides());
    // linalg.lu_solve gives a complex `out` its conj bit.
    if (tensor.is_conj() != update.geometry.conj) tensor._set_conj(update.geometry.conj);
    if (tensor.is_neg() != update.geometry.neg) tensor._set_neg(update.geometry.neg);
  }
}

}  // namespace trireme::record
