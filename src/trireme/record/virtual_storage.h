// SPDX-License-Identifier: Apache-2.0
// The storage behind a device tensor: a name for memory that the executor provides when it gets
// there.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Storage.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "trireme/record/call_error.h"

namespace trireme::record {

// Life: made by the device allocator on any thread; owned by the DataPtr of the program's
// StorageImpl; when that dies a release is appended to the queue, and the executor, having run
// every call that names the storage, deletes it. Calls therefore hold plain pointers: no reference
// is counted per call.
//
// `memory`, `shadow`, `error` and `version` belong to the executor thread; another thread may read
// them after it has waited for `last_write` (and write them after it has waited for `last_use`).
struct VirtualStorage {
  explicit VirtualStorage(uint64_t id_, size_t nbytes_) : id(id_), nbytes(nbytes_) {}

  uint64_t id;                          // unique in the process, in order of creation
  std::atomic<size_t> nbytes;           // as the program sees it
  std::atomic<uint64_t> last_use{0};    // number of the last recorded call that names it (0: none)
  std::atomic<uint64_t> last_write{0};  // number of the last recorded call that writes it

  // The program writes what stands above for every call, while the executor reads what stands
  // below: not in one cache line.
  std::array<std::byte, 64> apart{};

  c10::Storage memory;  // CPU memory; null until first needed
  at::Tensor shadow;    // last CPU tensor made over `memory`, kept for the next call
  std::shared_ptr<const CallError> error;  // set when the call that should have written it failed
  // Names what `memory` holds, for those who keep what they made of it: no two contents have the
  // same number. 0: not named yet. Whoever may have written to `memory` sets it to 0.
  uint64_t version = 0;
  // Its number in the segment log that the executor fills, which has this stamp. The executor's.
  uint64_t log_stamp = 0;
  uint32_t log_id = 0;

  // Blocks that are used again (storage_blocks.h).
  static void* operator new(size_t bytes);
  static void operator delete(void* block) noexcept;
};

// The deleter of the DataPtrs that own a VirtualStorage: the program has dropped the storage.
void release_storage(void* context);

// The virtual storage of a device tensor's or storage's data pointer. Null for a null storage, and
// for one that PyTorch made of a mere address (see require_storage).
inline VirtualStorage* virtual_storage(const c10::StorageImpl& storage) {
  const c10::DataPtr& data = storage.data_ptr();
  if (data.get_deleter() != &release_storage) [[unlikely]]
    return nullptr;
  return static_cast<VirtualStorage*>(data.get_context());
}
inline VirtualStorage* virtual_storage(const c10::TensorImpl& tensor) {
  return virtual_storage(*tensor.unsafe_storage().unsafeGetStorageImpl());
}

// The same, where there must be one: throws for a storage that was made of an address (a slice of a
// storage, a DLPack capsule), behind which there is no memory.
VirtualStorage& require_storage(const c10::StorageImpl& storage);
inline VirtualStorage& require_storage(const c10::TensorImpl& tensor) {
  return require_storage(*tensor.unsafe_storage().unsafeGetStorageImpl());
}

// A part of another storage's bytes, as `storage[2:8]` in Python makes it.
struct StorageSlice {
  c10::Storage whole;
  size_t start = 0;  // bytes
};
// None: it is no slice, or slices are not known yet.
std::optional<StorageSlice> slice_of(const c10::StorageImpl& storage);
// Shows what a slice looks like, any device's: its deleter stands in no header of PyTorch.
void learn_slices(const c10::StorageImpl& slice);

}  // namespace trireme::record
