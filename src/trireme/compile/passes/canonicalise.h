// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "trireme/graph/ir/graph.h"

namespace trireme::compile {

// One form of what means the same: equal operands once, none that nothing loads, arguments of
// commutative ops in order, equal scalar nodes once, no dimensions of one point. True: changed.
bool canonicalise(graph::Graph& graph);

}  // namespace trireme::compile
