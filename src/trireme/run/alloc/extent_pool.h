// SPDX-License-Identifier: Apache-2.0
// Large blocks: runs of whole pages, and which of the free pages are resident.
#pragma once

#include <cstdint>
#include <memory_resource>
#include <set>
#include <vector>

#include "trireme/run/alloc/address_range.h"

namespace trireme::run {

// The addresses up to a frontier are tiled by segments, each of one state. A warm segment is free
// and resident, a cold one free and not resident; neighbours of the same free state are merged. The
// pages of live segments count as resident whether the program has touched them or not.
//
// Addresses are plentiful and pages are not: where no warm segment is long enough, free pages from
// elsewhere are moved under cold addresses, a chunk at a time, instead of being purged there and
// faulted in here.
//
// An empty chunk becomes resident as a whole: the first touch makes it so where there are huge
// pages, and what is whole can be moved. Only a shortage splits a chunk: pages in it, between live
// ones, are purged. Not thread-safe. Sizes and places are in pages; a place is a page number in the
// range.
class ExtentPool {
 public:
  struct Counters {
    uint64_t moved_chunks = 0;
    uint64_t purges = 0;  // calls to the system
    uint64_t purged_pages = 0;
    uint64_t fresh_pages = 0;  // pages that became resident: each first touch is a fault
  };

  static constexpr uint32_t kNowhere = UINT32_MAX;

  // Uses [offset, offset + bytes) of `range`, both multiples of a chunk.
  ExtentPool(AddressRange& range, size_t offset, size_t bytes, bool huge, bool move);
  ~ExtentPool();
  ExtentPool(const ExtentPool&) = delete;
  ExtentPool& operator=(const ExtentPool&) = delete;

  // A live segment, or kNowhere when addresses (or the system's patience) are used up. Keeps the
  // resident pages within `ceiling` as far as moving can; trim() does the rest.
  uint32_t allocate(uint32_t pages, uint64_t ceiling);
  // False: no live block starts there.
  bool free(uint32_t place);
  // Pages of the live block that starts at `place`; 0 if none does.
  uint32_t block_pages(uint32_t place) const;

  // Purges free pages until no more than `target` are resident, or no free one is.
  void trim(uint64_t target);

  uint64_t resident_pages() const { return resident_; }
  uint64_t live_pages() const { return live_; }
  const Counters& counters() const { return counters_; }
  void reset_counters() { counters_ = {}; }

  // Aborts with a message when the bookkeeping contradicts itself. Slow; for tests.
  void check() const;

 private:
  enum class State : uint8_t { Unused, Live, Warm, Cold };
  struct Segment {
    uint32_t first = 0;
    uint32_t pages = 0;
    State state = State::Unused;
    uint32_t end() const { return first + pages; }
  };
  struct Chunk {
    uint16_t resident = 0;  // pages, of live and warm segments
    bool split = false;     // was purged in part, and told not to be a huge page
    bool moved = false;     // is a mapping of its own by now
  };
  struct Window {
    uint32_t segment = 0;  // a free one that overlaps it; 0: there is no window
    uint32_t first = 0;
  };
  using Key = uint64_t;  // pages (or whole chunks) << 32 | first: in order of size, then of address
  using Index = std::pmr::set<Key>;

  static Key key(uint64_t size, uint32_t first) { return size << 32 | first; }
  static uint32_t place_of(Key key) { return static_cast<uint32_t>(key); }
  static uint32_t whole_chunks(const Segment& segment);

  uint32_t make(uint32_t first, uint32_t pages, State state);
  void drop(uint32_t id);
  void index(const Segment& segment);
  void unindex(const Segment& segment);
  void release(uint32_t first, uint32_t end, State state);
  uint32_t live_at(uint32_t place) const;

  Window over_warm(uint32_t pages);
  Window over_cold(uint32_t pages);
  bool extend_frontier(uint64_t end);
  void occupy(Window window, uint32_t pages, uint64_t ceiling);
  void warm_up(uint32_t first, uint32_t end, uint64_t missing, uint64_t ceiling);
  bool bring_chunk(uint32_t chunk);
  void purge(uint32_t id, uint32_t first, uint32_t end);
  void cool(uint32_t id, uint32_t first, uint32_t end);

  AddressRange& range_;
  size_t offset_;
  uint32_t limit_;         // pages there can be
  uint32_t frontier_ = 0;  // pages that segments tile
  uint32_t opened_ = 0;    // pages that are accessible
  bool huge_;
  bool move_;

  std::pmr::unsynchronized_pool_resource nodes_;
  Index warm_{&nodes_};            // by pages
  Index cold_{&nodes_};            // by pages
  Index donors_{&nodes_};          // warm, by the whole chunks in them
  std::vector<Segment> segments_;  // [0] is none
  std::vector<uint32_t> unused_;
  uint32_t* at_;  // page -> segment, valid at a segment's first and last page
  Chunk* chunks_;

  uint64_t resident_ = 0;
  uint64_t live_ = 0;
  uint64_t moved_ = 0;  // chunks that are mappings of their own
  Counters counters_;
};

}  // namespace trireme::run
