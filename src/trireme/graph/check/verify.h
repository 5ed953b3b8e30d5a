// SPDX-License-Identifier: Apache-2.0
// Whether a graph keeps the rules of the IR (ir/graph.h, ir/expression.h).
#pragma once

#include <string>
#include <vector>

#include "trireme/graph/ir/graph.h"

namespace trireme::graph {

// What is wrong, one sentence each: "node 3 (map, call 7), operand 1: reads %9, which no node above
// makes". Empty: nothing. What depends on the values of symbols is not decided, and passes. That a
// result without a base covers its value is not asked for: of a new storage, the rest may be
// anything.
std::vector<std::string> verify(const Graph& graph);

}  // namespace trireme::graph
