// SPDX-License-Identifier: Apache-2.0
// A name for what a graph means, to find it again in another process or on another machine.
#pragma once

#include <string>

#include "trireme/base/siphash.h"
#include "trireme/graph/ir/graph.h"

namespace trireme::graph {

using Fingerprint = base::Hash128;

// Equal for graphs that differ only in the numbering of values, in values that nothing makes and in
// `call` numbers: values count by the order in which they are made (inputs, then results, node by
// node). Nodes that nothing needs count, and so does the order of nodes.
// An opaque node counts by its call's name(): arguments that are no tensors count only as far as
// the name tells them.
// The graph must be free of problems (verify.h).
Fingerprint fingerprint(const Graph& graph);

// 32 hexadecimal digits.
std::string to_string(const Fingerprint& fingerprint);

}  // namespace trireme::graph
