// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "trireme/graph/ir/graph.h"

namespace trireme::compile {

// Activations that only this graph sees and that convolutions read or make get their channels
// innermost, the layout in which oneDNN convolves in place; so does what Maps, Reduces and pools
// make of them and for them, as far as views allow.
bool choose_layouts(graph::Graph& graph);

}  // namespace trireme::compile
