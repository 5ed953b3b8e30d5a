// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/passes/fuse_epilogues.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "trireme/compile/cluster/epilogue.h"
#include "trireme/compile/passes/rewrite.h"

namespace trireme::compile {
namespace {

using graph::DType;
using graph::Expression;
using graph::ExprId;
using graph::ExprNode;
using graph::Extents;
using graph::Graph;
using graph::Node;
using graph::Operand;
using graph::ScalarOp;
using graph::Uses;
using graph::ValueId;
using graph::View;

constexpr size_t kChannel = 1;  // of a convolution's dimensions

ExprNode binary(ScalarOp op, ExprId left, ExprId right) {
  return {.op = op, .dtype = DType::Float32, .args = {left, right}};
}

// A Map that is being written.
struct Draft {
  Expression expression;
  std::vector<Operand> operands;

  ExprId load(const Operand& operand) {
    const uint32_t index = place_of(operands, operand);
    return expression.add({.op = ScalarOp::Load, .dtype = DType::Float32, .index = index});
  }
  ExprId compute(ScalarOp op, ExprId left, ExprId right = 0) {
    return expression.add(binary(op, left, right));
  }
  ExprId constant(double value) {
    return expression.add({.op = ScalarOp::Constant, .dtype = DType::Float32, .value = value});
  }
  // A term of another Map's expression; `view` says how its operands are read here.
  template <class ViewOf>
  ExprId copy(const Node& map, ExprId id, const ViewOf& view) {
    ExprNode node = map.as<graph::Map>()->expression.nodes[id];
    if (node.op == ScalarOp::Load) {
      Operand operand = map.operands[node.index];
      operand.view = view(operand.view);
      return load(operand);
    }
    for (size_t k = 0; k < arity(node.op); ++k) node.args[k] = copy(map, node.args[k], view);
    return expression.add(node);
  }
};

// A convolution and the Maps after it.
class Fusion {
 public:
  Fusion(Graph& graph, const Uses& uses, uint32_t convolve)
      : graph_(graph), uses_(uses), convolve_(graph.nodes[convolve]) {}

  // Whether there is something to rewrite. `taken`: by node, whether it is another one's.
  bool find(const std::vector<bool>& taken, const std::vector<bool>& written_over) {
    if (convolve_.as<graph::Convolve>() == nullptr) return false;
    // It moves to behind all that the Maps read.
    for (const Operand& operand : convolve_.operands) {
      if (written_over[operand.value]) return false;
    }
    const auto& result = convolve_.results[0];
    if (result.base != graph::kNoValue || !result.view.is_constant()) return false;
    ValueId made = result.value;
    const View view = without_ones(result.view);
    while (const auto next = follower(made)) {
      const Node& map = graph_.nodes[*next];
      auto ops = read_epilogue(convolve_, made, map);
      if (taken[*next] || !ops || ops->empty() || !is_in_place(map, made, view)) break;
      maps_.push_back({*next, std::move(*ops)});
      made = map.results[0].value;
    }
    if (maps_.empty()) return false;
    const bool ready =
        maps_.size() == 1 && library_epilogue(convolve_, graph_.nodes[maps_[0].node]).has_value();
    return !ready;
  }

  // The Map of scales and shifts, if one is needed; the other one takes the place of the last Map.
  std::optional<Node> rewrite() {
    const Node& first = graph_.nodes[maps_[0].node];
    const auto& result = convolve_.results[0];
    ExprId at = fused_.load({result.value, result.dtype, without_ones(result.view)});
    for (const Member& member : maps_) {
      const Node& map = graph_.nodes[member.node];
      for (const EpilogueOp& op : member.ops) {
        if (op.per_channel) {
          collect(map, op);
          continue;
        }
        at = settle(at);
        at = apply(at, map, op);
      }
    }
    at = settle(at);
    fused_.expression.roots = {at};
    const uint32_t last = maps_.back().node;
    graph::Result to = graph_.nodes[last].results[0];
    to.view = expanded(graph_.nodes[last], to.view);
    std::optional<Node> channels;
    if (!per_channel_.expression.roots.empty()) {
      channels = Node{graph::Map{std::move(per_channel_.expression)},
                      {convolve_.results[0].view.sizes[kChannel]},
                      1,
                      std::move(per_channel_.operands),
                      std::move(channel_results_),
                      first.call};
    }
    graph_.nodes[last] = {graph::Map{std::move(fused_.expression)},
                          convolve_.results[0].view.sizes,
                          static_cast<uint32_t>(convolve_.results[0].view.rank()),
                          std::move(fused_.operands),
                          {std::move(to)},
                          graph_.nodes[last].call};
    return channels;
  }

