// SPDX-License-Identifier: Apache-2.0
// A graph, compiled and run at once on copies of its inputs: what verify mode holds against the
// reference executor.
#pragma once

#include <vector>

#include "trireme/compile/compiler.h"
#include "trireme/graph/interpret/interpret.h"

namespace trireme::run {

// The values of the graph's outputs, in order. Throws what the compiler and the nodes throw.
std::vector<graph::Buffer> run_compiled(const compile::Compiler& compiler, graph::Graph graph,
                                        const graph::Inputs& inputs, graph::OpaqueRunner& opaque);

}  // namespace trireme::run
