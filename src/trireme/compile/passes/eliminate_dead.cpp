// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/passes/eliminate_dead.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace trireme::compile {

bool eliminate_dead(graph::Graph& graph) {
  std::vector<bool> needed(graph.values.size());
  for (const auto& output : graph.outputs) needed[output.value] = true;
  std::vector<bool> dead(graph.nodes.size());
  for (size_t n = graph.nodes.size(); n-- > 0;) {
    const graph::Node& node = graph.nodes[n];
    const bool lives =
        node.as<graph::Opaque>() != nullptr ||
        std::ranges::any_of(node.results, [&](const auto& one) { return needed[one.value]; });
    dead[n] = !lives;
    if (!lives) continue;
    for (const auto& operand : node.operands) needed[operand.value] = true;
    for (const auto& result : node.results) {
      if (result.base != graph::kNoValue) needed[result.base] = true;
    }
  }
  size_t n = 0;
  const auto taken =
      std::erase_if(graph.nodes, [&](const graph::Node&) { return bool{dead[n++]}; });
  return taken != 0;
}

}  // namespace trireme::compile
