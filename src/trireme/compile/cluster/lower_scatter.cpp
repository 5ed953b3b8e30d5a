// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/cluster/lower_scatter.h"

#include <algorithm>
#include <array>
#include <utility>

namespace trireme::compile {
namespace {

using graph::Node;
using graph::Scatter;
using graph::ScatterOp;

// Whether the elements that the dimensions and the indices reach never coincide: as the digits of a
// number do not, each one's step being longer than all that lower ones reach.
bool parts_are_disjoint(const Node& node, const Scatter& scatter) {
  struct Digit {
    int64_t step;
    int64_t reach;
  };
  std::vector<Digit> digits;
  const auto add = [&](const Extent& stride, const Extent& size) {
    if (stride.is(0) || size.is(1)) return true;
    const auto step = stride.constant();
    const auto count = size.constant();
    if (!step || !count) return false;
    digits.push_back({std::abs(*step), (*count - 1) * std::abs(*step)});
    return true;
  };
  for (size_t dim = 0; dim < node.dims.size(); ++dim) {
    if (!add(node.results[0].view.strides[dim], node.dims[dim])) return false;
  }
  for (const auto& indexed : scatter.indexed) {
    if (!add(indexed.stride, indexed.bound)) return false;
  }
  std::ranges::sort(digits, {}, &Digit::step);
  int64_t reached = 0;
  for (const Digit& digit : digits) {
    if (digit.step <= reached) return false;
    reached += digit.reach;
  }
  return true;
}

class ScatterLowering {
 public:
  ScatterLowering(const graph::Graph& graph, const Node& node)
      : node_(node), scatter_(*node.as<Scatter>()) {
    kernel_.symbols = graph.symbols;
  }

  ClusterKernel run() {
    order_loops();
    ClusterKernel made;
    std::vector<Statement> point;
    const RegisterId update = load(0, point);
    Index target = index_of(node_.results[0].view);
    for (uint32_t k = 0; k < scatter_.indexed.size(); ++k) {
      const auto& indexed = scatter_.indexed[k];
      made.checks.push_back({node_.operands[k + 1], indexed.bound, indexed.wraps});
      RegisterId index = load(k + 1, point);
      if (node_.operands[k + 1].dtype != DType::Int64) {
        index = compute(ScalarOp::Cast, DType::Int64, {index}, point);
      }
      target.registers.push_back({wrapped(index, indexed, point), indexed.stride});
    }
    const auto result = static_cast<uint32_t>(node_.operands.size());
    const Place place{Place::Kind::Buffer, result, std::move(target)};
    RegisterId value = update;
    if (scatter_.op != ScatterOp::Set) {
      const RegisterId before = next_++;
      point.push_back({Load{before, place, {}}});
      value = compute(operation(), node_.results[0].dtype, {before, update}, point);
    }
    point.push_back({Store{value, place, {}}});
    for (size_t at = loops_.size(); at-- > 0;) {
      Loop loop = std::move(loops_[at]);
      loop.body = std::move(point);
      if (at == 0) {
        kernel_.body.push_back(std::move(loop));
        break;
      }
      point.clear();
      point.push_back({std::move(loop)});
    }
    for (const auto& operand : node_.operands) {
      kernel_.buffers.push_back({operand.dtype, false});
      made.buffers.push_back({operand.value, graph::kNoValue});
    }
    kernel_.buffers.push_back({node_.results[0].dtype, true});
    made.buffers.push_back({node_.results[0].value, node_.results[0].base});
    kernel_.registers = next_;
    kernel_.loops = static_cast<uint32_t>(loops_.size());
    made.kernel = std::move(kernel_);
    return made;
  }

 private:
  // Parallel dimensions outside, the widest apart first; the last of them is the vector's.
  void order_loops() {
    const auto& strides = node_.results[0].view.strides;
    const bool disjoint = parts_are_disjoint(node_, scatter_);
    std::vector<uint32_t> parallel;
    std::vector<uint32_t> serial;
    for (uint32_t dim = 0; dim < node_.dims.size(); ++dim) {
      if (node_.dims[dim].is(1)) continue;
      (disjoint && !strides[dim].is(0) ? parallel : serial).push_back(dim);
    }
    std::ranges::stable_sort(parallel, [&](uint32_t a, uint32_t b) {
      return std::abs(strides[a].constant().value_or(0)) >
             std::abs(strides[b].constant().value_or(0));
    });
    if (parallel.empty()) loops_.push_back({0, 1, LoopKind::Serial, {}});
    for (const uint32_t dim : parallel) add_loop(dim, LoopKind::Serial);
    if (!parallel.empty()) loops_.back().kind = LoopKind::Vector;
    for (const uint32_t dim : serial) add_loop(dim, LoopKind::Serial);
  }

  void add_loop(uint32_t dim, LoopKind kind) {
    const auto id = static_cast<LoopId>(loops_.size());
    loops_.push_back({id, node_.dims[dim], kind, {}});
    loop_of_.emplace_back(dim, id);
  }

  Index index_of(const graph::View& view) const {
    Index index{view.offset};
    for (const auto& [dim, loop] : loop_of_) {
      if (!view.strides[dim].is(0)) index.loops.push_back({loop, view.strides[dim]});
    }
    return index;
  }

  RegisterId load(uint32_t operand, std::vector<Statement>& to) {
    const Place from{Place::Kind::Buffer, operand, index_of(node_.operands[operand].view)};
    to.push_back({Load{next_, from, {}}});
    return next_++;
  }

  RegisterId compute(ScalarOp op, DType dtype, std::array<RegisterId, 3> args,
                     std::vector<Statement>& to) {
    to.push_back({Compute{next_, op, dtype, args, 0, 0, 0}});
    return next_++;
  }

  RegisterId wrapped(RegisterId index, const graph::IndexedDim& indexed,
                     std::vector<Statement>& to) {
    if (!indexed.wraps) return index;
    const RegisterId zero = compute(ScalarOp::Constant, DType::Int64, {}, to);
    const RegisterId bound = next_++;
    to.push_back({Affine{bound, {indexed.bound}}});
    const RegisterId negative = compute(ScalarOp::Lt, DType::Bool, {index, zero}, to);
    const RegisterId moved = compute(ScalarOp::Add, DType::Int64, {index, bound}, to);
    return compute(ScalarOp::Select, DType::Int64, {negative, moved, index}, to);
  }

  ScalarOp operation() const {
    switch (scatter_.op) {
      case ScatterOp::Product:
        return ScalarOp::Mul;
      case ScatterOp::Maximum:
        return ScalarOp::Maximum;
      case ScatterOp::Minimum:
        return ScalarOp::Minimum;
      default:
        return ScalarOp::Add;
    }
  }

  const Node& node_;
  const Scatter& scatter_;
  Kernel kernel_;
  std::vector<Loop> loops_;                           // outermost first, without bodies
  std::vector<std::pair<uint32_t, LoopId>> loop_of_;  // dimensions that have a loop
  RegisterId next_ = 0;
};

}  // namespace

std::string refuse_scatter(const Node& node) {
  const auto is_complex = [](const auto& one) { return graph::is_complex(one.dtype); };
  if (std::ranges::any_of(node.operands, is_complex)) return "kernels have no complex numbers";
  return {};
}

ClusterKernel lower_scatter(const graph::Graph& graph, const Node& node) {
  return ScatterLowering(graph, node).run();
}

}  // namespace trireme::compile
