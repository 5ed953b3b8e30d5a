// SPDX-License-Identifier: Apache-2.0
// The graph of a segment, and how its inputs and outputs lie in the program's storages.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "trireme/graph/build/graph_builder.h"
#include "trireme/graph/ir/graph.h"
#include "trireme/run/segment/read_call.h"
#include "trireme/run/segment/segment_log.h"

namespace trireme::run {

struct SegmentGraph {
  graph::Graph graph;
  std::vector<LogId> inputs;          // the storage of each graph input
  std::vector<LogId> outputs;         // the storage that each graph output is left in
  std::vector<NumberSource> numbers;  // what each scalar input is
  std::vector<uint32_t> randoms;      // the call that each random input belongs to
  std::vector<graph::NumberGuard> guards;
  std::vector<graph::Extent> naturals;  // it is right where none of these is negative
  std::vector<std::string> opaque_for;  // by call: why it is an opaque node; "": it is lowered
};

// None when the IR cannot say one of the calls; `refusal` is why. What is left in storages that
// were released within the segment is no output.
// `varies`, `fit` as in CallReader. `may_not`: which nodes may not be in the graph, and why.
std::optional<SegmentGraph> build_graph(const SegmentLog& log, const std::vector<bool>& varies,
                                        const SymbolFit* fit, std::string& refusal,
                                        graph::GraphBuilder::Refusal may_not = {});

}  // namespace trireme::run
