// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/passes/split_dim.h"

#include <algorithm>

#include "trireme/compile/passes/rewrite.h"

namespace trireme::compile {
namespace {

using graph::Expression;
using graph::ExprNode;
using graph::Node;
using graph::ScalarOp;
using graph::View;

bool asks_for_dims(const ExprNode& one) {
  return one.op == ScalarOp::Index || one.op == ScalarOp::Extent;
}

bool has_plain_dims(const Node& node) {
  return node.as<graph::Map>() != nullptr || node.as<graph::Reduce>() != nullptr ||
         node.as<graph::Gather>() != nullptr || node.as<graph::Scatter>() != nullptr ||
         node.as<graph::Random>() != nullptr;
}

void split(View& view, uint32_t dim, int64_t inner) {
  const auto at = static_cast<std::ptrdiff_t>(dim);
  view.strides.insert(view.strides.begin() + at, view.strides[dim] * inner);
  view.sizes[dim] = *view.sizes[dim].divided_by(inner);
  view.sizes.insert(view.sizes.begin() + at + 1, inner);
}

}  // namespace

bool split_dim(Node& node, uint32_t dim, int64_t inner) {
  const auto outer = node.dims[dim].divided_by(inner);
  if (!has_plain_dims(node) || !outer) return false;
  if (Expression* expression = expression_of(node)) {
    const auto asks = [dim](const ExprNode& one) { return asks_for_dims(one) && one.index == dim; };
    if (std::ranges::any_of(expression->nodes, asks)) return false;
    for (ExprNode& one : expression->nodes) {
      if (asks_for_dims(one) && one.index > dim) ++one.index;
    }
  }
  for (auto& operand : node.operands) split(operand.view, dim, inner);
  for (auto& result : node.results) {
    if (dim < node.parallel) split(result.view, dim, inner);
  }
  node.dims[dim] = *outer;
  node.dims.insert(node.dims.begin() + dim + 1, inner);
  if (dim < node.parallel) ++node.parallel;
  return true;
}

}  // namespace trireme::compile
