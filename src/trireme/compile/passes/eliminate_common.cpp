// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/passes/eliminate_common.h"

#include <cstdint>
#include <numeric>
#include <unordered_map>
#include <vector>

#include "trireme/compile/passes/rewrite.h"
#include "trireme/graph/ir/equal.h"

namespace trireme::compile {
namespace {

using graph::Node;

uint64_t hash_of(const Node& node) {
  uint64_t hash = node.primitive.index() + 31 * node.dims.size();
  const auto mix = [&](uint64_t word) {
    hash ^= word + 0x9e3779b97f4a7c15U + (hash << 12U) + (hash >> 4U);
  };
  for (const auto& operand : node.operands) mix(operand.value);
  for (const auto& result : node.results) mix(result.base);
  return hash;
}

// Whether the second makes what the first does.
bool same_work(const graph::Graph& graph, const Node& first, const Node& second) {
  Node moved = second;
  moved.call = first.call;
  if (moved.results.size() != first.results.size()) return false;
  for (size_t i = 0; i < moved.results.size(); ++i) {
    const graph::Value& a = graph.values[first.results[i].value];
    const graph::Value& b = graph.values[moved.results[i].value];
    if (a.dtype != b.dtype || !(a.count == b.count)) return false;
    moved.results[i].value = first.results[i].value;
  }
  return graph::equal(first, moved);
}

void replace(Node& node, const std::vector<graph::ValueId>& instead, bool& changed) {
  const auto one = [&](graph::ValueId& value) {
    if (value == graph::kNoValue || instead[value] == value) return;
    value = instead[value];
    changed = true;
  };
  for (auto& operand : node.operands) one(operand.value);
  for (auto& result : node.results) one(result.base);
}

}  // namespace

bool eliminate_common(graph::Graph& graph) {
  std::vector<graph::ValueId> instead(graph.values.size());
  std::iota(instead.begin(), instead.end(), 0);
  // An output has memory of its own; what is written over is not there any more for the second.
  std::vector<bool> kept = values_written_over(graph);
  for (const auto& output : graph.outputs) kept[output.value] = true;
  std::unordered_multimap<uint64_t, size_t> seen;
  bool changed = false;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    Node& node = graph.nodes[n];
    replace(node, instead, changed);
    if (node.as<graph::Opaque>() != nullptr || node.as<graph::Random>() != nullptr) continue;
    bool needed_itself = false;
    for (const auto& result : node.results) needed_itself |= kept[result.value];
    if (needed_itself) continue;
    const uint64_t hash = hash_of(node);
    bool common = false;
    const auto range = seen.equal_range(hash);
    for (auto it = range.first; it != range.second && !common; ++it) {
      const Node& first = graph.nodes[it->second];
      if (!same_work(graph, first, node)) continue;
      for (size_t i = 0; i < node.results.size(); ++i) {
        instead[node.results[i].value] = first.results[i].value;
      }
      common = true;
    }
    if (!common) seen.emplace(hash, n);
  }
  // The nodes stay, without users: eliminate_dead takes them out.
  return changed;
}

}  // namespace trireme::compile
