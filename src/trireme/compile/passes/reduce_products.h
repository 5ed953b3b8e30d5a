// SPDX-License-Identifier: Apache-2.0
// Makes reductions of the contractions that no library should run.
#pragma once

#include "trireme/graph/ir/graph.h"

namespace trireme::compile {

// Those that are no matrix product (one operand is summed along a dimension that the other has not)
// and those so small that calling a library costs more than the sum. True: changed.
bool reduce_products(graph::Graph& graph);

}  // namespace trireme::compile
