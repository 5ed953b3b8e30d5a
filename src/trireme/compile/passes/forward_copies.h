// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "trireme/graph/ir/graph.h"

namespace trireme::compile {

// What reads a copy in which elements lie as they do in its source reads the source. True: changed.
bool forward_copies(graph::Graph& graph);

}  // namespace trireme::compile
