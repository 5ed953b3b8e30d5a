// SPDX-License-Identifier: Apache-2.0
// What the tests of the host allocator share: sizes as programs have them, and what the kernel
// says.
#pragma once

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "trireme/run/alloc/host_allocator.h"

namespace trireme::run::testing {

inline HostAllocatorOptions small_range() {
  HostAllocatorOptions options;
  options.reserve_bytes = size_t{16} << 30;
  options.limit_bytes = size_t{8} << 30;
  return options;
}

// Heavy-tailed, as a program's are: from a byte to `most`, each power of two as likely.
inline size_t random_size(std::mt19937_64& random, size_t most) {
  const int bits = 63 - __builtin_clzll(most);
  const size_t top = size_t{1} << std::uniform_int_distribution<int>(0, bits)(random);
  return std::min(most, std::uniform_int_distribution<size_t>(1, 2 * top)(random));
}

inline uint64_t minor_faults() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_minflt);
}

inline size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  size_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * static_cast<size_t>(getpagesize());
}

// By mincore: pages of [start, start + bytes) that are in memory.
inline size_t resident_bytes(const void* start, size_t bytes) {
  const auto page = static_cast<size_t>(getpagesize());
  std::vector<unsigned char> in(bytes / page);
  if (mincore(const_cast<void*>(start), in.size() * page, in.data()) != 0) return SIZE_MAX;
  size_t count = 0;
  for (const unsigned char flags : in) count += flags & 1;
  return count * page;
}

// Writes a word to every page: enough to make a block resident and to tell it from others.
inline void mark(void* pointer, size_t bytes, uint64_t value) {
  for (size_t at = 0; at < bytes; at += 4096) {
    std::memcpy(static_cast<std::byte*>(pointer) + at, &value, std::min(sizeof(value), bytes - at));
  }
}

inline bool marked(const void* pointer, size_t bytes, uint64_t value) {
  for (size_t at = 0; at < bytes; at += 4096) {
    const auto* const start = static_cast<const std::byte*>(pointer) + at;
    if (std::memcmp(start, &value, std::min(sizeof(value), bytes - at)) != 0) return false;
  }
  return true;
}

// The blocks a program holds, and what it wrote to them.
class Model {
 public:
  explicit Model(HostAllocator& allocator) : allocator_(allocator) {}
  ~Model() {
    while (!order_.empty()) free(0);
  }
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  // Null where the block overlaps another or is not aligned.
  void* allocate(size_t bytes) {
    void* const pointer = allocator_.allocate(bytes);
    auto* const start = static_cast<std::byte*>(pointer);
    const auto next = blocks_.lower_bound(start);
    const bool clear_above = next == blocks_.end() || start + bytes <= next->first;
    const bool clear_below =
        next == blocks_.begin() || std::prev(next)->first + std::prev(next)->second.bytes <= start;
    const bool aligned = reinterpret_cast<uintptr_t>(pointer) % 64 == 0;
    if (!clear_above || !clear_below || !aligned) return nullptr;
    mark(pointer, bytes, ++value_);
    blocks_[start] = {bytes, value_};
    order_.push_back(start);
    return pointer;
  }
  // False where somebody else wrote to the block.
  bool free(size_t index) {
    std::swap(order_[index], order_.back());
    std::byte* const pointer = order_.back();
    order_.pop_back();
    const auto at = blocks_.find(pointer);
    const bool intact = marked(pointer, at->second.bytes, at->second.value);
    blocks_.erase(at);
    allocator_.free(pointer);
    return intact;
  }
  bool free_any(std::mt19937_64& random) { return free(random() % order_.size()); }
  size_t count() const { return order_.size(); }

 private:
  struct Block {
    size_t bytes;
    uint64_t value;
  };
  HostAllocator& allocator_;
  std::map<std::byte*, Block> blocks_;
  std::vector<std::byte*> order_;
  uint64_t value_ = 0x0102030405060708;
};

}  // namespace trireme::run::testing
