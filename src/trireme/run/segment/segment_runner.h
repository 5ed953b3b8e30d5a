// SPDX-License-Identifier: Apache-2.0
// Runs the stream: what is unknown call by call, at once; a segment that is known by its program,
// once all of it has been recorded and died as it did before. docs/following.md has the rules.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "trireme/record/call_queue.h"
#include "trireme/run/segment/known_segments.h"
#include "trireme/run/segment/program_maker.h"
#include "trireme/run/segment/segment_chain.h"
#include "trireme/run/segment/segment_log.h"
#include "trireme/run/segment/step_pace.h"

namespace trireme::run {

// Why a segment ended.
enum class Cut : uint8_t {
  Interval,  // it has as many calls as a segment may have
  Demand,    // the program waited for a value
  Step,      // a forward pass begins
  Foreign,  // an item that no segment holds: a copy from the host, a call whose outputs are unknown
  Full,     // the queue must not be held any longer
};
inline constexpr size_t kCuts = 5;

struct SegmentCounters {
  uint64_t segments = 0;  // ended
  uint64_t followed = 0;  // of these, run by a program
  uint64_t diverged = 0;  // held back, then run call by call
  uint64_t calls_followed = 0;
  uint64_t joined_asked = 0;           // programs of segments that the interval cut apart
  uint64_t longest_followed = 0;       // calls of the longest segment that a program ran
  uint64_t followed_symbolically = 0;  // of `followed`, with sizes of which some vary
  uint64_t programs_asked = 0;         // to be made
  uint64_t symbolic_asked = 0;         // of these, for sizes that vary
  uint64_t programs_pending = 0;       // being made
  uint64_t compiler_rested = 0;        // 1: ProgramMaker::rested()
  uint64_t cuts[kCuts] = {};
  std::map<std::string, uint64_t> left_for;  // why known segments were left, and how often
  std::map<std::string, uint64_t> refused;   // why programs were not made, and how many
};

// Whether segments that the interval cut apart are joined.
enum class Growth : uint8_t {
  None,
  WhenItPays,  // when compiling what there is has long paid
  AtOnce,
};

class SegmentRunner {
 public:
  using RunCall = std::function<void(record::Call&)>;

  // `run`: by the reference executor. `interval`: calls of a segment at most.
  SegmentRunner(record::CallQueue& queue, ProgramMaker& maker, size_t interval, Growth growth,
                RunCall run);

  // Takes the next item of the queue; false when it has stopped.
  bool step();

  const SegmentCounters& counters() const { return counters_; }

 private:
  void take_release(record::Call& call);
  void take_call(record::Call& call);
  void run_now(record::Call& call);
  void remember_storages(const record::Call& call);
  void narrow_candidates();
  // Ends the segment: runs it, if it was held back, and enters it among the known.
  void end_segment(Cut why);
  // Why none was run; empty: one was.
  std::string run_program();
  // Runs what is held back, call by call.
  void give_up(const std::string& why);
  bool begins_step(const record::Call& call) const;
  // Whether what is held back may become a known segment with more calls.
  bool may_go_on() const;
  void grow(Cut why, bool followed);
  void ask(const KnownSegment* wanted);
  void set_share(bool waits);
  // For explain: what became of the segment.
  void tell(Cut why, const std::string& left) const;

  record::CallQueue& queue_;
  ProgramMaker& maker_;
  size_t interval_;
  Growth growth_;
  RunCall run_;
  KnownSegments known_;
  SegmentCounters counters_;

  SegmentLog log_;                                 // of the segment that is being recorded
  std::vector<record::VirtualStorage*> storages_;  // of the log; null: released and gone
  std::vector<uint64_t> names_;                    // of the storages: their ids
  std::vector<uint64_t> released_;                 // while the segment was recorded, by id
  uint64_t first_ = 0;                             // its first call's number
  size_t items_ = 0;                               // of the segment that ended last
  size_t ahead_ = 0;                               // see ChainPiece
  const KnownSegment* followed_ = nullptr;         // what ran last
  SegmentChain chain_;
  std::vector<KnownSegment*> candidates_;  // what it may become; holds back while any
  size_t held_ = 0;                        // items of the queue that are held back
  StepPace step_pace_;
  record::Phase last_phase_ = record::Phase::Neither;
  bool backward_seen_ = false;
};

}  // namespace trireme::run
