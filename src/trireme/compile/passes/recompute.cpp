// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/passes/recompute.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "trireme/compile/cluster/form.h"
#include "trireme/compile/passes/canonicalise.h"
#include "trireme/compile/passes/eliminate_dead.h"
#include "trireme/compile/passes/inline_map.h"
#include "trireme/compile/passes/rewrite.h"

namespace trireme::compile {
namespace {

using graph::Graph;
using graph::Node;
using graph::Operand;
using graph::ScalarOp;
using graph::ValueId;

constexpr double kLeastBytes = 64 << 10;  // of a value worth the look
constexpr size_t kMostOps = 32;           // of what is computed again
constexpr size_t kMostOperands = 6;
constexpr int kRounds = 3;  // what is computed again may let others follow

// What an operation costs at one point: as bytes that memory moves meanwhile, by the times of
// docs/kernels.md on two threads and 40 GB/s. None: it is not computed twice.
std::optional<double> worth(ScalarOp op) {
  switch (op) {
    case ScalarOp::Load:
    case ScalarOp::Number:
    case ScalarOp::Constant:
      return 0.0;
    case ScalarOp::Index:
    case ScalarOp::Extent:
    case ScalarOp::Cast:
    case ScalarOp::Neg:
    case ScalarOp::Abs:
    case ScalarOp::Sign:
    case ScalarOp::Not:
    case ScalarOp::IsNan:
    case ScalarOp::IsInf:
    case ScalarOp::Add:
    case ScalarOp::Sub:
    case ScalarOp::Mul:
    case ScalarOp::Minimum:
    case ScalarOp::Maximum:
    case ScalarOp::Eq:
    case ScalarOp::Ne:
    case ScalarOp::Lt:
    case ScalarOp::Le:
    case ScalarOp::Gt:
    case ScalarOp::Ge:
    case ScalarOp::And:
    case ScalarOp::Or:
    case ScalarOp::Xor:
    case ScalarOp::Select:
      return 0.5;
    case ScalarOp::Div:
    case ScalarOp::Sqrt:
    case ScalarOp::Rsqrt:
    case ScalarOp::Reciprocal:
      return 2.0;
    case ScalarOp::Exp:
    case ScalarOp::Tanh:
    case ScalarOp::Sigmoid:
      return 8.0;
    case ScalarOp::Erf:
      return 12.0;
    default:
      return std::nullopt;
  }
}

double number(const graph::Extent& extent) {
  return static_cast<double>(extent.constant().value_or(0));
}

double points_of(const Node& node) { return number(graph::product(node.dims)); }

// Bytes of all operations at one point.
std::optional<double> arithmetic(const graph::Expression& expression) {
  double sum = 0;
  for (const auto& one : expression.nodes) {
    const auto bytes = worth(one.op);
    if (!bytes) return std::nullopt;
    sum += *bytes;
  }
  return sum;
}

class Recomputer {
 public:
  explicit Recomputer(Graph& graph)
      : graph_(graph),
        uses_(graph),
        kept_(values_written_over(graph)),
        replaced_by_(graph.values.size(), graph::kNoValue),
        step_of_(graph.nodes.size()) {
    for (const auto& output : graph.outputs) {
      if (output.input) replaced_by_[graph.inputs[*output.input]] = output.value;
    }
    for (const Node& node : graph.nodes) {
      for (const auto& result : node.results) {
        if (result.base != graph::kNoValue) replaced_by_[result.base] = graph::kNoValue;
      }
    }
    const auto schedule = form_clusters(graph);
    for (uint32_t step = 0; step < schedule.size(); ++step) {
      for (const Cluster& cluster : schedule[step].clusters) {
        for (const uint32_t n : cluster.nodes) step_of_[n] = step;
      }
    }
  }

  bool run() {
    bool changed = false;
    for (uint32_t n = 0; n < graph_.nodes.size(); ++n) {
      if (graph_.nodes[n].as<graph::Map>() == nullptr) continue;
      for (const auto& result : graph_.nodes[n].results) {
        if (!consider(n, result.value)) continue;
        changed = true;
        uses_ = graph::Uses(graph_);
      }
    }
    return changed;
  }

