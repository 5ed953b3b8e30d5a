// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/virtual_storage.h"

#include "trireme/record/recorder.h"

namespace trireme::record {

void release_storage(void* context) { recorder().release(static_cast<VirtualStorage*>(context)); }

VirtualStorage& require_storage(const c10::StorageImpl& storage) {
  VirtualStorage* found = virtual_storage(storage);
  TORCH_CHECK(found != nullptr,
              "trireme: a tensor has no data that the device knows of: its storage was made of an "
              "address (a slice of a storage, a DLPack capsule), but the device's addresses hold "
              "no memory. Use a view of the tensor instead, or go through .cpu()");
  return *found;
}

}  // namespace trireme::record
