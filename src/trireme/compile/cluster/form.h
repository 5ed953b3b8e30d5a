// SPDX-License-Identifier: Apache-2.0
// Which nodes become one kernel, and in which order everything runs.
#pragma once

#include <cstdint>
#include <vector>

#include "trireme/compile/cluster/space.h"
#include "trireme/graph/ir/graph.h"

namespace trireme::compile {

// Nodes that run in one loop nest, producers before their users.
struct Cluster {
  std::vector<uint32_t> nodes;
  Space space;  // of Maps and Reduces
};

// Clusters that run as one kernel, none of which reads what another makes; or one node that is no
// kernel.
struct ScheduledStep {
  std::vector<Cluster> clusters;
};

// Whether the node is run by a kernel.
bool is_kernel(const graph::Node& node);

// All nodes of the graph, each in one cluster, in an order that respects what depends on what.
// Results that leave in an input's memory come after all readers of what it holds before, as they
// do in the graph.
// `fuses`: else each node is a step of its own.
std::vector<ScheduledStep> form_clusters(const graph::Graph& graph, bool fuses = true);

}  // namespace trireme::compile
