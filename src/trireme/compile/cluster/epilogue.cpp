// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/cluster/epilogue.h"

#include <algorithm>
#include <array>
#include <numbers>
#include <span>
#include <utility>

#include "trireme/compile/cluster/space.h"

namespace trireme::compile {
namespace {

using graph::Contract;
using graph::Convolve;
using graph::ConvolveKind;
using graph::DType;
using graph::Expression;
using graph::ExprId;
using graph::ExprNode;
using graph::Node;
using graph::ScalarOp;
using graph::ValueId;
using graph::View;

constexpr size_t kChannel = 1;  // of a convolution's dimensions

// What a term reads that is a load, or one that is widened.
const ExprNode& without_cast(const Expression& expression, ExprId id) {
  const ExprNode& term = expression.nodes[id];
  return term.op == ScalarOp::Cast ? expression.nodes[term.args[0]] : term;
}

// An expression as a path from one load to the root.
class Path {
 public:
  Path(const Node& convolve, ValueId made, const Node& map)
      : convolve_(convolve),
        map_(map),
        made_(made),
        expression_(map.as<graph::Map>()->expression),
        product_(convolve.as<Contract>()),
        needed_(expression_.nodes.size()) {
    mark(expression_.roots[0]);
  }

  std::optional<std::vector<EpilogueOp>> run() {
    const auto start = find_start();
    if (!start) return std::nullopt;
    std::vector<EpilogueOp> ops;
    ExprId at = *start;
    while (at != expression_.roots[0] && !is_last_cast(at)) {
      const auto op = step(at);
      if (!op) return std::nullopt;
      ops.push_back(*op);
    }
    return ops;
  }

 private:
  const ExprNode& node(ExprId id) const { return expression_.nodes[id]; }

  // A product's results may be rounded when all else is done.
  bool is_last_cast(ExprId at) const {
    const ExprNode& root = node(expression_.roots[0]);
    return product_ != nullptr && root.op == ScalarOp::Cast && root.args[0] == at &&
           users(at).size() == 1;
  }

  void mark(ExprId id) {
    needed_[id] = true;
    for (size_t k = 0; k < arity(node(id).op); ++k) mark(node(id).args[k]);
  }

  // The one load of the value, which is read where it was made.
  std::optional<ExprId> find_start() const {
    std::optional<ExprId> start;
    for (ExprId id = 0; id < expression_.nodes.size(); ++id) {
      if (!needed_[id] || node(id).op != ScalarOp::Load) continue;
      if (map_.operands[node(id).index].value != made_) continue;
      if (start) return std::nullopt;
      start = id;
    }
    return start;
  }

  std::vector<ExprId> users(ExprId of) const {
    std::vector<ExprId> found;
    for (ExprId id = 0; id < expression_.nodes.size(); ++id) {
      const auto args = std::span(node(id).args).first(arity(node(id).op));
      if (needed_[id] && std::ranges::find(args, of) != args.end()) found.push_back(id);
    }
    return found;
  }

  bool is_constant(ExprId id, double value) const {
    return node(id).op == ScalarOp::Constant && node(id).value == value;
  }

  // The node of this operation with `one` as an argument, and what its other argument is.
  std::optional<ExprId> other_of(ExprId id, ScalarOp op, ExprId one) const {
    if (node(id).op != op) return std::nullopt;
    if (node(id).args[0] == one) return node(id).args[1];
    if (node(id).args[1] == one) return node(id).args[0];
    return std::nullopt;
  }
  bool is_with_constant(ExprId id, ScalarOp op, ExprId one, double value) const {
    const auto other = other_of(id, op, one);
    return other && is_constant(*other, value);
  }
  std::optional<ExprId> only_user(ExprId id) const {
    const auto found = users(id);
    return found.size() == 1 ? std::optional(found[0]) : std::nullopt;
  }

  // Takes `at` over one operation.
  std::optional<EpilogueOp> step(ExprId& at) const {
    const std::vector<ExprId> next = users(at);
    if (next.size() == 2) {
      for (const auto& [one, two] : {std::pair(next[0], next[1]), std::pair(next[1], next[0])}) {
        if (const auto end = silu(at, one, two)) return at = *end, EpilogueOp{EpilogueKind::Silu};
        if (const auto end = gelu(at, one, two)) {
          return at = *end, EpilogueOp{EpilogueKind::GeluErf};
        }
      }
      return std::nullopt;
    }
    if (next.size() != 1) return std::nullopt;
    const ExprId before = std::exchange(at, next[0]);
    const ExprNode& op = node(at);
    if (is_with_constant(at, ScalarOp::Maximum, before, 0)) return EpilogueOp{EpilogueKind::Relu};
    if (op.op == ScalarOp::Sigmoid) return EpilogueOp{EpilogueKind::Sigmoid};
    if (op.op == ScalarOp::Tanh) return EpilogueOp{EpilogueKind::Tanh};
    if (op.op == ScalarOp::Sub && op.args[0] == before && op.args[1] != before) {
      return with_other(EpilogueKind::Subtract, op.args[1]);
    }
    for (const auto& [scalar, kind] : {std::pair(ScalarOp::Add, EpilogueKind::Add),
                                       std::pair(ScalarOp::Mul, EpilogueKind::Multiply)}) {
      const auto other = other_of(at, scalar, before);
      if (other && *other != before) return with_other(kind, *other);
    }
    return std::nullopt;
  }

