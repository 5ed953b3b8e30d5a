// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "trireme/compile/program/library_steps.h"

namespace trireme::compile {
namespace {

using graph::Graph;
using graph::Node;

class PreparedOpaque final : public PreparedStep {
 public:
  PreparedOpaque(const Graph& graph, const Node& node, std::span<const int64_t> symbols)
      : node_(node) {
    const auto bytes = [&](ValueId id) {
      const graph::Value& value = graph.values[id];
      return static_cast<size_t>(value.count.evaluate(symbols)) * graph::size_of(value.dtype);
    };
    for (const auto& operand : node.operands) operand_bytes_.push_back(bytes(operand.value));
    for (const auto& result : node.results) result_bytes_.push_back(bytes(result.value));
  }

  void run(const Frame& frame) const override {
    std::vector<std::span<const std::byte>> operands;
    std::vector<std::span<std::byte>> results;
    for (size_t i = 0; i < operand_bytes_.size(); ++i) {
      operands.emplace_back(frame.at(node_.operands[i].value), operand_bytes_[i]);
    }
    for (size_t i = 0; i < result_bytes_.size(); ++i) {
      results.emplace_back(frame.at(node_.results[i].value), result_bytes_[i]);
    }
    frame.surroundings.run_opaque(node_, operands, results);
  }

 private:
  const Node& node_;
  std::vector<size_t> operand_bytes_;
  std::vector<size_t> result_bytes_;
};

class OpaqueStep final : public Step {
 public:
  OpaqueStep(const Graph& graph, const Node& node) : graph_(graph), node_(node) {}

  StepAccess access() const override {
    StepAccess access;
    for (const auto& operand : node_.operands) access.reads.push_back(operand.value);
    for (const auto& result : node_.results) {
      StepAccess::Write write{result.value, result.base};
      // The call knows its arguments' storages: what it reads of the base it reads of the result.
      if (result.base != graph::kNoValue) write.over.push_back(result.base);
      access.writes.push_back(std::move(write));
    }
    return access;
  }

  std::unique_ptr<PreparedStep> prepare(std::span<const int64_t> symbols) const override {
    return std::make_unique<PreparedOpaque>(graph_, node_, symbols);
  }

  // PyTorch's kernel decides when it runs.
  double parallel_seconds(std::span<const int64_t> /*symbols*/) const override { return 0; }

  uint32_t call() const override { return node_.call; }

  std::string describe() const override {
    return "call " + node_.as<graph::Opaque>()->call->name() + "\n";
  }

 private:
  const Graph& graph_;
  const Node& node_;
};

}  // namespace

std::unique_ptr<Step> make_opaque_step(const Graph& graph, const Node& node) {
  return std::make_unique<OpaqueStep>(graph, node);
}

}  // namespace trireme::compile
