// SPDX-License-Identifier: Apache-2.0
// Scatters as kernels: updates of one element in their order, other elements in parallel.
#pragma once

#include <string>

#include "trireme/compile/cluster/lower.h"

namespace trireme::compile {

// Why no kernel runs it; empty: one can.
std::string refuse_scatter(const graph::Node& node);

// `node` is a Scatter. Dimensions that move the result are parallel, if points that differ along
// them can never be one element whatever the indices are; the others run one after the other.
ClusterKernel lower_scatter(const graph::Graph& graph, const graph::Node& node);

}  // namespace trireme::compile
