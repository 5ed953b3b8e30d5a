// SPDX-License-Identifier: Apache-2.0
// An opaque node's call: the ATen op as it was recorded, run on the buffers of a graph.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "trireme/graph/build/op_call.h"
#include "trireme/graph/ir/graph.h"
#include "trireme/run/segment/segment_log.h"

namespace trireme::run {

// Names an opaque node. What it runs on is this time's call of the segment: Node::call is its
// number.
class RecordedCall final : public graph::OpaqueCall {
 public:
  explicit RecordedCall(std::string name) : name_(std::move(name)) {}
  std::string name() const override { return name_; }

 private:
  std::string name_;
};

// Runs the call's op on the calling thread, by PyTorch's CPU kernel. `operands`: the bytes of the
// node's operand values; `results`: those of its results, of which one with a base holds the
// base's. Throws what the kernel throws, or c10::Error where it gives another output than was
// recorded.
void run_recorded(const LoggedCall& call, const graph::Node& node,
                  std::span<const std::span<const std::byte>> operands,
                  std::span<const std::span<std::byte>> results);

}  // namespace trireme::run
