// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/passes/canonicalise.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "trireme/compile/passes/rewrite.h"

namespace trireme::compile {
namespace {

using graph::Expression;
using graph::ExprNode;
using graph::Node;
using graph::ScalarOp;

bool commutes(ScalarOp op) {
  switch (op) {
    case ScalarOp::Add:
    case ScalarOp::Mul:
    case ScalarOp::Eq:
    case ScalarOp::Ne:
    case ScalarOp::And:
    case ScalarOp::Or:
    case ScalarOp::Xor:
      return true;
    default:
      return false;
  }
}

// Operands: equal ones once, in the order in which they are loaded.
bool order_operands(Node& node, Expression& expression) {
  std::vector<graph::Operand> kept;
  const bool changed = rewrite(expression, [&](ExprNode one, Expression& to) {
    if (one.op == ScalarOp::Load) {
      const graph::Operand& operand = node.operands[one.index];
      const auto same = std::ranges::find_if(kept, [&](const graph::Operand& other) {
        return other.value == operand.value && other.dtype == operand.dtype &&
               other.view == operand.view;
      });
      one.index = static_cast<uint32_t>(same - kept.begin());
      if (same == kept.end()) kept.push_back(operand);
    }
    if (commutes(one.op) && one.args[1] < one.args[0]) std::swap(one.args[0], one.args[1]);
    return to.add(one);
  });
  const bool fewer = kept.size() != node.operands.size();
  node.operands = std::move(kept);
  return changed || fewer;
}

// Dimensions of one point, which no coordinate is asked of.
bool drop_dims(Node& node, Expression& expression) {
  std::vector<bool> drops(node.dims.size());
  for (size_t i = 0; i < node.dims.size(); ++i) drops[i] = node.dims[i].is(1);
  for (const ExprNode& one : expression.nodes) {
    if (one.op == ScalarOp::Index || one.op == ScalarOp::Extent) drops[one.index] = false;
  }
  // A reduction keeps a dimension to reduce along.
  if (node.parallel < node.dims.size() &&
      std::all_of(drops.begin() + node.parallel, drops.end(), [](bool drop) { return drop; })) {
    drops.back() = false;
  }
  if (std::ranges::find(drops, true) == drops.end()) return false;
  const auto shrink = [&](graph::Extents& extents) {
    size_t i = 0;
    std::erase_if(extents, [&](const graph::Extent&) { return bool{drops[i++]}; });
  };
  for (ExprNode& one : expression.nodes) {
    if (one.op != ScalarOp::Index && one.op != ScalarOp::Extent) continue;
    one.index -= static_cast<uint32_t>(std::count(drops.begin(), drops.begin() + one.index, true));
  }
  for (graph::Operand& operand : node.operands) {
    shrink(operand.view.sizes);
    shrink(operand.view.strides);
  }
  const size_t parallel = node.parallel;
  node.parallel -= static_cast<uint32_t>(
      std::count(drops.begin(), drops.begin() + static_cast<int64_t>(parallel), true));
  shrink(node.dims);
  drops.resize(parallel);  // results have the parallel ones
  for (graph::Result& result : node.results) {
    shrink(result.view.sizes);
    shrink(result.view.strides);
  }
  return true;
}

}  // namespace

bool canonicalise(graph::Graph& graph) {
  bool changed = false;
  for (Node& node : graph.nodes) {
    Expression* expression = expression_of(node);
    if (expression == nullptr) continue;
    changed |= order_operands(node, *expression);
    changed |= drop_dims(node, *expression);
  }
  return changed;
}

}  // namespace trireme::compile
