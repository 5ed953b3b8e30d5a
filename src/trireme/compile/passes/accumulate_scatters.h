// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "trireme/graph/ir/graph.h"

namespace trireme::compile {

// What is scattered to zeros and then added to another value is scattered to that: the gradient of
// an embedding that other gradients of the same weight are added to. Sums are rounded in another
// order then.
bool accumulate_scatters(graph::Graph& graph);

}  // namespace trireme::compile
