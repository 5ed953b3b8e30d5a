// SPDX-License-Identifier: Apache-2.0
// Small blocks: equal blocks in slabs, one size class a slab.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "trireme/run/alloc/address_range.h"

namespace trireme::run {

inline constexpr size_t kSmallAlign = 64;  // AVX-512, and a cache line
inline constexpr size_t kSmallMost = 32 * 1024;
inline constexpr size_t kSlabBytes = 256 * 1024;

// Multiples of 64 bytes up to 1 KiB, then four to a doubling.
inline constexpr uint32_t kSmallClasses = 16 + 4 * 5;

constexpr uint32_t small_class(size_t bytes) {
  if (bytes <= 1024) return static_cast<uint32_t>((bytes + 63) / 64) - 1;
  const uint32_t top = 63 - static_cast<uint32_t>(__builtin_clzll(bytes - 1));  // 10..14
  return 16 + (top - 10) * 4 + static_cast<uint32_t>((bytes - 1) >> (top - 2) & 3);
}

constexpr size_t small_class_bytes(uint32_t size_class) {
  if (size_class < 16) return (size_class + 1) * kSmallAlign;
  const uint32_t step = size_class - 16;
  return (size_t{256} << step / 4) * (step % 4 + 5);
}

// Not thread-safe. Blocks are offsets from the pool's start. The free blocks are a bitmap outside
// the slab: memory after free is not written, the lowest block is taken first, and a second free is
// noticed.
class SmallPool {
 public:
  static constexpr size_t kNowhere = SIZE_MAX;

  // Uses [offset, offset + bytes) of `range`, multiples of a chunk.
  SmallPool(AddressRange& range, size_t offset, size_t bytes);
  ~SmallPool();
  SmallPool(const SmallPool&) = delete;
  SmallPool& operator=(const SmallPool&) = delete;

  // An offset, or kNowhere when addresses are used up.
  size_t allocate(uint32_t size_class) {
    const uint32_t id = partial_[size_class];
    if (id == kNone) [[unlikely]]
      return allocate_from_new_slab(size_class);
    return take(id, slabs_[id]);
  }
  // The block's size; 0 when no live block starts there.
  size_t free(size_t offset);
  size_t block_bytes(size_t offset) const;

  // Purges empty slabs until `bytes` were given back or none is left; what was given back.
  size_t trim(size_t bytes);

  size_t resident_bytes() const { return resident_; }
  uint64_t purges() const { return purges_; }
  void reset_counters() { purges_ = 0; }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr uint32_t kWords = kSlabBytes / kSmallAlign / 64;
  struct Slab {
    uint64_t words_with_free;  // bit w: free[w] is not zero
    std::array<uint64_t, kWords> free;
    uint32_t used;
    uint32_t capacity;
    uint32_t block_bytes;  // 0: in no class
    uint32_t reciprocal;   // of block_bytes / 64, times 2^32
    uint32_t touched;      // bytes from the start that count as resident
    uint32_t size_class;
    uint32_t previous;  // in the class's list of slabs with a free block, or the list of empty ones
    uint32_t next;
  };
  struct Place {
    Slab* slab;
    uint32_t block;
  };

  size_t take(uint32_t id, Slab& slab) {
    const auto word = static_cast<uint32_t>(__builtin_ctzll(slab.words_with_free));
    const auto bit = static_cast<uint32_t>(__builtin_ctzll(slab.free[word]));
    slab.free[word] &= slab.free[word] - 1;
    if (slab.free[word] == 0) slab.words_with_free &= ~(uint64_t{1} << word);
    if (++slab.used == slab.capacity) unlink(partial_[slab.size_class], id);
    const uint32_t start = (word * 64 + bit) * slab.block_bytes;
    if (start + slab.block_bytes > slab.touched) touch(slab, start + slab.block_bytes);
    return id * kSlabBytes + start;
  }
  size_t allocate_from_new_slab(uint32_t size_class);
  void touch(Slab& slab, uint32_t end);
  uint32_t new_slab();
  Place place(size_t offset) const;
  void link(uint32_t& head, uint32_t id);
  void unlink(uint32_t& head, uint32_t id);
  bool purge(uint32_t id);

  AddressRange& range_;
  size_t offset_;
  uint32_t limit_;         // slabs there can be
  uint32_t frontier_ = 0;  // slabs there are
  uint32_t opened_ = 0;    // slabs that are accessible
  Slab* slabs_;
  std::array<uint32_t, kSmallClasses> partial_;
  uint32_t empty_ = kNone;  // in no class
  size_t resident_ = 0;
  uint64_t purges_ = 0;
};

}  // namespace trireme::run
