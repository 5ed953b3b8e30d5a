// SPDX-License-Identifier: Apache-2.0
// Scan nodes as kernels.
#pragma once

#include <string>

#include "trireme/compile/lower/lower.h"

namespace trireme::compile {

// The kernel of a Scan node: one point after the other along its dimension, the others in parallel.
// Buffers: the operand, then the results. No kernel: complex numbers.
Lowered lower_scan(const graph::Graph& graph, const graph::Node& node, std::string name);

}  // namespace trireme::compile
