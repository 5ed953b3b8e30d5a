// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <string>

#include "trireme/graph/check/node_check.h"
#include "trireme/graph/ir/scalar_type.h"
#include "trireme/graph/text/numbered_name.h"

namespace trireme::graph {
namespace {

class ExpressionCheck {
 public:
  ExpressionCheck(NodeCheck& check, const Expression& expression)
      : check_(check), expression_(expression) {}

  void run() {
    for (id_ = 0; id_ < expression_.nodes.size(); ++id_) {
      const ExprNode& node = expression_.nodes[id_];
      unused_fields(node);
      if (arity(node.op) == 0) {
        leaf(node);
      } else if (arguments(node)) {
        types(node);
      }
    }
    for (const ExprId root : expression_.roots) {
      check_.expect(root < expression_.nodes.size(),
                    "the expression returns x" + std::to_string(root) + ", which it lacks");
    }
  }

 private:
  void expect(bool holds, const std::string& what) {
    if (holds) return;
    const std::string op(name_of(expression_.nodes[id_].op));
    check_.expect(false, numbered_name("x", id_) + " (" + op + ") of the expression " + what);
  }

  // Nodes are compared by all fields.
  void unused_fields(const ExprNode& node) {
    const auto args = std::span(node.args).subspan(arity(node.op));
    expect(std::ranges::all_of(args, [](ExprId arg) { return arg == 0; }),
           "has more arguments than the operator");
    const bool constant = node.op == ScalarOp::Constant;
    const bool integral = is_integral(node.dtype);
    expect((constant && integral) || node.integer == 0, "has a field `integer` that means nothing");
    // Minus zero is a value, too: only 0 itself is no value.
    expect((constant && !integral) || (node.value == 0 && !std::signbit(node.value)),
           "has a field `value` that means nothing");
    expect((arity(node.op) == 0 && !constant) || node.index == 0,
           "has a field `index` that means nothing");
  }

  void leaf(const ExprNode& node) {
    switch (node.op) {
      case ScalarOp::Load:
        return load(node);
      case ScalarOp::Number:
        return expect(
            node.index < check_.graph().numbers.size(),
            "names the number n" + std::to_string(node.index) + ", which the graph lacks");
      case ScalarOp::Constant:
        return expect(node.dtype != DType::Bool || node.integer == 0 || node.integer == 1,
                      "is a bool other than 0 and 1");
      default:  // Index, Extent
        expect(node.dtype == DType::Int64, "is not i64");
        return expect(
            node.index < check_.node().dims.size(),
            "names dimension " + std::to_string(node.index) + ", which the iteration space lacks");
    }
  }

  void load(const ExprNode& node) {
    const auto& operands = check_.node().operands;
    if (node.index >= operands.size()) {
      return expect(false, "loads operand a" + std::to_string(node.index) + ", which is not there");
    }
    const DType dtype = operands[node.index].dtype;
    expect(node.dtype == dtype, "is " + std::string(name_of(node.dtype)) + ", its operand " +
                                    std::string(name_of(dtype)));
  }

  bool arguments(const ExprNode& node) {
    for (const ExprId arg : std::span(node.args).first(arity(node.op))) {
      if (arg < id_) continue;
      expect(false, "has the argument x" + std::to_string(arg) + ", which is not above it");
      return false;
    }
    return true;
  }

  void types(const ExprNode& node) {
    if (node.op == ScalarOp::Cast) return;
    std::array<DType, 3> args{};
    std::string names;
    for (size_t i = 0; i < arity(node.op); ++i) {
      args[i] = expression_.nodes[node.args[i]].dtype;
      names += (i == 0 ? "" : ", ") + std::string(name_of(args[i]));
    }
    const auto type = result_type(node.op, std::span(args).first(arity(node.op)));
    expect(type.has_value(), "does not take arguments of " + names);
    if (!type) return;
    expect(*type == node.dtype, "of " + names + " is " + std::string(name_of(node.dtype)) +
                                    ", expected " + std::string(name_of(*type)));
  }

  NodeCheck& check_;
  const Expression& expression_;
  ExprId id_ = 0;
};

}  // namespace

void check_expression(NodeCheck& check, const Expression& expression) {
  ExpressionCheck(check, expression).run();
}

}  // namespace trireme::graph