  // The Maps that are one now, in place of the last.
  std::vector<uint32_t> maps() const {
    std::vector<uint32_t> nodes;
    for (const Member& member : maps_) nodes.push_back(member.node);
    return nodes;
  }

 private:
  struct Member {
    uint32_t node;
    std::vector<EpilogueOp> ops;
  };

  // A Map's view over the convolution's dimensions.
  View expanded(const Node& map, const View& view) const {
    return {convolve_.results[0].view.sizes, *along_results(convolve_, map, view), view.offset};
  }

  // The only reader of the value, where that is a Map.
  std::optional<uint32_t> follower(ValueId value) const {
    if (uses_.leaves[value] || uses_.uses[value].size() != 1) return std::nullopt;
    const auto& use = uses_.uses[value][0];
    if (use.operand == Uses::kBase || graph_.nodes[use.node].as<graph::Map>() == nullptr) {
      return std::nullopt;
    }
    return use.node;
  }

  // Whether the Map's elements lie as the convolution's do.
  bool is_in_place(const Node& map, ValueId made, const View& view) const {
    const auto operand = std::ranges::find(map.operands, made, &Operand::value);
    return operand->dtype == DType::Float32 && expanded(map, operand->view) == view &&
           expanded(map, map.results[0].view) == view;
  }

  // Takes a term per channel into the scale and shift that are being collected.
  void collect(const Node& map, const EpilogueOp& op) {
    const ExprId term = per_channel_.copy(map, op.other, [&](const View& view) {
      return View{{convolve_.results[0].view.sizes[kChannel]},
                  {(*along_results(convolve_, map, view))[kChannel]},
                  view.offset};
    });
    const auto combine = [&](std::optional<ExprId>& into, ScalarOp with) {
      into = into ? per_channel_.compute(with, *into, term) : term;
    };
    if (op.kind == EpilogueKind::Multiply) {
      if (shift_) combine(shift_, ScalarOp::Mul);
      combine(scale_, ScalarOp::Mul);
    } else if (op.kind == EpilogueKind::Subtract && !shift_) {
      shift_ = per_channel_.compute(ScalarOp::Neg, term);
    } else {
      combine(shift_, op.kind == EpilogueKind::Add ? ScalarOp::Add : ScalarOp::Sub);
    }
  }

  // Applies them.
  ExprId settle(ExprId at) {
    if (scale_) at = fused_.compute(ScalarOp::Mul, at, channel_term(*scale_));
    if (shift_) at = fused_.compute(ScalarOp::Add, at, channel_term(*shift_));
    scale_.reset();
    shift_.reset();
    return at;
  }

  // A term per channel in the fused Map: an operand as it is, or what the other Map makes.
  ExprId channel_term(ExprId term) {
    const Extents& sizes = convolve_.results[0].view.sizes;
    View view{sizes, Extents(sizes.size(), 0), 0};
    const ExprNode& node = per_channel_.expression.nodes[term];
    if (node.op == ScalarOp::Load) {
      Operand operand = per_channel_.operands[node.index];
      view.offset = operand.view.offset;
      view.strides[kChannel] = operand.view.strides[0];
      operand.view = std::move(view);
      return fused_.load(operand);
    }
    view.strides[kChannel] = 1;
    const graph::Extent& channels = sizes[kChannel];
    const ValueId value = graph_.add_value(DType::Float32, channels);
    per_channel_.expression.roots.push_back(term);
    channel_results_.push_back({value, DType::Float32, View::row_major({channels})});
    return fused_.load({value, DType::Float32, std::move(view)});
  }

