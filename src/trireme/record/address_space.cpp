// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/address_space.h"

#include <sys/mman.h>

#include <new>

namespace trireme::record {

AddressSpace::AddressSpace() {
  // As much as the system grants; 16 TiB lasts for days of allocating a gigabyte each second.
  for (size_t size = size_t{1} << 44U; size >= size_t{1} << 32U; size /= 2) {
    void* base =
        ::mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) continue;
    begin_ = reinterpret_cast<uintptr_t>(base);
    end_ = begin_ + size;
    next_.store(begin_, std::memory_order_relaxed);
    return;
  }
  throw std::bad_alloc();
}

}  // namespace trireme::record
