// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/cluster/step_kernel.h"

#include <cstdint>
#include <utility>

#include "trireme/compile/cluster/merge.h"

namespace trireme::compile {

using graph::Graph;

std::vector<bool> values_that_leave(const Graph& graph, std::span<const ScheduledStep> schedule) {
  std::vector<uint32_t> step_of(graph.nodes.size());
  for (uint32_t step = 0; step < schedule.size(); ++step) {
    for (const Cluster& cluster : schedule[step].clusters) {
      for (const uint32_t node : cluster.nodes) step_of[node] = step;
    }
  }
  const graph::Uses uses(graph);
  std::vector<bool> leaves = uses.leaves;
  for (graph::ValueId value = 0; value < graph.values.size(); ++value) {
    if (uses.maker[value] == graph::Uses::kNoNode) continue;
    for (const auto& use : uses.uses[value]) {
      if (step_of[use.node] != step_of[uses.maker[value]]) leaves[value] = true;
    }
  }
  return leaves;
}

bool is_kernel(const Graph& graph, const ScheduledStep& step) {
  return is_kernel(graph.nodes[step.clusters[0].nodes[0]]);
}

ClusterKernel step_kernel(const Graph& graph, const ScheduledStep& step,
                          const std::vector<bool>& leaves) {
  std::vector<ClusterKernel> kernels;
  for (const Cluster& cluster : step.clusters) {
    kernels.push_back(lower_cluster(graph, cluster, leaves));
  }
  return merge_kernels(std::move(kernels));
}

}  // namespace trireme::compile
