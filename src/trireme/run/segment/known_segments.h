// SPDX-License-Identifier: Apache-2.0
// The segments seen so far, and what runs each faster than call by call.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "trireme/run/segment/program.h"
#include "trireme/run/segment/segment_log.h"

namespace trireme::run {

struct KnownSegment {
  std::shared_ptr<const SegmentLog> log;  // as it was first seen
  uint64_t hash = 0;                      // of its calls and data flow
  uint64_t seen = 0;                      // how often, however it was run
  uint64_t followed = 0;                  // how often its program ran
  uint64_t last_use = 0;                  // by KnownSegments' clock
  std::vector<bool> varies;               // by value, calls laid flat: it was seen with another one
  std::shared_ptr<ProgramSlot> program;
};

// Whether the call number `index` of both is the same but for its values: op and metadata, and
// which storages it names, at which offsets.
bool same_call(const SegmentLog& left, const SegmentLog& right, size_t index);
// Whether the same storages died, where all calls are the same.
bool same_deaths(const SegmentLog& left, const SegmentLog& right);
// Whether all calls are the same, over storages of the same sizes, of which the same ones died.
bool same_segment(const SegmentLog& left, const SegmentLog& right);
uint64_t hash_of(const SegmentLog& log);

// Executor thread only.
class KnownSegments {
 public:
  // `capacity`: segments kept; of more, the one not used for longest goes.
  explicit KnownSegments(size_t capacity) : capacity_(capacity) {}

  // Those that begin as the log's first call does, most recently used first.
  std::vector<KnownSegment*> beginning_as(const SegmentLog& log) const;
  // Enters what was seen: counts a known segment, or keeps a new one, of which it takes
  // the log.
  KnownSegment& enter(SegmentLog& log);
  void used(KnownSegment& segment) { segment.last_use = ++clock_; }
  size_t size() const { return segments_.size(); }

 private:
  void drop_oldest();

  size_t capacity_;
  uint64_t clock_ = 0;
  std::list<KnownSegment> segments_;
  std::unordered_multimap<const record::CallForm*, KnownSegment*> by_first_;
};

}  // namespace trireme::run
