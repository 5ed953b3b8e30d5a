// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/ir/expression.h"

#include <algorithm>
#include <bit>

namespace trireme::graph {
namespace {

constexpr std::array<std::string_view, kScalarOpCount> kNames = {
    "load",   "number", "constant",   "index",       "extent",  "cast",      "neg",
    "abs",    "sign",   "not",        "ceil",        "floor",   "round",     "trunc",
    "sqrt",   "rsqrt",  "reciprocal", "exp",         "exp2",    "expm1",     "log",
    "log2",   "log10",  "log1p",      "sin",         "cos",     "tan",       "asin",
    "acos",   "atan",   "sinh",       "cosh",        "tanh",    "asinh",     "acosh",
    "atanh",  "erf",    "erfc",       "erfinv",      "lgamma",  "digamma",   "sigmoid",
    "is_nan", "is_inf", "real",       "imag",        "conj",    "complex",   "add",
    "sub",    "mul",    "div",        "floor_div",   "fmod",    "remainder", "pow",
    "atan2",  "hypot",  "copysign",   "minimum",     "maximum", "fmin",      "fmax",
    "eq",     "ne",     "lt",         "le",          "gt",      "ge",        "and",
    "or",     "xor",    "shift_left", "shift_right", "select"};

}  // namespace

std::string_view name_of(ScalarOp op) { return kNames[static_cast<size_t>(op)]; }

size_t arity(ScalarOp op) {
  if (op <= ScalarOp::Extent) return 0;
  if (op <= ScalarOp::Conj) return 1;
  return op == ScalarOp::Select ? 3 : 2;
}

bool is_comparison(ScalarOp op) { return op >= ScalarOp::Eq && op <= ScalarOp::Ge; }

bool ExprNode::operator==(const ExprNode& other) const {
  return op == other.op && dtype == other.dtype && args == other.args && index == other.index &&
         integer == other.integer &&
         std::bit_cast<uint64_t>(value) == std::bit_cast<uint64_t>(other.value);
}

Expression Expression::load(DType dtype) {
  Expression expression;
  expression.roots = {expression.add({.op = ScalarOp::Load, .dtype = dtype})};
  return expression;
}

ExprId Expression::add(const ExprNode& node) {
  const auto found = std::ranges::find(nodes, node);
  if (found != nodes.end()) return static_cast<ExprId>(found - nodes.begin());
  nodes.push_back(node);
  return static_cast<ExprId>(nodes.size() - 1);
}

bool Expression::is_copy() const {
  return std::ranges::all_of(roots, [&](ExprId root) {
    return nodes[root].op == ScalarOp::Load && nodes[root].index == 0;
  });
}

}  // namespace trireme::graph
