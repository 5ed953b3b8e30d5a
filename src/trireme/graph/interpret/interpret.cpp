// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/interpret/interpret.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>
#include <variant>

#include "trireme/graph/interpret/nodes.h"

namespace trireme::graph {
namespace {

class Interpreter {
 public:
  Interpreter(const Graph& graph, const Inputs& inputs, OpaqueRunner* opaque)
      : graph_(graph), inputs_(inputs), opaque_(opaque), uses_(graph) {}

  std::vector<Buffer> run() {
    if (inputs_.buffers.size() != graph_.inputs.size() ||
        inputs_.numbers.size() != graph_.numbers.size() ||
        inputs_.symbols.size() != graph_.symbols || inputs_.randoms.size() != graph_.randoms) {
      throw std::invalid_argument("interpreter: the inputs are not as many as the graph's");
    }
    memory_.resize(graph_.values.size());
    buffers_.resize(graph_.values.size());
    left_.resize(graph_.values.size());
    for (ValueId value = 0; value < graph_.values.size(); ++value) {
      left_[value] = uses_.uses[value].size() + (uses_.leaves[value] ? 1 : 0);
    }
    for (size_t i = 0; i < graph_.inputs.size(); ++i) {
      const std::span<const std::byte> bytes = inputs_.buffers[i];
      memory_[graph_.inputs[i]] = bytes;
    }
    for (uint32_t number = 0; number < graph_.nodes.size(); ++number) run_node(number);
    std::vector<Buffer> outputs;
    for (const Output& output : graph_.outputs) outputs.push_back(copy(output.value));
    return outputs;
  }

 private:
  Buffer copy(ValueId value) const {
    Buffer buffer(memory_[value].size());
    if (!memory_[value].empty()) {
      std::memcpy(buffer.bytes().data(), memory_[value].data(), memory_[value].size());
    }
    return buffer;
  }

  size_t size_of_value(ValueId value) const {
    const Value& type = graph_.values[value];
    return static_cast<size_t>(type.count.evaluate(inputs_.symbols)) * size_of(type.dtype);
  }

  void run_node(uint32_t number) {
    const Node& node = graph_.nodes[number];
    NodeRun run{.node = node,
                .number = number,
                .dims = {},
                .operands = {},
                .results = {},
                .inputs = inputs_};
    for (const Extent& dim : node.dims) run.dims.push_back(dim.evaluate(inputs_.symbols));
    for (const Operand& operand : node.operands) {
      run.operands.emplace_back(memory_[operand.value], operand.dtype,
                                Layout(operand.view, inputs_.symbols));
    }
    for (const Result& result : node.results) {
      buffers_[result.value] =
          result.base == kNoValue ? Buffer(size_of_value(result.value)) : copy(result.base);
      memory_[result.value] = buffers_[result.value].bytes();
      run.results.emplace_back(buffers_[result.value].bytes(), result.dtype,
                               Layout(result.view, inputs_.symbols));
    }
    std::visit([&](const auto& primitive) { run_primitive(run, primitive); }, node.primitive);
    for (const Operand& operand : node.operands) used(operand.value);
    for (const Result& result : node.results) {
      if (result.base != kNoValue) used(result.base);
    }
  }

  void used(ValueId value) {
    if (--left_[value] == 0) buffers_[value] = Buffer();
  }

  template <class T>
  void run_primitive(NodeRun& run, const T& primitive) {
    if constexpr (std::is_same_v<T, Map>) {
      run_map(run, primitive);
    } else if constexpr (std::is_same_v<T, Reduce>) {
      run_reduce(run, primitive);
    } else if constexpr (std::is_same_v<T, Contract>) {
      run_contract(run);
    } else if constexpr (std::is_same_v<T, Convolve>) {
      run_convolve(run, primitive);
    } else if constexpr (std::is_same_v<T, Attend>) {
      run_attend(run, primitive);
    } else if constexpr (std::is_same_v<T, Gather>) {
      run_gather(run, primitive);
    } else if constexpr (std::is_same_v<T, Scatter>) {
      run_scatter(run, primitive);
    } else if constexpr (std::is_same_v<T, Scan>) {
      run_scan(run, primitive);
    } else if constexpr (std::is_same_v<T, Sort>) {
      run_sort(run, primitive);
    } else if constexpr (std::is_same_v<T, Random>) {
      run_random(run, primitive);
    } else {
      run_opaque(run);
    }
  }

  void run_opaque(NodeRun& run) {
    if (opaque_ == nullptr) {
      throw NodeError(run.number, "interpreter: an opaque node, and nothing to run it");
    }
    std::vector<std::span<const std::byte>> operands;
    std::vector<std::span<std::byte>> results;
    for (const Reader& operand : run.operands) operands.push_back(operand.bytes);
    for (const Writer& result : run.results) results.push_back(result.bytes);
    opaque_->run(run.node, operands, results);
  }

  const Graph& graph_;
  const Inputs& inputs_;
  OpaqueRunner* opaque_;
  Uses uses_;
  std::vector<Buffer> buffers_;                     // by value; of inputs: none
  std::vector<std::span<const std::byte>> memory_;  // by value
  std::vector<size_t> left_;                        // by value: reads to come
};

}  // namespace

Buffer::Buffer(size_t size)
    : data_(static_cast<std::byte*>(
          ::operator new[](std::max<size_t>(size, 1), std::align_val_t(64)))),
      size_(size) {
  std::memset(data_.get(), 0, size);
}

double value_of(const NumberRef& number, const Inputs& inputs) {
  if (!number.input) return number.constant;
  const Number& value = inputs.numbers[*number.input];
  return is_integral(value.dtype) ? static_cast<double>(value.integer) : value.real;
}

std::vector<Buffer> interpret(const Graph& graph, const Inputs& inputs, OpaqueRunner* opaque) {
  return Interpreter(graph, inputs, opaque).run();
}

}  // namespace trireme::graph
