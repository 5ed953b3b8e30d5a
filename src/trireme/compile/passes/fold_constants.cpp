// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/passes/fold_constants.h"

#include <algorithm>

#include "trireme/compile/passes/rewrite.h"
#include "trireme/graph/interpret/evaluator.h"

namespace trireme::compile {
namespace {

using graph::Expression;
using graph::ExprId;
using graph::ExprNode;
using graph::ScalarOp;

// Of a node whose arguments are constants.
ExprNode evaluate(const ExprNode& node, const Expression& constants) {
  Expression alone;
  ExprNode copy = node;
  for (size_t k = 0; k < graph::arity(node.op); ++k) {
    copy.args[k] = alone.add(constants.nodes[node.args[k]]);
  }
  alone.roots = {alone.add(copy)};
  graph::Evaluator evaluator(alone, {}, {});
  graph::Points point({});
  point.move_to(0, 1);
  evaluator.evaluate(point);
  const graph::Column& result = evaluator.root(0);
  ExprNode constant{.op = ScalarOp::Constant, .dtype = node.dtype};
  if (graph::is_integral(node.dtype)) {
    constant.integer = result.integers[0];
  } else {
    constant.value = result.reals[0];
  }
  return constant;
}

}  // namespace

bool fold_constants(graph::Graph& graph) {
  bool changed = false;
  for (graph::Node& node : graph.nodes) {
    Expression* expression = expression_of(node);
    if (expression == nullptr) continue;
    changed |= rewrite(*expression, [](const ExprNode& one, Expression& to) {
      const size_t arguments = graph::arity(one.op);
      bool folds = arguments != 0 && !graph::is_complex(one.dtype);
      for (size_t k = 0; k < arguments; ++k) {
        const ExprNode& argument = to.nodes[one.args[k]];
        folds &= argument.op == ScalarOp::Constant && !graph::is_complex(argument.dtype);
      }
      return to.add(folds ? evaluate(one, to) : one);
    });
  }
  return changed;
}

}  // namespace trireme::compile
