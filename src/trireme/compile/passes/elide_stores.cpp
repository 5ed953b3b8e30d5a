// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/passes/elide_stores.h"

#include <numeric>
#include <vector>

#include "trireme/compile/passes/rewrite.h"

namespace trireme::compile {
namespace {

// Whether the node puts elements of a value where they are already.
bool copies_in_place(const graph::Graph& graph, const graph::Node& node) {
  const auto* map = node.as<graph::Map>();
  if (map == nullptr || !map->expression.is_copy() || node.results.size() != 1 ||
      node.operands.empty()) {
    return false;
  }
  const graph::ExprNode& load = map->expression.nodes[map->expression.roots[0]];
  const graph::Operand& from = node.operands[load.index];
  const graph::Result& to = node.results[0];
  return to.base == from.value && from.dtype == to.dtype && from.view == to.view &&
         graph.values[to.base].dtype == graph.values[to.value].dtype;
}

}  // namespace

bool elide_stores(graph::Graph& graph) {
  bool changed = false;
  std::vector<bool> leaves(graph.values.size());
  for (const auto& output : graph.outputs) leaves[output.value] = true;
  std::vector<graph::ValueId> instead(graph.values.size());
  std::iota(instead.begin(), instead.end(), 0);
  for (graph::Node& node : graph.nodes) {
    const bool writes_all =
        node.as<graph::Scatter>() == nullptr && node.as<graph::Opaque>() == nullptr;
    for (graph::Result& result : node.results) {
      if (result.base == graph::kNoValue || !writes_all ||
          result.dtype != graph.values[result.value].dtype) {
        continue;
      }
      if (!result.view.covers(graph.values[result.value].count)) continue;
      result.base = graph::kNoValue;
      changed = true;
    }
    if (!copies_in_place(graph, node) || leaves[node.results[0].value]) continue;
    instead[node.results[0].value] = instead[node.results[0].base];
  }
  return replace_values(graph, instead) || changed;
}

}  // namespace trireme::compile