  // What all steps move, and their arithmetic where it may be done twice.
  double cost() const {
    double sum = 0;
    std::map<std::pair<uint32_t, ValueId>, double> read;
    for (uint32_t n = 0; n < graph_.nodes.size(); ++n) {
      Node& node = graph_.nodes[n];
      for (const Operand& operand : node.operands) {
        const uint32_t maker = uses_.maker[operand.value];
        if (maker != graph::Uses::kNoNode && step_of_[maker] == step_of_[n]) continue;
        double& bytes = read[{step_of_[n], operand.value}];
        bytes = std::min(bytes + touched(operand), size_of(operand.value));
      }
      for (const auto& result : node.results) {
        if (leaves(result.value)) sum += size_of(result.value);
      }
      if (const auto* expression = expression_of(node)) {
        sum += points_of(node) * arithmetic(*expression).value_or(0);
      }
    }
    for (const auto& [where, bytes] : read) sum += bytes;
    return sum;
  }

 private:
  double size_of(ValueId value) const {
    const graph::Value& one = graph_.values[value];
    return number(one.count) * static_cast<double>(graph::size_of(one.dtype));
  }

  double touched(const Operand& operand) const {
    double elements = 1;
    for (size_t i = 0; i < operand.view.rank(); ++i) {
      if (!operand.view.strides[i].is(0)) elements *= number(operand.view.sizes[i]);
    }
    const double bytes = elements * static_cast<double>(graph::size_of(operand.dtype));
    return std::min(bytes, size_of(operand.value));
  }

  // Whether another step than its own, or the graph's user, needs the value.
  bool leaves(ValueId value) const {
    if (uses_.leaves[value] || uses_.maker[value] == graph::Uses::kNoNode) return true;
    const uint32_t home = step_of_[uses_.maker[value]];
    return std::ranges::any_of(uses_.uses[value],
                               [&](const auto& use) { return step_of_[use.node] != home; });
  }

  uint32_t last_step(ValueId value) const {
    uint32_t last = 0;
    for (const auto& use : uses_.uses[value]) last = std::max(last, step_of_[use.node]);
    return uses_.leaves[value] ? UINT32_MAX : last;
  }

  bool reads(uint32_t step, ValueId value) const {
    return std::ranges::any_of(uses_.uses[value],
                               [&](const auto& use) { return step_of_[use.node] == step; });
  }

  // The maker of the value, made of what other steps can read, too. None: not cheap.
  std::optional<Node> whole(uint32_t maker) const {
    Node node = graph_.nodes[maker];
    const uint32_t home = step_of_[maker];
    for (size_t i = 0; i < node.operands.size();) {
      const uint32_t other = uses_.maker[node.operands[i].value];
      const bool inside = other != graph::Uses::kNoNode && step_of_[other] == home &&
                          !leaves(node.operands[i].value);
      if (inside && graph_.nodes[other].as<graph::Map>() != nullptr &&
          inline_map(node, static_cast<uint32_t>(i), graph_, graph_.nodes[other])) {
        i = 0;  // operands have moved
      } else {
        ++i;
      }
      if (node.as<graph::Map>()->expression.nodes.size() > kMostOps ||
          node.operands.size() > kMostOperands) {
        return std::nullopt;
      }
    }
    if (!arithmetic(node.as<graph::Map>()->expression)) return std::nullopt;
    return node;
  }

  // Whether the value still holds what it does when this node runs. An input does where what takes
  // its memory in the end is made there or later in the same step: by an optimizer, of the old one.
  bool holds_at(ValueId value, uint32_t n) const {
    if (!kept_[value]) return true;
    const ValueId next = replaced_by_[value];
    const uint32_t maker = next == graph::kNoValue ? graph::Uses::kNoNode : uses_.maker[next];
    return maker != graph::Uses::kNoNode && step_of_[maker] == step_of_[n] && n <= maker;
  }

