// SPDX-License-Identifier: Apache-2.0
// Scan nodes as kernels.
#pragma once

#include <string>

#include "trireme/compile/cluster/lower.h"

namespace trireme::compile {

// Why no kernel runs it; empty: one can.
std::string refuse_scan(const graph::Node& node);

// `node` is a Scan: one point after the other along its dimension, the others in parallel.
ClusterKernel lower_scan(const graph::Graph& graph, const graph::Node& node);

}  // namespace trireme::compile
