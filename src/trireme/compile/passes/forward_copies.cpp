// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/passes/forward_copies.h"

#include <optional>
#include <vector>

#include "trireme/compile/passes/rewrite.h"

namespace trireme::compile {
namespace {

using graph::Extent;
using graph::Node;
using graph::ValueId;

// The element i of the copy is the element i + offset of the source.
struct Copy {
  ValueId source = graph::kNoValue;
  Extent offset = 0;
};

// Where the node is a copy of all elements of its result, in the order in which they lie.
std::optional<Copy> copy_of(const graph::Graph& graph, const Node& node) {
  const auto* map = node.as<graph::Map>();
  if (map == nullptr || !map->expression.is_copy() || node.results.size() != 1) return std::nullopt;
  const graph::ExprNode& load = map->expression.nodes[map->expression.roots[0]];
  const graph::Operand& from = node.operands[load.index];
  const graph::Result& to = node.results[0];
  const graph::Value& value = graph.values[to.value];
  if (to.base != graph::kNoValue || from.dtype != to.dtype || value.dtype != to.dtype ||
      graph.values[from.value].dtype != to.dtype || !to.view.covers(value.count)) {
    return std::nullopt;
  }
  for (size_t i = 0; i < to.view.rank(); ++i) {
    if (to.view.sizes[i].is(1)) continue;
    if (!(to.view.strides[i] == from.view.strides[i])) return std::nullopt;
  }
  return Copy{from.value, from.view.offset - to.view.offset};
}

// An opaque call knows its arguments' places by itself.
bool may_read_elsewhere(const Node& node) { return node.as<graph::Opaque>() == nullptr; }

}  // namespace

bool forward_copies(graph::Graph& graph) {
  bool changed = false;
  const std::vector<bool> written_over = values_written_over(graph);
  std::vector<std::optional<Copy>> copies(graph.values.size());
  for (Node& node : graph.nodes) {
    if (may_read_elsewhere(node)) {
      for (graph::Operand& operand : node.operands) {
        const auto& copy = copies[operand.value];
        if (!copy || operand.dtype != graph.values[operand.value].dtype) continue;
        operand.value = copy->source;
        operand.view.offset += copy->offset;
        changed = true;
      }
    }
    // Its own operand has been forwarded: chains are followed to their start.
    auto copy = copy_of(graph, node);
    // A copy may be there to keep what its source was.
    if (copy && !written_over[copy->source]) copies[node.results[0].value] = std::move(copy);
  }
  return changed;
}

}  // namespace trireme::compile
