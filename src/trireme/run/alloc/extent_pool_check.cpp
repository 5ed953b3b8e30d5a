// SPDX-License-Identifier: Apache-2.0
// The invariants of ExtentPool, spelled out. Tests only.
#include <cstdio>
#include <cstdlib>

#include "trireme/run/alloc/extent_pool.h"

namespace trireme::run {
namespace {

void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "trireme: ExtentPool: %s\n", what);
  std::abort();
}

}  // namespace

void ExtentPool::check() const {
  std::vector<uint32_t> resident(frontier_ / kChunkPages + 1);
  uint64_t live = 0, warm = 0;
  size_t warm_segments = 0, cold_segments = 0, donors = 0;
  State before = State::Unused;
  for (uint32_t page = 0; page < frontier_;) {
    const Segment& segment = segments_[at_[page]];
    expect(segment.state != State::Unused && segment.first == page && segment.pages != 0,
           "the segments do not tile the range");
    expect(at_[segment.end() - 1] == at_[page], "a segment's ends disagree");
    expect(segment.state == State::Live || segment.state != before,
           "free neighbours are not merged");
    const Key size = key(segment.pages, segment.first);
    if (segment.state == State::Live) live += segment.pages;
    if (segment.state == State::Cold) {
      ++cold_segments;
      expect(cold_.contains(size), "a cold segment is not in the index");
    } else {
      for (uint32_t p = page; p < segment.end(); ++p) ++resident[p / kChunkPages];
    }
    if (segment.state == State::Warm) {
      ++warm_segments;
      warm += segment.pages;
      expect(warm_.contains(size), "a warm segment is not in the index");
      if (const uint32_t chunks = whole_chunks(segment); chunks != 0) {
        ++donors;
        expect(donors_.contains(key(chunks, segment.first)), "a donor is not in the index");
      }
    }
    before = segment.state;
    page = segment.end();
    expect(page <= frontier_, "a segment passes the frontier");
  }
  expect(warm_.size() == warm_segments && cold_.size() == cold_segments && donors_.size() == donors,
         "an index holds a segment that is gone");
  expect(live == live_ && live + warm == resident_, "the sums are wrong");
  for (uint32_t chunk = 0; chunk < frontier_ / kChunkPages; ++chunk) {
    expect(chunks_[chunk].resident == resident[chunk], "a chunk's resident pages are miscounted");
    expect(chunks_[chunk].split || resident[chunk] == 0 || resident[chunk] == kChunkPages,
           "a chunk that was not split is resident in part");
  }
}

}  // namespace trireme::run
