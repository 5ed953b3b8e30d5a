// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/passes/accumulate_scatters.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "trireme/compile/passes/rewrite.h"

namespace trireme::compile {
namespace {

using graph::Graph;
using graph::Map;
using graph::Node;
using graph::Operand;
using graph::ScalarOp;
using graph::Scatter;
using graph::ScatterOp;
using graph::Uses;
using graph::ValueId;

class Accumulation {
 public:
  explicit Accumulation(Graph& graph)
      : graph_(graph), uses_(graph), written_over_(values_written_over(graph)) {}

  bool run() {
    std::vector<bool> gone(graph_.nodes.size());
    for (uint32_t n = 0; n < graph_.nodes.size(); ++n) {
      for (const size_t which : {0U, 1U}) {
        const auto scatter = scatter_added(n, which);
        if (!scatter) continue;
        const ValueId base = graph_.nodes[n].operands[1 - which].value;
        const ValueId sum = graph_.nodes[n].results[0].value;
        gone[uses_.maker[graph_.nodes[*scatter].results[0].base]] = true;
        gone[*scatter] = true;
        graph_.nodes[n] = std::move(graph_.nodes[*scatter]);
        graph_.nodes[n].results[0].base = base;
        graph_.nodes[n].results[0].value = sum;
        break;
      }
    }
    uint32_t n = 0;
    return std::erase_if(graph_.nodes, [&](const Node&) { return bool{gone[n++]}; }) != 0;
  }

 private:
  // The node that makes the value, which only `reader` reads. None: it is the program's, too.
  std::optional<uint32_t> only_for(uint32_t reader, ValueId value) const {
    if (uses_.leaves[value] || uses_.maker[value] == Uses::kNoNode) return std::nullopt;
    const auto& uses = uses_.uses[value];
    if (uses.size() != 1 || uses[0].node != reader) return std::nullopt;
    return uses_.maker[value];
  }

  // The node that scatters to zeros what this Map adds, as its operand of that number, to its other
  // one, element by element.
  std::optional<uint32_t> scatter_added(uint32_t n, size_t which) const {
    const Node& map = graph_.nodes[n];
    if (!adds(map)) return std::nullopt;
    const auto found = only_for(n, map.operands[which].value);
    if (!found) return std::nullopt;
    const Node& scatter = graph_.nodes[*found];
    const auto* one = scatter.as<Scatter>();
    if (one == nullptr || one->op != ScatterOp::Add || scatter.results.size() != 1) {
      return std::nullopt;
    }
    // It is done later than it was.
    if (std::ranges::any_of(scatter.operands, [&](const Operand& operand) {
          return bool{written_over_[operand.value]};
        })) {
      return std::nullopt;
    }
    const ValueId base = scatter.results[0].base;
    if (base == graph::kNoValue) return std::nullopt;
    const auto zeros = only_for(*found, base);
    return zeros && is_zero(graph_.nodes[*zeros]) ? found : std::nullopt;
  }

  // Whether it adds two values of one dtype, all of their elements, each to the one in its place.
  bool adds(const Node& node) const {
    const auto* map = node.as<Map>();
    if (map == nullptr || node.operands.size() != 2 || node.results.size() != 1 ||
        node.results[0].base != graph::kNoValue) {
      return false;
    }
    const auto& nodes = map->expression.nodes;
    const auto& root = nodes[map->expression.roots[0]];
    if (root.op != ScalarOp::Add) return false;
    const auto& left = nodes[root.args[0]];
    const auto& right = nodes[root.args[1]];
    if (left.op != ScalarOp::Load || right.op != ScalarOp::Load || left.index == right.index) {
      return false;
    }
    const graph::Result& result = node.results[0];
    const auto& count = graph_.values[result.value].count;
    const auto same = [&](const Operand& operand) {
      const graph::Value& value = graph_.values[operand.value];
      return operand.view == result.view && operand.dtype == result.dtype &&
             value.dtype == result.dtype && value.count == count;
    };
    return node.operands[0].value != node.operands[1].value && same(node.operands[0]) &&
           same(node.operands[1]) && result.view.covers(count);
  }

  bool is_zero(const Node& node) const {
    const auto* map = node.as<Map>();
    if (map == nullptr || node.results.size() != 1 || node.results[0].base != graph::kNoValue) {
      return false;
    }
    const auto& root = map->expression.nodes[map->expression.roots[0]];
    return root.op == ScalarOp::Constant && root.value == 0 && root.integer == 0 &&
           node.results[0].view.covers(graph_.values[node.results[0].value].count);
  }

  Graph& graph_;
  Uses uses_;
  std::vector<bool> written_over_;
};

}  // namespace

bool accumulate_scatters(Graph& graph) {
  bool changed = false;
  while (Accumulation(graph).run()) changed = true;
  return changed;
}

}  // namespace trireme::compile
