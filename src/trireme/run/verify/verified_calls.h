// SPDX-License-Identifier: Apache-2.0
// Calls of a recording, held back until something asks for what they give; then they run, as a
// segment that is verified.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "trireme/record/call.h"
#include "trireme/run/segment/segment_log.h"
#include "trireme/run/verify/verifier.h"

namespace trireme::run {

class VerifiedCalls {
 public:
  // `execute` runs a call on PyTorch's kernels.
  VerifiedCalls(Verifier& verifier, std::function<void(record::Call&)> execute)
      : verifier_(verifier), execute_(std::move(execute)) {}

  // Takes the call, which a segment can hold (HeldCalls::holdable).
  void hold(const record::Call& call);
  // Nothing names the storage any more, but for calls held.
  void release(std::unique_ptr<record::VirtualStorage> storage);
  // Runs the calls held. "" or what differs; `last` is the number of the last call.
  std::string run(uint64_t& last);

 private:
  Verifier& verifier_;
  std::function<void(record::Call&)> execute_;
  std::vector<record::Call> calls_;
  std::vector<std::unique_ptr<record::VirtualStorage>> released_;
  SegmentLog log_;
  std::vector<record::VirtualStorage*> storages_;  // of the log, in order
};

}  // namespace trireme::run
