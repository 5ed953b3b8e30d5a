// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/passes/simplify.h"

#include <cmath>
#include <optional>

#include "trireme/compile/passes/rewrite.h"

namespace trireme::compile {
namespace {

using graph::DType;
using graph::Expression;
using graph::ExprId;
using graph::ExprNode;
using graph::ScalarOp;

// Digits of a floating type's numbers, in bits; of an integral one's, without the sign.
int digits(DType dtype) {
  switch (dtype) {
    case DType::Bool:
      return 1;
    case DType::Int8:
      return 7;
    case DType::UInt8:
    case DType::BFloat16:
      return 8;
    case DType::Float16:
      return 11;
    case DType::Int16:
      return 15;
    case DType::Float32:
      return 24;
    case DType::Int32:
      return 31;
    case DType::Float64:
      return 53;
    case DType::Int64:
      return 63;
    default:
      return 0;
  }
}

// Whether each number of one type is one of the other. (f16 has fewer exponents than bf16.)
bool holds(DType wide, DType narrow) {
  if (wide == narrow) return true;
  if (graph::is_complex(wide) || graph::is_complex(narrow)) return false;
  if (graph::is_floating(narrow)) {
    return graph::is_floating(wide) && digits(wide) >= 24 && digits(narrow) < digits(wide);
  }
  if (narrow == DType::Bool) return true;
  if (graph::is_floating(wide)) {
    return wide != DType::Float16 && digits(narrow) <= digits(wide);
  }
  return digits(narrow) < digits(wide) && (graph::is_signed(wide) || !graph::is_signed(narrow));
}

class Simplifier {
 public:
  explicit Simplifier(Expression& to) : to_(to) {}

  // What the node is, simpler; none: itself.
  std::optional<ExprId> simpler(const ExprNode& node) {
    switch (node.op) {
      case ScalarOp::Cast:
        return cast(node);
      case ScalarOp::Neg:
        return undo(node, ScalarOp::Neg);
      case ScalarOp::Not:
        return undo(node, ScalarOp::Not);
      case ScalarOp::Mul:
        return multiply(node);
      case ScalarOp::Div:
        return divide(node);
      case ScalarOp::Add:
        return add(node);
      case ScalarOp::Sub:
        return is_constant(node.args[1], 0) && !is_negative_zero(node.args[1])
                   ? std::optional(node.args[0])
                   : std::nullopt;
      case ScalarOp::Pow:
        return power(node);
      case ScalarOp::Select:
        return select(node);
      case ScalarOp::Minimum:
      case ScalarOp::Maximum:
      case ScalarOp::And:
      case ScalarOp::Or:
        return node.args[0] == node.args[1] ? std::optional(node.args[0]) : std::nullopt;
      case ScalarOp::Eq:
      case ScalarOp::Le:
      case ScalarOp::Ge:
        return of_itself(node, 1);
      case ScalarOp::Ne:
      case ScalarOp::Lt:
      case ScalarOp::Gt:
        return of_itself(node, 0);
      default:
        return std::nullopt;
    }
  }

 private:
  const ExprNode& at(ExprId id) const { return to_.nodes[id]; }

  bool is_constant(ExprId id, double value) const {
    const ExprNode& node = at(id);
    if (node.op != ScalarOp::Constant || graph::is_complex(node.dtype)) return false;
    return graph::is_integral(node.dtype) ? static_cast<double>(node.integer) == value
                                          : node.value == value;
  }

  bool is_negative_zero(ExprId id) const {
    const ExprNode& node = at(id);
    return graph::is_floating(node.dtype) && node.value == 0 && std::signbit(node.value);
  }

  std::optional<ExprId> cast(const ExprNode& node) {
    const ExprNode& inner = at(node.args[0]);
    if (inner.dtype == node.dtype) return node.args[0];
    if (inner.op != ScalarOp::Cast) return std::nullopt;
    const ExprNode& first = at(inner.args[0]);
    if (!holds(inner.dtype, first.dtype)) return std::nullopt;
    if (first.dtype == node.dtype) return inner.args[0];
    // Between floats, a lossless step in between changes nothing.
    if (!graph::is_floating(first.dtype) || !graph::is_floating(node.dtype)) return std::nullopt;
    return to_.add({.op = ScalarOp::Cast, .dtype = node.dtype, .args = {inner.args[0]}});
  }

  std::optional<ExprId> undo(const ExprNode& node, ScalarOp op) const {
    const ExprNode& inner = at(node.args[0]);
    return inner.op == op && inner.dtype == node.dtype ? std::optional(inner.args[0])
                                                       : std::nullopt;
  }

  std::optional<ExprId> multiply(const ExprNode& node) const {
    if (is_constant(node.args[1], 1)) return node.args[0];
    if (is_constant(node.args[0], 1)) return node.args[1];
    return std::nullopt;
  }

  std::optional<ExprId> divide(const ExprNode& node) {
    if (is_constant(node.args[1], 1)) return node.args[0];
    const ExprNode& divisor = at(node.args[1]);
    if (divisor.op != ScalarOp::Constant || !graph::is_floating(node.dtype)) return std::nullopt;
    int exponent = 0;
    if (std::abs(std::frexp(divisor.value, &exponent)) != 0.5) return std::nullopt;
    // The reciprocal of a power of two is one, too; not where it would be subnormal.
    if (exponent < -10 || exponent > 10) return std::nullopt;
    const ExprId factor =
        to_.add({.op = ScalarOp::Constant, .dtype = node.dtype, .value = 1 / divisor.value});
    return to_.add({.op = ScalarOp::Mul, .dtype = node.dtype, .args = {node.args[0], factor}});
  }

  // x + 0 is not x where x is -0.
  std::optional<ExprId> add(const ExprNode& node) const {
    for (const size_t zero : {1, 0}) {
      if (!is_constant(node.args[zero], 0)) continue;
      if (graph::is_integral(node.dtype) || is_negative_zero(node.args[zero])) {
        return node.args[1 - zero];
      }
    }
    return std::nullopt;
  }

  std::optional<ExprId> power(const ExprNode& node) {
    if (is_constant(node.args[1], 1)) return node.args[0];
    if (!is_constant(node.args[1], 2) || !graph::is_floating(node.dtype)) return std::nullopt;
    return to_.add(
        {.op = ScalarOp::Mul, .dtype = node.dtype, .args = {node.args[0], node.args[0]}});
  }

  std::optional<ExprId> select(const ExprNode& node) const {
    if (node.args[1] == node.args[2]) return node.args[1];
    const ExprNode& condition = at(node.args[0]);
    if (condition.op != ScalarOp::Constant) return std::nullopt;
    return node.args[condition.integer != 0 ? 1 : 2];
  }

  // NaN is not equal to itself.
  std::optional<ExprId> of_itself(const ExprNode& node, int64_t result) {
    if (node.args[0] != node.args[1] || !graph::is_integral(at(node.args[0]).dtype)) {
      return std::nullopt;
    }
    return to_.add({.op = ScalarOp::Constant, .dtype = DType::Bool, .integer = result});
  }

  Expression& to_;
};

}  // namespace

bool simplify(graph::Graph& graph) {
  bool changed = false;
  for (graph::Node& node : graph.nodes) {
    Expression* expression = expression_of(node);
    if (expression == nullptr) continue;
    changed |= rewrite(*expression, [](const ExprNode& one, Expression& to) {
      const auto simple = Simplifier(to).simpler(one);
      return simple ? *simple : to.add(one);
    });
  }
  return changed;
}

}  // namespace trireme::compile
