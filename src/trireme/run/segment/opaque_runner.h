// SPDX-License-Identifier: Apache-2.0
// Runs opaque nodes for the graph interpreter.
#pragma once

#include "trireme/graph/interpret/interpret.h"
#include "trireme/run/segment/segment_log.h"

namespace trireme::run {

class OpaqueRunner final : public graph::OpaqueRunner {
 public:
  // `log`: this time's calls.
  explicit OpaqueRunner(const SegmentLog& log) : log_(log) {}

  void run(const graph::Node& node, std::span<const std::span<const std::byte>> operands,
           std::span<const std::span<std::byte>> results) override;

 private:
  const SegmentLog& log_;
};

}  // namespace trireme::run
