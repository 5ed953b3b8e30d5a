// SPDX-License-Identifier: Apache-2.0
// Addresses for storages that have no memory of their own in the program's eyes.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace trireme::record {

// A reserved, inaccessible range: each storage gets a part of it as large as its data, so that
// data_ptr() is unique per storage and tells views apart, and a program that reads it faults
// instead of reading something else.
class AddressSpace {
 public:
  AddressSpace();

  // A part of `nbytes`, aligned to 64 bytes, never null. Parts repeat only after the whole range
  // was handed out.
  void* take(size_t nbytes) {
    const size_t size = (nbytes + kAlignment) & ~(kAlignment - 1);
    uintptr_t at = next_.fetch_add(size, std::memory_order_relaxed);
    if (at + size > end_) [[unlikely]] {
      next_.store(begin_ + size, std::memory_order_relaxed);
      at = begin_;
    }
    return reinterpret_cast<void*>(
        at);  // NOLINT(performance-no-int-to-ptr): an address that is never read
  }

  bool contains(const void* address) const {
    const auto at = reinterpret_cast<uintptr_t>(address);
    return at >= begin_ && at < end_;
  }

 private:
  static constexpr size_t kAlignment = 64;
  uintptr_t begin_ = 0;
  uintptr_t end_ = 0;
  std::atomic<uintptr_t> next_{0};
};

}  // namespace trireme::record
