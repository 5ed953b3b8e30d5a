// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/lower/lower.h"

#include <algorithm>

#include "trireme/compile/lower/loop_nest.h"
#include "trireme/compile/lower/lower_random.h"
#include "trireme/compile/lower/lower_scan.h"

namespace trireme::compile {
namespace {

using graph::ExprId;
using graph::ExprNode;
using graph::Node;

class Lowering {
 public:
  Lowering(const graph::Graph& graph, const Node& node, std::string name) : node_(node) {
    kernel_.name = std::move(name);
    kernel_.numbers = graph.numbers;
    kernel_.symbols = graph.symbols;
    for (const auto& operand : node.operands) kernel_.buffers.push_back({operand.dtype, false});
    for (const auto& result : node.results) kernel_.buffers.push_back({result.dtype, true});
  }

  Kernel run() {
    const auto* reduce = node_.as<graph::Reduce>();
    const graph::Expression& expression =
        reduce != nullptr ? reduce->expression : node_.as<graph::Map>()->expression;
    make_loops(expression, reduce);
    std::vector<Statement> point;
    compute(expression, point);
    const size_t parallel =
        static_cast<size_t>(std::ranges::count(nest_, false, &NestLoop::reduction));
    if (reduce == nullptr) {
      for (size_t k = 0; k < node_.results.size(); ++k) store(expression.roots[k], k, point);
      wrap(nest_.size(), 1, point);
    } else {
      reduce_point(*reduce, parallel, point);
    }
    kernel_.body.push_back(make_loop(0, std::move(point)));
    kernel_.registers = next_;
    return std::move(kernel_);
  }

 private:
  void make_loops(const graph::Expression& expression, const graph::Reduce* reduce) {
    std::vector<NestView> views;
    for (const auto& operand : node_.operands) views.push_back({operand.view.strides});
    for (const auto& result : node_.results) {
      views.push_back({result.view.strides});
      views.back().strides.resize(node_.dims.size(), Extent(0));
    }
    const bool coordinates = std::ranges::any_of(
        expression.nodes, [](const ExprNode& one) { return one.op == ScalarOp::Index; });
    const bool positions = reduce != nullptr && (reduce->op == ReduceOp::ArgMaximum ||
                                                 reduce->op == ReduceOp::ArgMinimum);
    nest_ = make_nest(node_.dims, node_.parallel, views, coordinates || positions);
    kernel_.loops = static_cast<uint32_t>(nest_.size());
  }

  Loop make_loop(size_t at, std::vector<Statement> body) const {
    return {static_cast<LoopId>(at), nest_[at].size,
            nest_[at].vector ? LoopKind::Vector : LoopKind::Serial, std::move(body)};
  }

  // Puts the loops [first, end) around statements.
  void wrap(size_t end, size_t first, std::vector<Statement>& body) const {
    for (size_t at = end; at-- > first;) {
      Loop loop = make_loop(at, std::move(body));
      body.clear();
      body.push_back({std::move(loop)});
    }
  }

  Place place(size_t buffer, const graph::View& view) const {
    Place place{Place::Kind::Buffer, static_cast<uint32_t>(buffer), {view.offset}};
    for (size_t at = 0; at < nest_.size(); ++at) {
      const Extent& stride = nest_[at].strides[buffer];
      if (!stride.is(0)) place.index.loops.push_back({static_cast<LoopId>(at), stride});
    }
    return place;
  }

  // The coordinate along a dimension: its loop's variable; 0, where it has one point.
  Index coordinate(uint32_t dim, const Extent& stride) const {
    Index index;
    for (size_t at = 0; at < nest_.size(); ++at) {
      if (std::ranges::find(nest_[at].dims, dim) == nest_[at].dims.end()) continue;
      index.loops.push_back({static_cast<LoopId>(at), stride});
    }
    return index;
  }

  void compute(const graph::Expression& expression, std::vector<Statement>& to) {
    for (const ExprNode& node : expression.nodes) {
      const RegisterId result = next_++;  // registers are numbered as the expression's nodes
      if (node.op == ScalarOp::Load) {
        to.push_back({Load{result, place(node.index, node_.operands[node.index].view), {}}});
      } else if (node.op == ScalarOp::Index) {
        to.push_back({Affine{result, coordinate(node.index, 1)}});
      } else if (node.op == ScalarOp::Extent) {
        to.push_back({Affine{result, {node_.dims[node.index]}}});
      } else {
        to.push_back({Compute{result, node.op, node.dtype, node.args, node.index, node.integer,
                              node.value}});
      }
    }
  }

  void store(RegisterId value, size_t result, std::vector<Statement>& to) const {
    const size_t buffer = node_.operands.size() + result;
    to.push_back({Store{value, place(buffer, node_.results[result].view), {}}});
  }

  void reduce_point(const graph::Reduce& reduce, size_t parallel, std::vector<Statement>& point) {
    const bool arg = reduce.op == ReduceOp::ArgMaximum || reduce.op == ReduceOp::ArgMinimum;
    std::optional<RegisterId> position;
    if (arg) {
      position = next_++;
      Index index;
      Extent stride = 1;
      for (size_t dim = node_.dims.size(); dim-- > node_.parallel;) {
        const Index one = coordinate(static_cast<uint32_t>(dim), stride);
        index.loops.insert(index.loops.end(), one.loops.begin(), one.loops.end());
        stride *= node_.dims[dim];
      }
      point.push_back({Affine{*position, index}});
    }
    const std::vector<ExprId>& roots = reduce.expression.roots;
    std::vector<Statement> body;
    for (size_t i = 0; i < roots.size(); ++i) {
      const auto accumulator = static_cast<AccumulatorId>(i);
      body.push_back({Declare{accumulator, reduce.op, reduce.expression.nodes[roots[i]].dtype}});
      point.push_back({Update{accumulator, roots[i], position}});
    }
    kernel_.accumulators = static_cast<uint32_t>(roots.size());
    wrap(nest_.size(), parallel, point);
    std::ranges::move(point, std::back_inserter(body));
    size_t result = 0;
    for (size_t i = 0; i < roots.size(); ++i) {
      Read read{static_cast<AccumulatorId>(i), next_++, {}};
      if (reduce.op == ReduceOp::Welford) read.second = next_++;
      body.push_back({read});
      store(read.to, result++, body);
      if (read.second) store(*read.second, result++, body);
    }
    point = std::move(body);
    wrap(parallel, 1, point);
  }

  const Node& node_;
  Kernel kernel_;
  std::vector<NestLoop> nest_;
  RegisterId next_ = 0;
};

}  // namespace

Lowered lower(const graph::Graph& graph, const Node& node, std::string name) {
  const auto* reduce = node.as<graph::Reduce>();
  const auto* map = node.as<graph::Map>();
  if (node.as<graph::Random>() != nullptr) return lower_random(graph, node, std::move(name));
  if (node.as<graph::Scan>() != nullptr) return lower_scan(graph, node, std::move(name));
  if (map == nullptr && reduce == nullptr) {
    return {{}, std::string(graph::name_of(node.primitive)) + " has no kernel yet"};
  }
  const auto& nodes = reduce != nullptr ? reduce->expression.nodes : map->expression.nodes;
  const auto is_complex = [](const ExprNode& one) { return graph::is_complex(one.dtype); };
  if (std::ranges::any_of(nodes, is_complex)) return {{}, "kernels have no complex numbers"};
  if (std::ranges::any_of(graph.numbers, graph::is_complex)) {
    return {{}, "kernels have no complex numbers"};
  }
  return {Lowering(graph, node, std::move(name)).run(), {}};
}

}  // namespace trireme::compile
