// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/segment/opaque_runner.h"

#include "trireme/run/segment/recorded_call.h"

namespace trireme::run {

void OpaqueRunner::run(const graph::Node& node,
                       std::span<const std::span<const std::byte>> operands,
                       std::span<const std::span<std::byte>> results) {
  run_recorded(log_.calls()[node.call], node, operands, results);
}

}  // namespace trireme::run
