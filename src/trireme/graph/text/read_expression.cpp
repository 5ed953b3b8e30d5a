// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/text/read_expression.h"

#include <array>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "trireme/graph/ir/scalar_type.h"
#include "trireme/graph/text/numbered_name.h"

namespace trireme::graph {
namespace {

constexpr size_t kMaxDepth = 256;  // of nested terms: the stack is finite

std::optional<ScalarOp> parse_function(std::string_view name) {
  for (size_t i = 0; i < kScalarOpCount; ++i) {
    const auto op = static_cast<ScalarOp>(i);
    if (arity(op) != 0 && name_of(op) == name) return op;
  }
  return std::nullopt;
}

class ExpressionReader {
 public:
  explicit ExpressionReader(Reader& reader) : reader_(reader) {}

  Expression run() {
    while (!reader_.at_word("return")) {
      const Token name = reader_.token();
      const uint32_t number = reader_.numbered("x", "a statement, x0 = ... or return");
      reader_.sign('=');
      if (!names_.emplace(number, term(0)).second) {
        Reader::fail(name, numbered_name("x", number) + " has been defined before");
      }
    }
    reader_.keyword("return");
    if (reader_.at_end() || reader_.at_sign('}')) return std::move(expression_);
    do {
      expression_.roots.push_back(term(0));
    } while (reader_.take_sign(','));
    return std::move(expression_);
  }

 private:
  ExprId term(size_t depth) {
    if (depth > kMaxDepth) {
      Reader::fail(reader_.token(),
                   "terms nested too deeply: give a part of them a name, x0 = ...");
    }
    if (reader_.at_numbered("x")) return named();
    if (const auto index = reader_.at_numbered("a")) return leaf(ScalarOp::Load, *index);
    if (const auto index = reader_.at_numbered("n")) return leaf(ScalarOp::Number, *index);
    if (const auto index = reader_.at_numbered("i")) return leaf(ScalarOp::Index, *index);
    if (const auto index = reader_.at_numbered("size")) return leaf(ScalarOp::Extent, *index);
    const auto op = parse_function(reader_.token().text);
    if (reader_.token().kind == TokenKind::Word && op) return call(*op, depth);
    return constant();
  }

  ExprId named() {
    const Token at = reader_.token();
    const uint32_t number = reader_.numbered("x", "a term");
    const auto found = names_.find(number);
    if (found == names_.end()) {
      Reader::fail(at, numbered_name("x", number) + " is not defined above");
    }
    return found->second;
  }

  ExprId leaf(ScalarOp op, uint32_t index) {
    reader_.take();
    const bool counts = op == ScalarOp::Index || op == ScalarOp::Extent;
    ExprNode node{.op = op, .dtype = DType::Int64, .index = index};
    if (!counts || reader_.at_sign(':')) {
      reader_.sign(':');
      node.dtype = reader_.dtype();
    }
    return add(node);
  }

  ExprId constant() {
    // Whether it is an integer is told by the dtype, which follows.
    const Token at = reader_.token();
    const bool number = at.kind == TokenKind::Number || reader_.at_sign('-') ||
                        reader_.at_word("inf") || at.text.starts_with("nan");
    if (!number) reader_.fail_expecting("a term");
    const Reader start = reader_;
    ExprNode node{.value = reader_.real()};
    reader_.sign(':');
    node.dtype = reader_.dtype();
    if (is_integral(node.dtype)) {
      const Reader end = reader_;
      reader_ = start;
      node.value = 0;
      node.integer = reader_.integer();
      reader_ = end;
    }
    return add(node);
  }

  ExprId call(ScalarOp op, size_t depth) {
    const Token at = reader_.take();
    ExprNode node{.op = op};
    std::array<DType, 3> types{};
    reader_.sign('(');
    for (size_t i = 0; i < arity(op); ++i) {
      if (i != 0) reader_.sign(',');
      node.args[i] = term(depth + 1);
      types[i] = expression_.nodes[node.args[i]].dtype;
    }
    reader_.sign(')');
    if (reader_.take_sign(':')) {
      node.dtype = reader_.dtype();
    } else if (const auto type = result_type(op, std::span(types).first(arity(op)))) {
      node.dtype = *type;
    } else {
      Reader::fail(at, std::string(name_of(op)) + " of these arguments needs its dtype told: " +
                           std::string(name_of(op)) + "(...):f32");
    }
    return add(node);
  }

  // Not Expression::add: equal nodes stay apart where the text has them apart.
  ExprId add(const ExprNode& node) {
    expression_.nodes.push_back(node);
    return static_cast<ExprId>(expression_.nodes.size() - 1);
  }

  Reader& reader_;
  Expression expression_;
  std::map<uint32_t, ExprId> names_;
};

}  // namespace

Expression read_expression(Reader& reader) { return ExpressionReader(reader).run(); }

}  // namespace trireme::graph
