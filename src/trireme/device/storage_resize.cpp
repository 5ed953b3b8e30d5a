// SPDX-License-Identifier: Apache-2.0
#include "trireme/device/storage_resize.h"

#include <algorithm>
#include <cstring>

#include "trireme/record/device_tensor.h"
#include "trireme/record/recorder.h"
#include "trireme/run/alloc/c10_adapter.h"

namespace trireme::device {
namespace {

// On the executor's thread.
void resize_memory(record::VirtualStorage& storage, size_t nbytes) {
  storage.shadow.reset();
  storage.version = 0;
  if (!storage.memory || storage.memory.nbytes() == nbytes) return;
  c10::Allocator* allocator = run::host_allocator();
  c10::DataPtr data = allocator->allocate(nbytes);
  const size_t kept = std::min(nbytes, storage.memory.nbytes());
  if (kept > 0) std::memcpy(data.get(), storage.memory.data(), kept);
  storage.memory = c10::Storage(c10::make_intrusive<c10::StorageImpl>(
      c10::StorageImpl::use_byte_size_t(), nbytes, std::move(data), allocator, /*resizable=*/true));
}

}  // namespace

void resize_storage(const c10::Storage& storage, size_t nbytes) {
  c10::StorageImpl& impl = *storage.unsafeGetStorageImpl();
  TORCH_CHECK(impl.resizable(), "Trying to resize storage that is not resizable");
  record::Recorder& recorder = record::recorder();
  if (impl.data_ptr().get_context() == nullptr) {
    impl.set_data_ptr_noswap(recorder.make_data_ptr(nbytes));
    impl.set_nbytes(nbytes);
    return;
  }
  record::VirtualStorage* name = &record::require_storage(impl);
  // A larger storage needs a longer range of addresses; the context, and with it the contents,
  // stays.
  if (nbytes > name->nbytes) {
    c10::DataPtr& data = impl._mutable_data_ptr_no_checks();
    const c10::DeleterFnPtr deleter = data.get_deleter();
    void* context = data.release_context();
    data = c10::DataPtr(recorder.take_address(nbytes), context, deleter, record::kDevice);
  }
  // Memory is made where the executor first needs it, as large as the storage is then: not after
  // it has become too small for what was recorded before.
  if (nbytes < name->nbytes) recorder.wait_for_use(*name);
  impl.set_nbytes(nbytes);
  name->nbytes = nbytes;
  recorder.tell([&](record::Observer& observer) { observer.resized(*name, nbytes); });
  recorder.append_task([name, nbytes] { resize_memory(*name, nbytes); }, {}, {name});
}

}  // namespace trireme::device
