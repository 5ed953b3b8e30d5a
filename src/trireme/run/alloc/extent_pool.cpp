// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/alloc/extent_pool.h"

#include <algorithm>
#include <array>

namespace trireme::run {
namespace {

// Each chunk moved may split a mapping in three; the kernel allows 65,530 mappings by default.
constexpr uint64_t kMostMovedChunks = 16 * 1024;
// How many of the longest warm segments are looked at for one that can be lengthened.
constexpr int kWindowsTried = 8;
constexpr uint32_t kLeastOpened = (64u << 20) / kPageBytes;
constexpr uint32_t kMostOpened = (1u << 30) / kPageBytes;

uint32_t chunk_of(uint32_t page) { return page / kChunkPages; }
uint32_t round_down(uint32_t page) { return page / kChunkPages * kChunkPages; }
uint32_t round_up(uint32_t page) { return round_down(page + kChunkPages - 1); }

}  // namespace

ExtentPool::ExtentPool(AddressRange& range, size_t offset, size_t bytes, bool huge, bool move)
    : range_(range),
      offset_(offset),
      limit_(static_cast<uint32_t>(std::min<size_t>(bytes / kPageBytes, 1u << 31))),
      huge_(huge),
      move_(move),
      segments_(1),
      at_(static_cast<uint32_t*>(map_sparse((size_t{limit_} + 1) * sizeof(uint32_t)))),
      chunks_(static_cast<Chunk*>(map_sparse((limit_ / kChunkPages + 1) * sizeof(Chunk)))) {}

ExtentPool::~ExtentPool() {
  unmap(at_, (size_t{limit_} + 1) * sizeof(uint32_t));
  unmap(chunks_, (limit_ / kChunkPages + 1) * sizeof(Chunk));
}

uint32_t ExtentPool::whole_chunks(const Segment& segment) {
  const uint32_t first = round_up(segment.first);
  const uint32_t end = round_down(segment.end());
  return end > first ? (end - first) / kChunkPages : 0;
}

uint32_t ExtentPool::make(uint32_t first, uint32_t pages, State state) {
  uint32_t id = 0;
  if (unused_.empty()) {
    id = static_cast<uint32_t>(segments_.size());
    segments_.emplace_back();
  } else {
    id = unused_.back();
    unused_.pop_back();
  }
  segments_[id] = {first, pages, state};
  at_[first] = id;
  at_[first + pages - 1] = id;
  if (state != State::Live) index(segments_[id]);
  return id;
}

void ExtentPool::drop(uint32_t id) {
  if (segments_[id].state != State::Live) unindex(segments_[id]);
  segments_[id].state = State::Unused;
  unused_.push_back(id);
}

void ExtentPool::index(const Segment& segment) {
  if (segment.state == State::Cold) {
    cold_.insert(key(segment.pages, segment.first));
    return;
  }
  warm_.insert(key(segment.pages, segment.first));
  if (const uint32_t chunks = whole_chunks(segment); chunks != 0) {
    donors_.insert(key(chunks, segment.first));
  }
}

void ExtentPool::unindex(const Segment& segment) {
  if (segment.state == State::Cold) {
    cold_.erase(key(segment.pages, segment.first));
    return;
  }
  warm_.erase(key(segment.pages, segment.first));
  if (const uint32_t chunks = whole_chunks(segment); chunks != 0) {
    donors_.erase(key(chunks, segment.first));
  }
}

// Makes pages that no segment covers a free segment, merged with its neighbours of the same state.
void ExtentPool::release(uint32_t first, uint32_t end, State state) {
  if (first == end) return;
  if (first != 0) {
    const uint32_t before = at_[first - 1];
    if (segments_[before].state == state) {
      first = segments_[before].first;
      drop(before);
    }
  }
  if (end < frontier_) {
    const uint32_t after = at_[end];
    if (segments_[after].state == state) {
      end = segments_[after].end();
      drop(after);
    }
  }
  make(first, end - first, state);
}

uint32_t ExtentPool::live_at(uint32_t place) const {
  if (place >= frontier_) return 0;
  const uint32_t id = at_[place];  // may be stale: the inside of a segment is not kept up to date
  const Segment& segment = segments_[id];
  return segment.state == State::Live && segment.first == place ? id : 0;
}

uint32_t ExtentPool::block_pages(uint32_t place) const { return segments_[live_at(place)].pages; }

bool ExtentPool::free(uint32_t place) {
  const uint32_t id = live_at(place);
  if (id == 0) return false;
  const Segment segment = segments_[id];
  live_ -= segment.pages;
  drop(id);
  release(segment.first, segment.end(), State::Warm);
  return true;
}

uint32_t ExtentPool::allocate(uint32_t pages, uint64_t ceiling) {
  if (pages == 0 || pages > limit_) return kNowhere;
  if (const auto fit = warm_.lower_bound(key(pages, 0)); fit != warm_.end()) {
    const uint32_t id = at_[place_of(*fit)];
    const Segment segment = segments_[id];
    drop(id);
    make(segment.first, pages, State::Live);
    // Both neighbours of a free segment differ from it, so the rest has nothing to merge with.
    if (segment.pages > pages) make(segment.first + pages, segment.pages - pages, State::Warm);
    live_ += pages;
    return segment.first;
  }
  Window window = over_warm(pages);
  if (window.segment == 0) window = over_cold(pages);
  if (window.segment == 0) return kNowhere;
  occupy(window, pages, ceiling);
  return window.first;
}

// The longest warm segment that is long enough together with the free segments beside it, or with
// addresses beyond the frontier.
ExtentPool::Window ExtentPool::over_warm(uint32_t pages) {
  int tried = 0;
  for (auto at = warm_.rbegin(); at != warm_.rend() && tried < kWindowsTried; ++at, ++tried) {
    const uint32_t id = at_[place_of(*at)];
    const Segment warm = segments_[id];
    uint32_t end = warm.end();
    while (end < frontier_ && end - warm.first < pages &&
           segments_[at_[end]].state != State::Live) {
      end = segments_[at_[end]].end();
    }
    if (end - warm.first >= pages) return {id, warm.first};
    if (end == frontier_ && extend_frontier(warm.first + uint64_t{pages})) return {id, warm.first};
    uint32_t first = warm.first;
    while (first != 0 && end - first < pages && segments_[at_[first - 1]].state != State::Live) {
      first = segments_[at_[first - 1]].first;
    }
    if (end - first >= pages) return {id, end - pages};
  }
  return {};
}

ExtentPool::Window ExtentPool::over_cold(uint32_t pages) {
  auto fit = cold_.lower_bound(key(pages, 0));
  if (fit == cold_.end()) {
    const bool cold_end = frontier_ != 0 && segments_[at_[frontier_ - 1]].state == State::Cold;
    const uint32_t first = cold_end ? segments_[at_[frontier_ - 1]].first : frontier_;
    if (!extend_frontier(first + uint64_t{pages})) return {};
    fit = cold_.lower_bound(key(pages, 0));
  }
  return {at_[place_of(*fit)], place_of(*fit)};
}

bool ExtentPool::extend_frontier(uint64_t end) {
  end = (end + kChunkPages - 1) / kChunkPages * kChunkPages;
  if (end > limit_) return false;
  if (end > opened_) {
    const uint64_t step = std::clamp(opened_ / 4, kLeastOpened, kMostOpened);
    const uint64_t wanted =
        std::min<uint64_t>(limit_ / kChunkPages * kChunkPages,
                           std::max<uint64_t>(end, opened_ + step / kChunkPages * kChunkPages));
    const size_t start = offset_ + size_t{opened_} * kPageBytes;
    const size_t bytes = (wanted - opened_) * kPageBytes;
    if (!range_.open(start, bytes)) return false;
    range_.huge(start, bytes, huge_);
    opened_ = static_cast<uint32_t>(wanted);
  }
  const uint32_t old = frontier_;
  frontier_ = static_cast<uint32_t>(end);
  release(old, frontier_, State::Cold);
  return true;
}

// Makes [window.first, + pages) one live segment, resident.
void ExtentPool::occupy(Window window, uint32_t pages, uint64_t ceiling) {
  const uint32_t first = window.first;
  const uint32_t end = first + pages;
  uint32_t id = window.segment;
  while (segments_[id].first > first) id = at_[segments_[id].first - 1];

  // An empty chunk becomes resident as a whole, so what this block leaves of it becomes warm.
  uint32_t low = first;
  uint32_t high = end;
  struct Piece {
    uint32_t first;
    uint32_t end;
  };
  std::pmr::vector<Piece> cold(&nodes_);
  uint64_t missing = 0;
  Segment left = segments_[id];
  Segment right;
  for (uint32_t page = left.first; page < end; id = page < end ? at_[page] : 0) {
    right = segments_[id];
    page = right.end();
    drop(id);
    if (right.state != State::Cold) continue;
    Piece piece{std::max(right.first, first), std::min(right.end(), end)};
    if (chunks_[chunk_of(piece.first)].resident == 0) piece.first = round_down(piece.first);
    if (chunks_[chunk_of(piece.end - 1)].resident == 0) piece.end = round_up(piece.end);
    low = std::min(low, piece.first);
    high = std::max(high, piece.end);
    missing += piece.end - piece.first;
    cold.push_back(piece);
  }
  make(first, pages, State::Live);
  live_ += pages;
  // What is left of the outermost segments keeps its state, and has no like neighbour outside.
  if (left.first < low) make(left.first, low - left.first, left.state);
  if (right.end() > high) make(high, right.end() - high, right.state);
  release(low, first, State::Warm);
  release(end, high, State::Warm);
  for (const Piece& piece : cold) {
    warm_up(piece.first, piece.end, missing, ceiling);
    missing -= piece.end - piece.first;
  }
}

// Makes cold pages resident: moved from elsewhere where the ceiling would be passed and a chunk can
// be had, else left to the first touch. `missing` pages, these included, are still to become
// resident for this block.
void ExtentPool::warm_up(uint32_t first, uint32_t end, uint64_t missing, uint64_t ceiling) {
  while (first < end) {
    const uint32_t chunk = chunk_of(first);
    const uint32_t stop = std::min(end, (chunk + 1) * kChunkPages);
    const uint32_t pages = stop - first;
    const bool whole = pages == kChunkPages;
    if (!whole || resident_ + missing <= ceiling || !bring_chunk(chunk)) {
      if (whole && chunks_[chunk].split) {
        if (huge_) range_.huge(offset_ + size_t{chunk} * kChunkBytes, kChunkBytes, true);
        chunks_[chunk].split = false;
      }
      chunks_[chunk].resident = static_cast<uint16_t>(chunks_[chunk].resident + pages);
      resident_ += pages;
      counters_.fresh_pages += pages;
    }
    missing -= pages;
    first = stop;
  }
}

// Moves a free, resident chunk's pages to the empty `chunk`: from the segment with the fewest,
// which is the one that fits the least.
bool ExtentPool::bring_chunk(uint32_t chunk) {
  if (!move_ || donors_.empty()) return false;
  if (moved_ >= kMostMovedChunks && !chunks_[chunk].moved) return false;
  const uint32_t id = at_[place_of(*donors_.begin())];
  const uint32_t end = round_down(segments_[id].end());
  const uint32_t from = chunk_of(end - 1);
  if (!range_.move_chunk(offset_ + size_t{from} * kChunkBytes,
                         offset_ + size_t{chunk} * kChunkBytes)) {
    move_ = false;
    return false;
  }
  chunks_[chunk].resident = kChunkPages;
  chunks_[chunk].split = chunks_[from].split;  // the mapping goes along, its advice too
  if (!chunks_[chunk].moved) ++moved_;
  chunks_[chunk].moved = true;
  chunks_[from].resident = 0;
  ++counters_.moved_chunks;
  cool(id, end - kChunkPages, end);
  return true;
}

// Turns a piece of a warm segment cold.
void ExtentPool::cool(uint32_t id, uint32_t first, uint32_t end) {
  const Segment segment = segments_[id];
  drop(id);
  if (segment.first < first) make(segment.first, first - segment.first, State::Warm);
  if (segment.end() > end) make(end, segment.end() - end, State::Warm);
  release(first, end, State::Cold);
}

void ExtentPool::purge(uint32_t id, uint32_t first, uint32_t end) {
  for (uint32_t page = first; page < end;) {
    Chunk& chunk = chunks_[chunk_of(page)];
    const uint32_t stop = std::min(end, round_down(page) + kChunkPages);
    chunk.resident = static_cast<uint16_t>(chunk.resident - (stop - page));
    if (chunk.resident != 0 && !chunk.split) {
      // Else khugepaged might make a huge page of it again, and the purged pages resident.
      if (huge_) range_.huge(offset_ + size_t{chunk_of(page)} * kChunkBytes, kChunkBytes, false);
      chunk.split = true;
    }
    page = stop;
  }
  range_.purge(offset_ + size_t{first} * kPageBytes, size_t{end - first} * kPageBytes);
  resident_ -= end - first;
  ++counters_.purges;
  counters_.purged_pages += end - first;
  cool(id, first, end);
}

void ExtentPool::trim(uint64_t target) {
  while (resident_ > target && !donors_.empty()) {
    const uint32_t id = at_[place_of(*donors_.begin())];
    const Segment segment = segments_[id];
    const uint64_t wanted = (resident_ - target + kChunkPages - 1) / kChunkPages;
    const uint32_t chunks =
        static_cast<uint32_t>(std::min<uint64_t>(whole_chunks(segment), wanted));
    const uint32_t end = round_down(segment.end());
    purge(id, end - chunks * kChunkPages, end);
  }
  // Pieces of chunks cost huge pages: only what must be.
  while (resident_ > target && !warm_.empty()) {
    const uint32_t id = at_[place_of(*warm_.rbegin())];
    const Segment segment = segments_[id];
    const uint32_t pages =
        static_cast<uint32_t>(std::min<uint64_t>(segment.pages, resident_ - target));
    purge(id, segment.end() - pages, segment.end());
  }
}

}  // namespace trireme::run
