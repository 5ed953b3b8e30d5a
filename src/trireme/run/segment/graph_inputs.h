// SPDX-License-Identifier: Apache-2.0
// The inputs of a segment's graph, this time.
#pragma once

#include <span>

#include "trireme/compile/compiler.h"
#include "trireme/graph/interpret/interpret.h"
#include "trireme/run/segment/segment_graph.h"

namespace trireme::run {

// Whether the calls' numbers are those that the graph was built for, where it was built for some.
bool guards_hold(const SegmentGraph& graph, const SegmentLog& log,
                 std::span<const int64_t> symbols);

// Numbers, random states, and the symbols' values.
compile::RunValues run_values(const SegmentGraph& graph, const SegmentLog& log,
                              std::span<const int64_t> symbols);

// Over the memory of `storages`, those of the log.
graph::Inputs graph_inputs(const SegmentGraph& graph, const SegmentLog& log,
                           std::span<record::VirtualStorage* const> storages,
                           std::span<const int64_t> symbols);

}  // namespace trireme::run
