// SPDX-License-Identifier: Apache-2.0
// Growth of the interval: segments that only the interval cut apart become one, where that makes no
// call wait. docs/following.md has the rule.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "trireme/run/segment/known_segments.h"
#include "trireme/run/segment/segment_log.h"

namespace trireme::run {

// A segment that a program ran.
struct ChainPiece {
  const KnownSegment* known = nullptr;
  SegmentLog log;                  // as it was this time
  std::vector<uint64_t> storages;  // VirtualStorage::id, in the log's order
  std::vector<uint64_t> released;  // what the program dropped meanwhile, named by the log or not
  size_t items = 0;                // of the queue
  size_t ahead = 0;                // items that lay behind it in the queue when it began to run
};

class SegmentChain {
 public:
  // `most`: items of the queue that a joined segment may take.
  explicit SegmentChain(size_t most) : most_(most) {}

  void add(ChainPiece piece) { pieces_.push_back(std::move(piece)); }
  // A program that never waits must not have it grow without end.
  bool full() const { return pieces_.size() >= kMostPieces; }
  // What follows is no continuation. Returns the segments, joined, that should become known.
  std::vector<SegmentLog> end();
  void clear() { pieces_.clear(); }

 private:
  // Two segments, one after the other.
  struct Border {
    uint32_t seen = 0;
    uint32_t together = 0;  // of these, how often the second had been recorded when the first began
    uint32_t joined = 0;    // how often it was given back within a joined segment
  };

  static constexpr size_t kMostPieces = 64;

  bool joins(const ChainPiece& first, const ChainPiece& second);

  size_t most_;
  std::vector<ChainPiece> pieces_;
  // Keys only: the segments may be gone. Forgotten when they become many.
  std::map<std::pair<const KnownSegment*, const KnownSegment*>, Border> borders_;
};

// One log of what lies in several.
SegmentLog join(std::span<const ChainPiece> pieces);

}  // namespace trireme::run
