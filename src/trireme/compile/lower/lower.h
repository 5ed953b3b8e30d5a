// SPDX-License-Identifier: Apache-2.0
// Graph nodes as kernels.
#pragma once

#include <optional>
#include <string>

#include "trireme/compile/kernel/kernel.h"
#include "trireme/graph/ir/graph.h"

namespace trireme::compile {

struct Lowered {
  std::optional<Kernel> kernel;
  std::string why;  // there is none
};

// The kernel of one Map, Reduce, Random or Scan node. Its buffers: the node's operands, then its
// results, which it writes where their views lie and nowhere else (the base's elements must be
// there already); its numbers and symbols: the graph's. No kernel: other primitives, complex
// numbers.
Lowered lower(const graph::Graph& graph, const graph::Node& node, std::string name);

}  // namespace trireme::compile
