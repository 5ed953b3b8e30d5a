// SPDX-License-Identifier: Apache-2.0
// An expression is written as nested terms. The nodes of a parsed text are numbered as they are
// written, arguments first; so a node is written inside its user only where this gives it the
// number that it has. All others are statements of their own, x<number> = ...
#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "trireme/graph/ir/scalar_type.h"
#include "trireme/graph/text/numbered_name.h"
#include "trireme/graph/text/print.h"

namespace trireme::graph {
namespace {

constexpr size_t kMaxDepth = 8;  // of nested terms, for readers

class ExpressionPrinter {
 public:
  ExpressionPrinter(const Expression& expression, const std::string& indent)
      : expression_(expression), indent_(indent), uses_(expression.nodes.size(), 0) {
    for (const ExprNode& node : expression.nodes) {
      for (const ExprId arg : args(node)) count(arg);
    }
    for (const ExprId root : expression.roots) count(root);
  }

  std::string run() {
    for (ExprId id = 0; id < expression_.nodes.size(); ++id) statement(id);
    const std::span<const ExprId> roots = expression_.roots;
    make_inlinable(roots);
    const size_t kept = pending_.size() - inlined(roots).size();
    const std::string terms = join(roots, kept);
    pending_.erase(pending_.begin() + static_cast<ptrdiff_t>(kept), pending_.end());
    name_first(pending_.size());
    out_ += indent_ + "return" + (roots.empty() ? "" : " ") + terms + "\n";
    return std::move(out_);
  }

 private:
  // A term that waits to be written inside its only user.
  struct Pending {
    ExprId id;
    std::string text;
    size_t depth;
  };

  static std::span<const ExprId> args(const ExprNode& node) {
    return std::span(node.args).first(arity(node.op));
  }

  void count(ExprId id) {
    if (id < uses_.size()) ++uses_[id];
  }

  // Which of these wait, in this order.
  std::vector<ExprId> inlined(std::span<const ExprId> ids) const {
    std::vector<ExprId> found;
    for (const ExprId id : ids) {
      if (std::ranges::find(pending_, id, &Pending::id) != pending_.end()) found.push_back(id);
    }
    return found;
  }

  // Names terms until those of `ids` that still wait are the last ones, in order.
  void make_inlinable(std::span<const ExprId> ids) {
    for (;;) {
      const std::vector<ExprId> wanted = inlined(ids);
      if (std::ranges::equal(std::span(pending_).last(wanted.size()), wanted, {}, &Pending::id)) {
        return;
      }
      const auto first = std::ranges::find_if(pending_, [&](const Pending& term) {
        return std::ranges::find(wanted, term.id) != wanted.end();
      });
      name_first(static_cast<size_t>(first - pending_.begin()) + 1);
    }
  }

  // Writes the first terms that wait as statements.
  void name_first(size_t terms) {
    for (size_t i = 0; i < terms; ++i) name(pending_[i].id, pending_[i].text);
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(terms));
  }

  void name(ExprId id, const std::string& text) {
    out_ += indent_ + numbered_name("x", id) + " = " + text + "\n";
  }

  // The arguments, those that wait (from number `first` on) written out.
  std::string join(std::span<const ExprId> ids, size_t first) const {
    std::string text;
    for (const ExprId id : ids) {
      if (!text.empty()) text += ", ";
      const auto found = std::ranges::find(pending_.begin() + static_cast<ptrdiff_t>(first),
                                           pending_.end(), id, &Pending::id);
      text += found == pending_.end() ? numbered_name("x", id) : found->text;
    }
    return text;
  }

  void statement(ExprId id) {
    const ExprNode& node = expression_.nodes[id];
    make_inlinable(args(node));
    const size_t kept = pending_.size() - inlined(args(node)).size();
    Pending term{.id = id, .text = written(node, kept), .depth = 1};
    for (size_t i = kept; i < pending_.size(); ++i) {
      term.depth = std::max(term.depth, pending_[i].depth + 1);
    }
    pending_.erase(pending_.begin() + static_cast<ptrdiff_t>(kept), pending_.end());
    if (uses_[id] == 1 && term.depth < kMaxDepth) {
      pending_.push_back(std::move(term));
      return;
    }
    name_first(pending_.size());
    name(id, term.text);
  }

  std::string written(const ExprNode& node, size_t kept) const {
    std::string type(":");
    type += name_of(node.dtype);
    const std::string index = std::to_string(node.index);
    switch (node.op) {
      case ScalarOp::Load:
        return "a" + index + type;
      case ScalarOp::Number:
        return "n" + index + type;
      case ScalarOp::Constant:
        return (is_integral(node.dtype) ? std::to_string(node.integer) : print(node.value)) + type;
      case ScalarOp::Index:
        return "i" + index + (node.dtype == DType::Int64 ? "" : type);
      case ScalarOp::Extent:
        return "size" + index + (node.dtype == DType::Int64 ? "" : type);
      default:
        break;
    }
    const std::string text = std::string(name_of(node.op)) + "(" + join(args(node), kept) + ")";
    return inferred(node) ? text : text + type;
  }

  // Whether the arguments tell the dtype.
  bool inferred(const ExprNode& node) const {
    std::array<DType, 3> types{};
    for (size_t i = 0; i < arity(node.op); ++i) {
      if (node.args[i] >= expression_.nodes.size()) return false;
      types[i] = expression_.nodes[node.args[i]].dtype;
    }
    return result_type(node.op, std::span(types).first(arity(node.op))) == node.dtype;
  }

  const Expression& expression_;
  const std::string& indent_;
  std::vector<size_t> uses_;
  std::vector<Pending> pending_;  // by id, ascending; none named yet has a smaller one
  std::string out_;
};

}  // namespace

std::string print(const Expression& expression, const std::string& indent) {
  return ExpressionPrinter(expression, indent).run();
}

}  // namespace trireme::graph
