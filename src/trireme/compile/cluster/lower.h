// SPDX-License-Identifier: Apache-2.0
// A cluster of nodes as a kernel.
#pragma once

#include <string>
#include <vector>

#include "trireme/compile/cluster/form.h"
#include "trireme/compile/kernel/kernel.h"

namespace trireme::compile {

// Which value a buffer of a kernel is.
struct KernelBuffer {
  graph::ValueId value = graph::kNoValue;
  graph::ValueId base = graph::kNoValue;  // of a written one: what its elements are before
};

// Indices that have to be within bounds before the kernel runs.
struct IndexCheck {
  graph::Operand indices;  // over the node's dimensions
  Extent bound;
  bool wraps = false;  // a negative index counts from the bound
};

struct ClusterKernel {
  Kernel kernel;
  std::vector<KernelBuffer> buffers;  // one for each of the kernel's
  std::vector<uint32_t> numbers;      // of the graph: what the kernel's are
  std::vector<uint32_t> randoms{};    // of the graph: what the kernel's are
  std::vector<IndexCheck> checks{};
};

// Why no kernel runs the node; empty: one can.
std::string kernel_refusal(const graph::Graph& graph, const graph::Node& node);

// `leaves`: by value, whether it is needed outside of the cluster. What is not lies in registers,
// or in scratch memory of a row, where rows are not too long.
ClusterKernel lower_cluster(const graph::Graph& graph, const Cluster& cluster,
                            const std::vector<bool>& leaves);

}  // namespace trireme::compile