  // What it means that a step computes the value again.
  struct Reader {
    uint32_t step = 0;
    std::map<uint32_t, Node> nodes{};  // by number, as they then are
    double saved = 0;                  // bytes
    double longer = 0;                 // bytes of what must be kept for it
    bool stored = true;                // what it reads is in memory anyway
  };

  // None: it cannot.
  std::optional<Reader> reader(uint32_t step, ValueId value, const Node& maker) const {
    Reader result{step};
    const double again = arithmetic(maker.as<graph::Map>()->expression).value_or(0);
    double read = 0;
    for (const auto& use : uses_.uses[value]) {
      if (step_of_[use.node] != step || result.nodes.contains(use.node)) continue;
      Node node = graph_.nodes[use.node];
      if (node.as<graph::Map>() == nullptr && node.as<graph::Reduce>() == nullptr) {
        return std::nullopt;
      }
      if (!std::ranges::all_of(maker.operands, [&](const Operand& operand) {
            return holds_at(operand.value, use.node);
          })) {
        return std::nullopt;
      }
      for (;;) {
        const auto at = std::ranges::find(node.operands, value, &Operand::value);
        if (at == node.operands.end()) break;
        read += touched(*at);
        result.saved -= again * points_of(node);
        if (!inline_map(node, static_cast<uint32_t>(at - node.operands.begin()), graph_, maker)) {
          return std::nullopt;
        }
      }
      if (expression_of(node)->nodes.size() > 2 * kMostOps) return std::nullopt;
      result.nodes.emplace(use.node, std::move(node));
    }
    result.saved += std::min(read, size_of(value));
    for (const Operand& operand : maker.operands) {
      const ValueId one = operand.value;
      if (!reads(step, one)) result.saved -= touched(operand);
      if (!leaves(one)) {
        result.saved -= size_of(one);  // written for it
        result.stored = false;
      }
      if (last_step(one) < step) result.longer += size_of(one);
    }
    return result;
  }

  bool consider(uint32_t n, ValueId value) {
    if (size_of(value) < kLeastBytes || kept_[value]) return false;
    std::vector<uint32_t> steps;
    bool based = false;
    for (const auto& use : uses_.uses[value]) {
      based = based || use.operand == graph::Uses::kBase;
      const uint32_t step = step_of_[use.node];
      if (step != step_of_[n] && std::ranges::find(steps, step) == steps.end()) {
        steps.push_back(step);
      }
    }
    if (steps.empty() || based) return false;
    auto maker = whole(n);
    if (!maker) return false;
    std::vector<Reader> readers;
    for (const uint32_t step : steps) {
      if (auto one = reader(step, value, *maker)) readers.push_back(std::move(*one));
    }
    if (readers.size() == steps.size() && !uses_.leaves[value]) {
      double saved = size_of(value);  // not written
      double longer = 0;
      for (const Reader& one : readers) {
        saved += one.saved;
        longer = std::max(longer, one.longer);
      }
      if (saved > 0 && longer <= size_of(value)) {
        for (Reader& one : readers) put(one);
        return true;
      }
    }
    bool changed = false;
    for (Reader& one : readers) {
      if (one.saved <= 0 || one.longer > 0 || !one.stored) continue;
      put(one);
      changed = true;
    }
    return changed;
  }

  void put(Reader& reader) {
    for (auto& [number, node] : reader.nodes) graph_.nodes[number] = std::move(node);
  }

  Graph& graph_;
  graph::Uses uses_;
  std::vector<bool> kept_;            // by value: written over
  std::vector<ValueId> replaced_by_;  // by value: of an input, what takes its memory in the end
  std::vector<uint32_t> step_of_;     // by node
};

}  // namespace

bool recompute(Graph& graph) {
  bool changed = false;
  for (int round = 0; round < kRounds; ++round) {
    Graph tried = graph;
    Recomputer recomputer(tried);
    const double before = recomputer.cost();
    if (!recomputer.run()) break;
    canonicalise(tried);
    eliminate_dead(tried);
    if (Recomputer(tried).cost() >= before) break;
    graph = std::move(tried);
    changed = true;
  }
  return changed;
}

}  // namespace trireme::compile
