// SPDX-License-Identifier: Apache-2.0
// Equality of graphs, part by part.
#pragma once

#include "trireme/graph/ir/graph.h"

namespace trireme::graph {

// The same values, nodes and attributes under the same numbers, `call` included. Constants are
// compared bit by bit; opaque calls by their names. For graphs that mean the same under other
// numbers see check/fingerprint.h.
bool equal(const Graph& left, const Graph& right);
bool equal(const Node& left, const Node& right);

}  // namespace trireme::graph
