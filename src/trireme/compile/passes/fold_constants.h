// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "trireme/graph/ir/graph.h"

namespace trireme::compile {

// Computes what depends on constants alone, as the interpreter does. True: changed.
bool fold_constants(graph::Graph& graph);

}  // namespace trireme::compile