  // x / (exp(-x) + 1)
  std::optional<ExprId> silu(ExprId x, ExprId negated, ExprId quotient) const {
    if (node(negated).op != ScalarOp::Neg || node(quotient).op != ScalarOp::Div ||
        node(quotient).args[0] != x) {
      return std::nullopt;
    }
    const auto power = only_user(negated);
    if (!power || node(*power).op != ScalarOp::Exp) return std::nullopt;
    const auto sum = only_user(*power);
    if (!sum || !is_with_constant(*sum, ScalarOp::Add, *power, 1)) return std::nullopt;
    return node(quotient).args[1] == *sum && only_user(*sum) == quotient ? std::optional(quotient)
                                                                         : std::nullopt;
  }

  // x * 0.5 * (erf(x / sqrt(2)) + 1)
  std::optional<ExprId> gelu(ExprId x, ExprId half, ExprId scaled) const {
    if (!is_with_constant(half, ScalarOp::Mul, x, 0.5)) return std::nullopt;
    const auto factor = other_of(scaled, ScalarOp::Mul, x);
    if (!factor || node(*factor).op != ScalarOp::Constant ||
        static_cast<float>(node(*factor).value) != static_cast<float>(1 / std::numbers::sqrt2)) {
      return std::nullopt;
    }
    const auto erf = only_user(scaled);
    if (!erf || node(*erf).op != ScalarOp::Erf) return std::nullopt;
    const auto sum = only_user(*erf);
    if (!sum || !is_with_constant(*sum, ScalarOp::Add, *erf, 1)) return std::nullopt;
    const auto end = only_user(*sum);
    return end && only_user(half) == end && other_of(*end, ScalarOp::Mul, *sum) == half
               ? end
               : std::nullopt;
  }

  std::optional<EpilogueOp> with_other(EpilogueKind kind, ExprId other) const {
    if (product_ != nullptr) return with_operand(kind, other);
    if (is_per_channel(other)) return EpilogueOp{kind, other, true};
    if (node(other).op != ScalarOp::Load || kind == EpilogueKind::Subtract) return std::nullopt;
    const auto& operand = map_.operands[node(other).index];
    const auto read = along_results(convolve_, map_, operand.view);
    const auto written = along_results(convolve_, map_, map_.results[0].view);
    // Where the results lie, element by element.
    if (operand.dtype != DType::Float32 || !read || read != written) return std::nullopt;
    return EpilogueOp{kind, other, false};
  }

  std::optional<EpilogueOp> with_operand(EpilogueKind kind, ExprId other) const {
    const ExprNode& load = without_cast(expression_, other);
    if (load.op != ScalarOp::Load || kind == EpilogueKind::Subtract) return std::nullopt;
    const auto& operand = map_.operands[load.index];
    const auto read = along_results(convolve_, map_, operand.view);
    if (operand.value == made_ || !read) return std::nullopt;
    if (read == along_results(convolve_, map_, map_.results[0].view)) {
      return EpilogueOp{kind, other, false};
    }
    // Whether it moves where this operand of the product does not only.
    const auto moves_without = [&](const graph::Operand& factor) {
      for (size_t i = 0; i < read->size(); ++i) {
        if (!(*read)[i].is(0) && !factor.view.strides[i].is(0)) return false;
      }
      return true;
    };
    if (!std::ranges::any_of(convolve_.operands, moves_without)) return std::nullopt;
    return EpilogueOp{kind, other, true};
  }

  bool is_per_channel(ExprId id) const {
    const ExprNode& one = node(id);
    if (one.dtype != DType::Float32) return false;
    if (one.op == ScalarOp::Index || one.op == ScalarOp::Extent) return false;
    if (one.op == ScalarOp::Load) {
      const auto& operand = map_.operands[one.index];
      if (operand.value == made_) return false;
      const auto strides = along_results(convolve_, map_, operand.view);
      if (!strides) return false;
      for (size_t i = 0; i < strides->size(); ++i) {
        if (i != kChannel && !(*strides)[i].is(0)) return false;
      }
      return true;
    }
    for (size_t k = 0; k < arity(one.op); ++k) {
      if (!is_per_channel(one.args[k])) return false;
    }
    return true;
  }

