// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "trireme/graph/ir/graph.h"

namespace trireme::compile {

// A value of a Map that kernels far away read is computed there again, instead of being kept for
// them, where that moves fewer bytes: it is then not written, or not read, while what it is made of
// is read there anyway, or is small. Arithmetic counts as the bytes that memory would move
// meanwhile. Nothing is kept longer than the value was that needs more memory than it. Decided on
// the kernels that the graph has as it is, and again on those that it then has. True: changed.
bool recompute(graph::Graph& graph);

}  // namespace trireme::compile
