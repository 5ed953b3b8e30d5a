// SPDX-License-Identifier: Apache-2.0
// The segments seen so far, and what runs each faster than call by call.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "trireme/base/siphash.h"
#include "trireme/run/segment/fit_symbols.h"
#include "trireme/run/segment/program.h"
#include "trireme/run/segment/segment_log.h"

namespace trireme::run {

struct KnownSegment {
  std::shared_ptr<const SegmentLog> log;  // as it was first seen
  uint64_t hash = 0;                      // of its calls and data flow
  uint64_t seen = 0;                      // how often, however it was run
  uint64_t followed = 0;                  // how often its program ran
  uint64_t left = 0;                      // how often it was left beyond the interval
  uint64_t last_use = 0;                  // by KnownSegments' clock
  std::vector<bool> varies;               // by value, calls laid flat: it was seen with another one
  std::shared_ptr<ProgramSlot> program;
  // None: it stands for segments with the log's numbers only. Else for all that the fit explains.
  std::shared_ptr<const SymbolFit> fit;
};

// Segments that are alike but for numbers and values.
struct SegmentFamily {
  std::shared_ptr<const SegmentLog> log;   // as first seen
  std::vector<std::vector<int64_t>> seen;  // different numbers, as first seen; bounded
  std::vector<bool> varies;                // by value
  uint32_t fits = 0;                       // how often symbols were fitted
  uint32_t programs = 0;                   // asked for, for given numbers
  // How often each was seen, by the hash of its numbers; forgotten when they become many.
  std::unordered_map<uint64_t, uint64_t> times;
  KnownSegment* symbolic = nullptr;  // one for all numbers that the last fit explains
};

// Whether the call number `index` of both is the same but for its values: op and metadata, and
// which storages it names, at which offsets.
bool same_call(const SegmentLog& left, const SegmentLog& right, size_t index);
// Whether a segment that is being logged may be this known one, by the call number `index`.
bool may_be(const KnownSegment& known, const SegmentLog& log, size_t index);
// Whether the same storages died, where all calls are the same.
bool same_deaths(const SegmentLog& left, const SegmentLog& right);
// Whether all calls are the same, over storages of the same sizes, of which the same ones died.
bool same_segment(const SegmentLog& left, const SegmentLog& right);
uint64_t hash_of(const SegmentLog& log);

// Executor thread only.
class KnownSegments {
 public:
  // `capacity`: segments kept, and families; of more, the one not used for longest goes.
  explicit KnownSegments(size_t capacity) : capacity_(capacity) {}

  // Those that begin as the log's first call does: first those of its very numbers, of these the
  // most recently used first.
  std::vector<KnownSegment*> beginning_as(const SegmentLog& log) const;
  // Enters what was seen: counts a known segment, or keeps a new one, of which it takes the log.
  // Returns the known segment that a program is wanted of now, or null.
  KnownSegment* enter(SegmentLog& log);
  void used(KnownSegment& segment) { segment.last_use = ++clock_; }
  size_t size() const { return segments_.size(); }

 private:
  using Families = std::unordered_map<uint64_t, SegmentFamily>;

  KnownSegment* find(const SegmentLog& log, uint64_t hash) const;
  SegmentFamily& family_of(const SegmentLog& log);
  // The known segment for all numbers that were seen of the family, of which the log is a new one;
  // null: there is none.
  KnownSegment* generalise(SegmentFamily& family, const SegmentLog& log);
  // Whether numbers that the family's symbols serve deserve a program of their own.
  static bool special(const SegmentFamily& family, uint64_t times);
  KnownSegment& add(std::shared_ptr<const SegmentLog> log, std::shared_ptr<const SymbolFit> fit);
  void drop(const KnownSegment& segment);
  void drop_oldest();
  bool wants_program(KnownSegment& segment);

  size_t capacity_;
  uint64_t clock_ = 0;
  std::list<KnownSegment> segments_;
  std::unordered_multimap<const record::CallForm*, KnownSegment*> by_first_;  // of given numbers
  std::unordered_multimap<uint64_t, KnownSegment*> symbolic_by_first_;        // by skeleton
  Families families_;                                                         // by skeleton
};

}  // namespace trireme::run
