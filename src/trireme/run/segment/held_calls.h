// SPDX-License-Identifier: Apache-2.0
// Calls that the executor holds back in the queue until a segment of them is complete: it has so
// many calls, or the program waits for one, or one comes that no segment can hold.
#pragma once

#include <cstddef>
#include <vector>

#include "trireme/record/call_queue.h"
#include "trireme/run/segment/segment_log.h"

namespace trireme::run {

class HeldCalls {
 public:
  // `interval`: calls of a segment; 0: as many as come before the program waits.
  HeldCalls(record::CallQueue& queue, size_t interval) : queue_(queue), interval_(interval) {}

  // Holds calls until a segment is complete, and true; false when the queue has stopped. A segment
  // without calls is one item that no segment can hold.
  bool gather();

  const SegmentLog& log() const { return log_; }
  const std::vector<record::VirtualStorage*>& storages() const { return storages_; }
  // The items held, releases among them. Each is still in the queue: whoever runs them pops as
  // many.
  size_t size() const { return held_; }
  record::Call& item(size_t index) { return *queue_.peek(index); }
  // Forgets them; they have been popped.
  void clear();

  // Whether a segment can hold the call.
  static bool holdable(const record::Call& call);

 private:
  void hold(const record::Call& call);

  record::CallQueue& queue_;
  size_t interval_;
  size_t held_ = 0;
  SegmentLog log_;
  std::vector<record::VirtualStorage*> storages_;  // of the log, in order
};

}  // namespace trireme::run
