// SPDX-License-Identifier: Apache-2.0
// Random nodes as kernels.
#pragma once

#include <string>

#include "trireme/compile/lower/lower.h"

namespace trireme::compile {

// The kernel of a Random node: it writes the node's one result. Its numbers are the graph's, its
// random parameters the graph's random inputs. No kernel: complex numbers.
Lowered lower_random(const graph::Graph& graph, const graph::Node& node, std::string name);

}  // namespace trireme::compile
