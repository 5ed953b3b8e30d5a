// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "trireme/graph/ir/graph.h"

namespace trireme::compile {

// What is computed twice, from the same values by the same node, is computed once. Never opaque
// calls and draws. True: changed.
bool eliminate_common(graph::Graph& graph);

}  // namespace trireme::compile
