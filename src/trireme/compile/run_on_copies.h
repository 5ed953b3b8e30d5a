// SPDX-License-Identifier: Apache-2.0
// Compiles a graph and runs it at once on copies of its inputs: for verify mode and for tests.
#pragma once

#include <algorithm>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "trireme/compile/compiler.h"
#include "trireme/graph/interpret/interpret.h"

namespace trireme::compile {

class BufferSurroundings : public Surroundings {
 public:
  BufferSurroundings(const graph::Graph& graph, const graph::Inputs& inputs,
                     graph::OpaqueRunner* opaque)
      : opaque_(opaque), outputs_(graph.outputs.size()) {
    for (const auto bytes : inputs.buffers) {
      graph::Buffer& copy = inputs_.emplace_back(bytes.size());
      std::ranges::copy(bytes, copy.bytes().begin());
    }
    for (const graph::Output& output : graph.outputs) {
      const graph::Value& value = graph.values[output.value];
      output_bytes_.push_back(static_cast<size_t>(value.count.evaluate(inputs.symbols)) *
                              graph::size_of(value.dtype));
      of_input_.push_back(output.input);
    }
  }

  std::byte* input(uint32_t index) override { return inputs_[index].bytes().data(); }
  uint64_t input_version(uint32_t /*index*/) override { return 0; }
  std::byte* output(uint32_t index) override {
    outputs_[index] = graph::Buffer(output_bytes_[index]);
    return outputs_[index].bytes().data();
  }
  void drop_input(uint32_t index) override { inputs_[index] = graph::Buffer(); }
  std::byte* allocate(size_t bytes) override {
    return static_cast<std::byte*>(::operator new(bytes, std::align_val_t(64)));
  }
  void free(std::byte* memory) override { ::operator delete(memory, std::align_val_t(64)); }
  void run_opaque(const graph::Node& node, std::span<const std::span<const std::byte>> operands,
                  std::span<const std::span<std::byte>> results) override {
    opaque_->run(node, operands, results);
  }

  // What the last run left in an output that belongs to no input.
  const std::byte* last(size_t output) const { return outputs_[output].bytes().data(); }

  std::vector<graph::Buffer> take_outputs() {
    for (size_t i = 0; i < outputs_.size(); ++i) {
      if (of_input_[i]) outputs_[i] = std::move(inputs_[*of_input_[i]]);
    }
    return std::move(outputs_);
  }

 private:
  graph::OpaqueRunner* opaque_;
  std::vector<graph::Buffer> inputs_;
  std::vector<graph::Buffer> outputs_;
  std::vector<size_t> output_bytes_;
  std::vector<std::optional<uint32_t>> of_input_;
};

// The values of the graph's outputs, in order; an output that a failed node leaves out is empty.
// `opaque` may be null where there is no opaque node. `dying`: by input; `off`: passes to leave
// out. Throws what the compiler throws, and the first node's error.
inline std::vector<graph::Buffer> run_on_copies(const Compiler& compiler, graph::Graph graph,
                                                const graph::Inputs& inputs,
                                                graph::OpaqueRunner* opaque,
                                                std::vector<bool> dying = {},
                                                std::vector<std::string> off = {}) {
  BufferSurroundings surroundings(graph, inputs, opaque);
  CompileOptions options;
  options.dying = std::move(dying);
  options.verify = true;
  options.off = std::move(off);
  const auto compiled = compiler.compile(std::move(graph), options);
  const auto failures =
      compiled->run(surroundings, {inputs.numbers, inputs.symbols, inputs.randoms});
  if (!failures.empty()) std::rethrow_exception(failures.front().error);
  return surroundings.take_outputs();
}

}  // namespace trireme::compile
