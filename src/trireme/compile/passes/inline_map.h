// SPDX-License-Identifier: Apache-2.0
// Puts the expression of a Map where what it makes is read.
#pragma once

#include <cstdint>

#include "trireme/graph/ir/graph.h"

namespace trireme::compile {

// The operand of a Map or Reduce reads a value of `maker`, a Map: the reader computes it from what
// the maker reads instead. False, and nothing is changed: the reader's points are not the maker's,
// in some order of its dimensions, perhaps repeated.
bool inline_map(graph::Node& reader, uint32_t operand, const graph::Graph& graph,
                const graph::Node& maker);

}  // namespace trireme::compile
