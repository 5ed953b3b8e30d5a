// SPDX-License-Identifier: Apache-2.0
// TRIREME_VERIFY=1: each segment is turned into a graph, too; the graph is interpreted, or compiled
// and run, and what it gives is held against what PyTorch's kernels gave.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "trireme/compile/compiler.h"
#include "trireme/run/segment/compiler_library.h"
#include "trireme/run/segment/segment_log.h"
#include "trireme/run/verify/rerun.h"

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
  // After, before anything is released. "" or what differs, and without which of the compiler's
  // passes it does not.
  std::string after(const SegmentLog& log, std::span<record::VirtualStorage* const> storages);
  // Right after a difference: leaves the segment as a recording (what its storages held before, its
  // calls and `releases`, what PyTorch's kernels gave) and its graph as text, in the folder of
  // TRIREME_DUMP or here. Returns the recording's path; "" after the first few of a process. Throws
  // trireme::Error where it cannot be written.
  std::string dump(const SegmentLog& log, std::span<record::VirtualStorage* const> storages,
                   std::span<const record::Call* const> calls);

  // Thread-safe.
  std::map<std::string, OpVerification> report() const;

 private:
  // An output of a call, in a storage that outlives the segment.
  struct Expected {
    LogId storage = kNoLogId;
    record::Geometry geometry;
    int64_t offset = 0;
    size_t call = 0;
    std::optional<size_t> output;  // of the graph
    at::Tensor kept;               // without one: what the storage held before
  };

  void predict(const SegmentLog& log, std::span<record::VirtualStorage* const> storages);
  std::string difference_of(std::vector<graph::Buffer>& outputs, const SegmentLog& log,
                            std::span<record::VirtualStorage* const> storages) const;
  // Who is to blame for a difference.
  std::string blame(const SegmentLog& log, std::span<record::VirtualStorage* const> storages) const;
  void note(const SegmentLog& log, const std::string& difference);

  const compile::Compiler* compiler_;
  const std::vector<std::string> off_ = passes_off();
  mutable std::mutex mutex_;  // guards report_
  std::map<std::string, OpVerification> report_;
  // Of the segment at hand.
  std::vector<Expected> expected_;
  std::vector<std::string> opaque_for_;  // by call; "": lowered
  std::vector<LogId> inputs_;            // the storages of the graph's inputs
  std::unique_ptr<Rerun> rerun_;         // none: there is no graph
  std::vector<graph::Buffer> outputs_;   // of the graph
  std::string failure_;                  // the prediction threw
  int blamed_ = 0;                       // differences looked into
  int dumped_ = 0;
};

}  // namespace trireme::run
