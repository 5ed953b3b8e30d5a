// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "trireme/graph/ir/graph.h"

namespace trireme::compile {

// A result that covers its value needs no base; what copies elements to where they are is left out.
// True: changed.
bool elide_stores(graph::Graph& graph);

}  // namespace trireme::compile