  ExprId apply(ExprId at, const Node& map, const EpilogueOp& op) {
    const auto one = [&](double value) { return fused_.constant(value); };
    switch (op.kind) {
      case EpilogueKind::Relu:
        return fused_.compute(ScalarOp::Maximum, at, one(0));
      case EpilogueKind::Sigmoid:
        return fused_.compute(ScalarOp::Sigmoid, at);
      case EpilogueKind::Tanh:
        return fused_.compute(ScalarOp::Tanh, at);
      default:
        break;
    }
    if (op.kind == EpilogueKind::Silu || op.kind == EpilogueKind::GeluErf) {
      return copy_activation(at, map, op.kind);
    }
    const ExprId other =
        fused_.copy(map, op.other, [&](const View& view) { return expanded(map, view); });
    return fused_.compute(op.kind == EpilogueKind::Add ? ScalarOp::Add : ScalarOp::Mul, at, other);
  }

  ExprId copy_activation(ExprId at, const Node& map, EpilogueKind kind) {
    if (kind == EpilogueKind::Silu) {
      const ExprId power = fused_.compute(ScalarOp::Exp, fused_.compute(ScalarOp::Neg, at));
      return fused_.compute(ScalarOp::Div, at,
                            fused_.compute(ScalarOp::Add, power, fused_.constant(1)));
    }
    // The factor, 1 / sqrt(2), with the bits that it has.
    const auto& nodes = map.as<graph::Map>()->expression.nodes;
    const auto erf = std::ranges::find(nodes, ScalarOp::Erf, &ExprNode::op);
    const ExprNode& scaled = nodes[erf->args[0]];
    const ExprNode& left = nodes[scaled.args[0]];
    const ExprNode& factor = left.op == ScalarOp::Constant ? left : nodes[scaled.args[1]];
    const ExprId half = fused_.compute(ScalarOp::Mul, at, fused_.constant(0.5));
    const ExprId inner = fused_.compute(ScalarOp::Mul, at, fused_.constant(factor.value));
    const ExprId sum =
        fused_.compute(ScalarOp::Add, fused_.compute(ScalarOp::Erf, inner), fused_.constant(1));
    return fused_.compute(ScalarOp::Mul, half, sum);
  }

  Graph& graph_;
  const Uses& uses_;
  const Node& convolve_;
  std::vector<Member> maps_{};
  Draft fused_{};
  Draft per_channel_{};
  std::vector<graph::Result> channel_results_{};
  std::optional<ExprId> scale_{};  // in per_channel_
  std::optional<ExprId> shift_{};
};

}  // namespace

bool fuse_epilogues(Graph& graph) {
  const Uses uses(graph);
  const std::vector<bool> written_over = values_written_over(graph);
  std::vector<bool> taken(graph.nodes.size());
  std::vector<bool> moved(graph.nodes.size());
  std::map<uint32_t, std::vector<Node>> before;  // by Map: what goes before it
  for (uint32_t n = 0; n < graph.nodes.size(); ++n) {
    Fusion fusion(graph, uses, n);
    if (!fusion.find(taken, written_over)) continue;
    auto channels = fusion.rewrite();
    const std::vector<uint32_t> maps = fusion.maps();
    for (const uint32_t map : maps) taken[map] = moved[map] = true;
    moved[maps.back()] = false;
    moved[n] = true;
    std::vector<Node>& first = before[maps.back()];
    if (channels) first.push_back(std::move(*channels));
    first.push_back(std::move(graph.nodes[n]));
  }
  std::vector<Node> nodes;
  for (uint32_t n = 0; n < graph.nodes.size(); ++n) {
    if (const auto found = before.find(n); found != before.end()) {
      std::ranges::move(found->second, std::back_inserter(nodes));
    }
    if (!moved[n]) nodes.push_back(std::move(graph.nodes[n]));
  }
  graph.nodes = std::move(nodes);
  return !before.empty();
}

}  // namespace trireme::compile
