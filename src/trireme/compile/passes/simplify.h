// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "trireme/graph/ir/graph.h"

namespace trireme::compile {

// Algebra on scalar expressions, where it gives the same bits, or rounds once less: x * 1, x - 0,
// x / 2^k, casts that lose nothing, powers that are products, choices between equals. True:
// changed.
bool simplify(graph::Graph& graph);

}  // namespace trireme::compile
