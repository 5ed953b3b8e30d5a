// SPDX-License-Identifier: Apache-2.0
// The caching allocator that CPU kernels on the executor thread allocate from. No torch here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>

#include "trireme/base/spin_lock.h"
#include "trireme/run/alloc/address_range.h"
#include "trireme/run/alloc/extent_pool.h"
#include "trireme/run/alloc/small_pool.h"

namespace trireme::run {

struct HostAllocatorOptions {
  size_t reserve_bytes = size_t{1} << 40;  // of addresses; less where the system refuses
  std::optional<size_t> limit_bytes;       // of live blocks; without: the system's memory
  // If the kernel offers them. The first touch of one compacts memory and clears 2 MiB: measured,
  // the first step of a 6-layer GPT-2 takes 1.5 times as long as without, later steps no less.
  bool huge_pages = false;
  bool move_pages = true;  // rather than purge here and fault there
  bool poison = false;     // fill fresh blocks with 0xFF: a NaN in every float type

  // TRIREME_ALLOC_LIMIT (bytes), TRIREME_ALLOC_HUGE_PAGES, TRIREME_ALLOC_MOVE, TRIREME_ALLOC_POISON
  // (0 or 1).
  static HostAllocatorOptions from_environment();
};

// Exact. Bytes are those of whole blocks: a request rounded up to its size class, or to pages.
struct HostAllocatorStats {
  struct Stat {
    uint64_t current = 0;
    uint64_t peak = 0;
    uint64_t allocated = 0;  // sum of all increases
    uint64_t freed = 0;      // sum of all decreases
  };
  Stat allocated_bytes;  // live blocks
  Stat allocations;      // their number
  Stat reserved_bytes;   // resident pages, of live blocks and free ones
  uint64_t purges = 0;   // calls that gave pages back to the system
  uint64_t purged_bytes = 0;
  uint64_t moved_bytes = 0;  // pages put under other addresses
  uint64_t fresh_bytes = 0;  // of large blocks, left to be faulted in
  uint64_t ooms = 0;
  uint64_t limit_bytes = 0;
  uint64_t address_bytes = 0;  // reserved range
};

// Thread-safe. Freed pages stay resident and are used again, so repeated work takes no page faults;
// yet no more than the peak of the live bytes, 1/64 of it and 8 MiB are ever resident: past that,
// free pages are moved to where they are needed, or purged.
class HostAllocator {
 public:
  explicit HostAllocator(const HostAllocatorOptions& options = {});
  ~HostAllocator();
  HostAllocator(const HostAllocator&) = delete;
  HostAllocator& operator=(const HostAllocator&) = delete;

  // The process's own. Never destroyed: tensors in static objects, and threads that outlive main,
  // free after any destructor would have run.
  static HostAllocator& instance();

  // Aligned to 64 bytes at least; nullptr for 0 bytes. Throws trireme::OutOfMemory.
  void* allocate(size_t bytes);
  // Of any thread. nullptr is ignored; aborts, with a message, for what is not a live block of this
  // allocator.
  void free(void* pointer) noexcept;

  bool owns(const void* pointer) const noexcept { return range_.contains(pointer); }
  // Usable bytes of the live block that starts at `pointer`; 0 if none does.
  size_t block_bytes(const void* pointer) const noexcept;

  HostAllocatorStats stats() const;
  void reset_peak();
  void reset_accumulated();

  // Gives all free resident pages back to the system, and forgets the peak that they were kept for.
  void empty_cache();

  // Of the live bytes; what is live already stays. nullopt: the system's memory.
  void set_limit(std::optional<size_t> bytes);
  size_t limit() const;

  // Aborts when the bookkeeping contradicts itself. Slow; for tests.
  void check() const;

 private:
  friend struct ForkHandlers;

  void* allocate_small(size_t bytes);
  void* allocate_large(size_t bytes);
  void add(size_t bytes);
  void remove(size_t bytes);
  void note_reserved();
  uint64_t ceiling(uint64_t live) const;
  void trim(uint64_t most);
  void settle();
  size_t offset_of(const void* pointer) const {
    return static_cast<size_t>(static_cast<const std::byte*>(pointer) - range_.base());
  }
  [[noreturn]] void out_of_memory(size_t bytes, const char* why);

  const bool poison_;
  AddressRange range_;
  const size_t small_bytes_;  // the start of the range belongs to small_, the rest to large_

  // Order: large_lock_ before lock_. System calls are made under large_lock_ (rarely, for slabs,
  // under lock_).
  mutable std::mutex large_lock_;
  ExtentPool large_;

  mutable base::SpinLock lock_;  // the rest
  SmallPool small_;
  HostAllocatorStats stats_;
  uint64_t large_resident_ = 0;
  uint64_t kept_peak_ = 0;  // of the live bytes, since the cache was emptied
  size_t limit_;
};

}  // namespace trireme::run
