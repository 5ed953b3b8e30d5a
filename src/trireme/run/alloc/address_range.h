// SPDX-License-Identifier: Apache-2.0
// One reserved run of virtual addresses, and the system calls on pieces of it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace trireme::run {

inline constexpr size_t kPageBytes = 4096;
inline constexpr size_t kChunkBytes = size_t{2} << 20;  // a huge page, and what moves at once
inline constexpr uint32_t kChunkPages = kChunkBytes / kPageBytes;

// Whether the kernel gives huge pages to memory that asks for them.
bool huge_pages_offered();

// Anonymous memory for a table that is sparse: zero, resident only where written. Throws
// std::bad_alloc.
void* map_sparse(size_t bytes);
void unmap(void* start, size_t bytes) noexcept;

// Addresses are offsets from base(). Nothing in the range is accessible until it was opened.
class AddressRange {
 public:
  // Reserves `bytes`, or less (halving) where the system refuses or RLIMIT_AS is small.
  explicit AddressRange(size_t bytes);
  ~AddressRange();
  AddressRange(const AddressRange&) = delete;
  AddressRange& operator=(const AddressRange&) = delete;

  std::byte* base() const { return base_; }
  size_t size() const { return size_; }
  bool contains(const void* pointer) const {
    return reinterpret_cast<uintptr_t>(pointer) - reinterpret_cast<uintptr_t>(base_) < size_;
  }

  // Makes [offset, offset + bytes) readable and writable. False: the system refuses (out of commit
  // charge).
  bool open(size_t offset, size_t bytes) noexcept;
  // Gives the pages back to the system; reads as zero afterwards.
  bool purge(size_t offset, size_t bytes) noexcept;
  // Asks for, or forbids, huge pages.
  void huge(size_t offset, size_t bytes, bool wanted) noexcept;
  // Moves the physical pages of one chunk to another chunk that has none: no fault, no zeroing, no
  // copy.
  bool move_chunk(size_t from, size_t to) noexcept;

 private:
  void* mapping_ = nullptr;
  size_t mapping_bytes_ = 0;
  std::byte* base_ = nullptr;
  size_t size_ = 0;
  bool can_move_ = true;
};

}  // namespace trireme::run
