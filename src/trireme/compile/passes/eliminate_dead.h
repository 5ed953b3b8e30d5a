// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "trireme/graph/ir/graph.h"

namespace trireme::compile {

// Takes out nodes none of whose results anybody needs. Opaque ones stay: they may do more than make
// results. True: changed.
bool eliminate_dead(graph::Graph& graph);

}  // namespace trireme::compile
