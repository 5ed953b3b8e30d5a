// SPDX-License-Identifier: Apache-2.0
#include "kernel_support.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <stdexcept>

#include "trireme/compile/cluster/lower.h"
#include "trireme/compile/llvm/link.h"
#include "trireme/compile/llvm/module.h"
#include "trireme/graph/interpret/memory.h"

namespace trireme::compile::testing {

using graph::DType;

namespace {

std::vector<double> elements(DType dtype, std::span<const std::byte> bytes) {
  std::vector<double> values;
  for (size_t at = 0; at < bytes.size(); at += graph::size_of(dtype)) {
    values.push_back(graph::is_floating(dtype)
                         ? graph::read_real(dtype, bytes.data() + at)
                         : static_cast<double>(graph::read_integer(dtype, bytes.data() + at)));
  }
  return values;
}

}  // namespace

namespace {

ClusterKernel lower_alone(const graph::Graph& graph) {
  const graph::Node& node = graph.nodes.at(0);
  if (const std::string why = kernel_refusal(graph, node); !why.empty()) {
    throw std::runtime_error(why);
  }
  ClusterKernel lowered =
      lower_cluster(graph, {{0}, space_of(node)}, std::vector<bool>(graph.values.size(), true));
  lowered.kernel.name = "kernel";
  return lowered;
}

}  // namespace

Both run_both(const graph::Graph& graph, const graph::Inputs& inputs, int64_t pieces) {
  Both both;
  both.kernel = print(lower_alone(graph).kernel);
  both.given = run_kernel(graph, inputs, pieces);
  const auto wanted = graph::interpret(graph, inputs, nullptr);
  for (size_t i = 0; i < wanted.size(); ++i) {
    both.wanted.push_back(elements(graph.nodes[0].results[i].dtype, wanted[i].bytes()));
  }
  return both;
}

std::vector<std::byte> compile_alone(const graph::Graph& graph,
                                     std::span<const External> callable) {
  const ClusterKernel lowered = lower_alone(graph);
  return compile_object(std::span(&lowered.kernel, 1), callable);
}

std::vector<std::vector<double>> run_kernel(const graph::Graph& graph, const graph::Inputs& inputs,
                                            int64_t pieces, std::span<const External> callable) {
  const graph::Node& node = graph.nodes.at(0);
  const ClusterKernel lowered = lower_alone(graph);
  const Module module =
      load_object(compile_object(std::span(&lowered.kernel, 1), callable), callable);
  std::vector<std::vector<std::byte>> memory(graph.values.size());
  for (size_t i = 0; i < inputs.buffers.size(); ++i) {
    memory[graph.inputs[i]].assign(inputs.buffers[i].begin(), inputs.buffers[i].end());
  }
  for (const auto& result : node.results) {
    const auto count =
        static_cast<size_t>(graph.values[result.value].count.evaluate(inputs.symbols));
    memory[result.value].resize(count * graph::size_of(result.dtype));
  }
  std::vector<std::byte*> buffers;
  for (const KernelBuffer& buffer : lowered.buffers) buffers.push_back(memory[buffer.value].data());
  std::vector<ScalarArg> numbers;
  for (const uint32_t number : lowered.numbers) {
    numbers.push_back({inputs.numbers[number].integer, inputs.numbers[number].real});
  }
  for (const uint32_t number : lowered.randoms) {
    const graph::RandomState& random = inputs.randoms[number];
    numbers.push_back({static_cast<int64_t>(random.seed), 0});
    numbers.push_back({static_cast<int64_t>(random.offset), 0});
  }
  const int64_t range = range_of(lowered.kernel).evaluate(inputs.symbols);
  const KernelFunction function = module.function("kernel");
  for (int64_t piece = 0; piece < pieces; ++piece) {
    function(buffers.data(), numbers.data(), inputs.symbols.data(), nullptr, range * piece / pieces,
             range * (piece + 1) / pieces);
  }
  std::vector<std::vector<double>> given;
  for (const auto& result : node.results) {
    given.push_back(elements(result.dtype, memory[result.value]));
  }
  return given;
}

std::vector<std::byte> random_elements(DType dtype, int64_t count, uint64_t seed, bool special,
                                       double reach) {
  std::mt19937_64 random(seed);
  const size_t size = graph::size_of(dtype);
  std::vector<std::byte> bytes(static_cast<size_t>(count) * size);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  constexpr double kSpecial[] = {
      0, -0.0, kInfinity, -kInfinity, std::numeric_limits<double>::quiet_NaN(), 1, -1, 0.5, 2.5};
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    if (graph::is_floating(dtype)) {
      double value = std::uniform_real_distribution<double>(-reach, reach)(random);
      if (special && random() % 5 == 0) value = kSpecial[random() % std::size(kSpecial)];
      graph::write_real(dtype, bytes.data() + i * size, value);
    } else {
      const auto value = static_cast<int64_t>(random() % 23) - 11;
      graph::write_integer(dtype, bytes.data() + i * size,
                           dtype == DType::Bool ? value & 1 : value);
    }
  }
  return bytes;
}

double ulp(DType dtype, double value) {
  if (!std::isfinite(value)) return 0;
  const int digits = dtype == DType::Float64   ? 52
                     : dtype == DType::Float32 ? 23
                     : dtype == DType::Float16 ? 10
                                               : 7;
  const int lowest = dtype == DType::Float64 ? -1022 : dtype == DType::Float16 ? -14 : -126;
  const int exponent = value == 0 ? lowest : std::max(std::ilogb(value), lowest);
  return std::ldexp(1.0, exponent - digits);
}

graph::Graph graph_of(graph::Node node, const std::vector<graph::Value>& operands,
                      const std::vector<graph::Value>& results) {
  graph::Graph graph;
  for (size_t i = 0; i < operands.size(); ++i) {
    node.operands[i].value = graph.add_input(operands[i].dtype, operands[i].count);
    node.operands[i].dtype = operands[i].dtype;
  }
  for (size_t i = 0; i < results.size(); ++i) {
    node.results[i].value = graph.add_value(results[i].dtype, results[i].count);
    node.results[i].dtype = results[i].dtype;
    graph.outputs.push_back({node.results[i].value, {}});
  }
  graph.nodes.push_back(std::move(node));
  return graph;
}

}  // namespace trireme::compile::testing
