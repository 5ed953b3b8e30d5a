// SPDX-License-Identifier: Apache-2.0
// TRIREME_VERIFY=1: each segment is turned into a graph, too; the graph is interpreted, or compiled
// and run, and what it gives is held against what PyTorch's kernels gave.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "trireme/compile/compiler.h"
#include "trireme/run/segment/segment_log.h"

namespace trireme::run {

// What was seen of one op.
struct OpVerification {
  uint64_t agreed = 0;     // calls in segments that agreed
  uint64_t differed = 0;   // calls in segments that did not
  uint64_t opaque = 0;     // calls without a row, or that the row declines
  std::string difference;  // the first one
  std::string opaque_for;  // why, of the last one
};

class Verifier {
 public:
  // `compiler`: runs the graphs; none: the interpreter does.
  explicit Verifier(const compile::Compiler* compiler = nullptr) : compiler_(compiler) {}

  // Before the reference executor runs the segment's calls: computes what they should give.
  // `storages`: those of the log, in order.
  void before(const SegmentLog& log, std::span<record::VirtualStorage* const> storages);
  // After, before anything is released. "" or what differs.
  std::string after(const SegmentLog& log, std::span<record::VirtualStorage* const> storages);

  // Thread-safe.
  std::map<std::string, OpVerification> report() const;

 private:
  // An output of a call, in a storage that outlives the segment.
  struct Expected {
    LogId storage = kNoLogId;
    record::Geometry geometry;
    int64_t offset = 0;
    at::Tensor computed;
    size_t call = 0;
  };

  void predict(const SegmentLog& log, std::span<record::VirtualStorage* const> storages);
  void note(const SegmentLog& log, const std::string& difference);

  const compile::Compiler* compiler_;
  mutable std::mutex mutex_;  // guards report_
  std::map<std::string, OpVerification> report_;
  std::vector<Expected> expected_;
  std::vector<std::string> opaque_for_;  // by call; "": lowered
  bool predicted_ = false;
  std::string failure_;  // the prediction threw
};

}  // namespace trireme::run
