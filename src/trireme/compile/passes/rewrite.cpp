// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/passes/rewrite.h"

#include <algorithm>
#include <utility>

namespace trireme::compile {

using graph::Expression;
using graph::ExprId;
using graph::ExprNode;

Expression* expression_of(graph::Node& node) {
  if (auto* map = node.as<graph::Map>()) return &map->expression;
  if (auto* reduce = node.as<graph::Reduce>()) return &reduce->expression;
  return nullptr;
}

bool rewrite(Expression& expression, const Visit& visit) {
  std::vector<bool> needed(expression.nodes.size());
  for (const ExprId root : expression.roots) needed[root] = true;
  for (size_t i = expression.nodes.size(); i-- > 0;) {
    if (!needed[i]) continue;
    const ExprNode& node = expression.nodes[i];
    for (size_t k = 0; k < graph::arity(node.op); ++k) needed[node.args[k]] = true;
  }
  Expression result;
  std::vector<ExprId> place(expression.nodes.size());
  for (size_t i = 0; i < expression.nodes.size(); ++i) {
    if (!needed[i]) continue;
    ExprNode node = expression.nodes[i];
    for (size_t k = 0; k < graph::arity(node.op); ++k) node.args[k] = place[node.args[k]];
    place[i] = visit(node, result);
  }
  for (const ExprId root : expression.roots) result.roots.push_back(place[root]);
  // What was replaced may be needed no more.
  std::vector<bool> used(result.nodes.size());
  for (const ExprId root : result.roots) used[root] = true;
  for (size_t i = result.nodes.size(); i-- > 0;) {
    if (!used[i]) continue;
    for (size_t k = 0; k < graph::arity(result.nodes[i].op); ++k)
      used[result.nodes[i].args[k]] = true;
  }
  Expression compact;
  std::vector<ExprId> kept(result.nodes.size());
  for (size_t i = 0; i < result.nodes.size(); ++i) {
    if (!used[i]) continue;
    ExprNode node = result.nodes[i];
    for (size_t k = 0; k < graph::arity(node.op); ++k) node.args[k] = kept[node.args[k]];
    kept[i] = compact.add(node);
  }
  for (const ExprId root : result.roots) compact.roots.push_back(kept[root]);
  if (compact == expression) return false;
  expression = std::move(compact);
  return true;
}

uint32_t place_of(std::vector<graph::Operand>& operands, const graph::Operand& operand) {
  const auto same = std::ranges::find_if(operands, [&](const graph::Operand& other) {
    return other.value == operand.value && other.dtype == operand.dtype &&
           other.view == operand.view;
  });
  const auto place = static_cast<uint32_t>(same - operands.begin());
  if (same == operands.end()) operands.push_back(operand);
  return place;
}

std::vector<bool> values_written_over(const graph::Graph& graph) {
  std::vector<bool> over(graph.values.size());
  for (const graph::Node& node : graph.nodes) {
    for (const auto& result : node.results) {
      if (result.base != graph::kNoValue) over[result.base] = true;
    }
  }
  for (const auto& output : graph.outputs) {
    if (output.input) over[graph.inputs[*output.input]] = true;
  }
  return over;
}

bool replace_values(graph::Graph& graph, std::span<const graph::ValueId> instead) {
  bool changed = false;
  const auto replace = [&](graph::ValueId& value) {
    changed |= instead[value] != value;
    value = instead[value];
  };
  for (graph::Node& node : graph.nodes) {
    for (auto& operand : node.operands) replace(operand.value);
    for (auto& result : node.results) {
      if (result.base != graph::kNoValue) replace(result.base);
    }
  }
  for (auto& output : graph.outputs) replace(output.value);
  return changed;
}

}  // namespace trireme::compile