  const Node& convolve_;
  const Node& map_;
  ValueId made_;
  const Expression& expression_;
  const Contract* product_;  // null: it is a convolution
  std::vector<bool> needed_;
};

bool is_narrow(DType dtype) { return dtype == DType::BFloat16 || dtype == DType::Float16; }

// A product whose sums are never empty: their epilogue would have to be done all the same.
bool is_product(const Node& made) {
  if (made.as<Contract>() == nullptr) return false;
  for (size_t i = made.parallel; i < made.dims.size(); ++i) {
    if (made.dims[i].constant().value_or(0) == 0) return false;
  }
  return true;
}

bool is_plain(const Node& made) {
  const auto* one = made.as<Convolve>();
  const bool takes = one != nullptr ? one->kind == ConvolveKind::Forward : is_product(made);
  return takes && made.results[0].dtype == DType::Float32;
}

// Whether it is computed in f32, from one f32 value on. Of products the others may be narrow, and
// the result.
bool is_of_f32(const Expression& expression, bool product) {
  for (ExprId id = 0; id < expression.nodes.size(); ++id) {
    const ExprNode& node = expression.nodes[id];
    if (node.op == ScalarOp::Number || node.dtype == DType::Float32) continue;
    const bool end = node.op == ScalarOp::Load || id == expression.roots[0];
    if (!product || !is_narrow(node.dtype) || !end) return false;
  }
  return true;
}

}  // namespace

View without_ones(View view) {
  for (size_t i = 0; i < view.rank(); ++i) {
    if (view.sizes[i].is(1)) view.strides[i] = 0;
  }
  return view;
}

std::optional<graph::Extents> along_results(const Node& convolve, const Node& map,
                                            const View& view) {
  const graph::Extents& sizes = convolve.results[0].view.sizes;
  graph::Extents points;
  std::ranges::copy_if(sizes, std::back_inserter(points), [](const Extent& e) { return !e.is(1); });
  const auto common = common_refinement(map.dims, points);
  if (!common || *common != points) return std::nullopt;
  const graph::Extents refined = refine_strides(map.dims, view.strides, points);
  graph::Extents strides;
  size_t next = 0;
  for (const Extent& size : sizes) strides.push_back(size.is(1) ? Extent(0) : refined[next++]);
  return strides;
}

std::optional<std::vector<EpilogueOp>> read_epilogue(const Node& convolve, ValueId made,
                                                     const Node& map) {
  const auto* one = map.as<graph::Map>();
  if (!is_plain(convolve) || one == nullptr || map.results.size() != 1 ||
      map.results[0].base != graph::kNoValue) {
    return std::nullopt;
  }
  if (!along_results(convolve, map, map.results[0].view)) return std::nullopt;
  if (!is_of_f32(one->expression, convolve.as<Contract>() != nullptr)) return std::nullopt;
  return Path(convolve, made, map).run();
}

const graph::Operand& other_of(const Node& map, const EpilogueOp& op) {
  return map.operands[without_cast(map.as<graph::Map>()->expression, op.other).index];
}

std::optional<std::vector<EpilogueOp>> library_epilogue(const Node& convolve, const Node& map) {
  if (!is_plain(convolve) || map.as<graph::Map>() == nullptr) return std::nullopt;
  const auto& result = convolve.results[0];
  const auto& expression = map.as<graph::Map>()->expression;
  auto ops = read_epilogue(convolve, result.value, map);
  if (!ops) return std::nullopt;
  const auto reads = std::ranges::find(map.operands, result.value, &graph::Operand::value);
  // Element by element, and the results as the convolution would have them.
  const graph::Extents made = without_ones(result.view).strides;
  const auto same = [&](const View& view) {
    return along_results(convolve, map, view) == made && view.offset == result.view.offset;
  };
  if (!same(reads->view) || !same(map.results[0].view)) return std::nullopt;
  const bool direct = std::ranges::all_of(*ops, [&](const EpilogueOp& op) {
    return op.kind != EpilogueKind::Subtract &&
           (!op.has_other() || convolve.as<Contract>() != nullptr ||
            expression.nodes[op.other].op == ScalarOp::Load);
  });
  return direct && !ops->empty() ? ops : std::nullopt;
}

}  // namespace trireme::compile
