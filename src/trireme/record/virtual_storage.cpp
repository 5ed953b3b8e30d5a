// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/virtual_storage.h"

#include "trireme/record/recorder.h"
#include "trireme/record/storage_blocks.h"

namespace trireme::record {

void* VirtualStorage::operator new(size_t bytes) { return storage_blocks::take(bytes); }

void VirtualStorage::operator delete(void* block) noexcept { storage_blocks::give_back(block); }

void release_storage(void* context) { recorder().release(static_cast<VirtualStorage*>(context)); }

VirtualStorage& require_storage(const c10::StorageImpl& storage) {
  VirtualStorage* found = virtual_storage(storage);
  TORCH_CHECK(found != nullptr,
              "trireme: a tensor has no data that the device knows of: its storage was made of an "
              "address (a slice of a storage, a DLPack capsule), but the device's addresses hold "
              "no memory. Use a view of the tensor instead, or go through .cpu()");
  return *found;
}

namespace {

std::atomic<c10::DeleterFnPtr> slice_deleter{nullptr};

}  // namespace

void learn_slices(const c10::StorageImpl& slice) { slice_deleter = slice.data_ptr().get_deleter(); }

// The context of a slice's data is the storage that it is a slice of.
std::optional<StorageSlice> slice_of(const c10::StorageImpl& storage) {
  const c10::DataPtr& data = storage.data_ptr();
  const c10::DeleterFnPtr deleter = slice_deleter;
  if (deleter == nullptr || data.get_deleter() != deleter) return std::nullopt;
  auto* whole = static_cast<c10::StorageImpl*>(data.get_context());
  const auto start = static_cast<const std::byte*>(data.get()) -
                     static_cast<const std::byte*>(whole->data_ptr().get());
  c10::Storage owner(c10::intrusive_ptr<c10::StorageImpl>::reclaim_copy(whole));
  if (auto outer = slice_of(*whole)) {
    return StorageSlice{std::move(outer->whole), outer->start + static_cast<size_t>(start)};
  }
  return StorageSlice{std::move(owner), static_cast<size_t>(start)};
}

}  // namespace trireme::record
