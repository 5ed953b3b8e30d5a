// SPDX-License-Identifier: Apache-2.0
// Attention as a compiled step, on OpenMP's threads: milliseconds and GFLOP/s of the problems of a
// few networks. attend_bench [repetitions]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "trireme/compile/compiler.h"
#include "trireme/graph/interpret/interpret.h"
#include "trireme/graph/text/parse.h"

namespace {

namespace compile = trireme::compile;
namespace graph = trireme::graph;

struct Shape {
  const char* name;
  int64_t batch, heads, rows, columns, depth;
  bool causal, masked, backward;
  const char* type;
};

constexpr Shape kShapes[] = {
    {"gpt2 forward", 4, 8, 256, 256, 64, true, false, false, "f32"},
    {"gpt2 backward", 4, 8, 256, 256, 64, true, false, true, "f32"},
    {"bert forward", 4, 8, 128, 128, 64, false, true, false, "f32"},
    {"bert backward", 4, 8, 128, 128, 64, false, true, true, "f32"},
    {"vit forward", 8, 6, 197, 197, 64, false, false, false, "f32"},
    {"vit backward", 8, 6, 197, 197, 64, false, false, true, "f32"},
    {"long forward", 1, 8, 2048, 2048, 64, true, false, false, "f32"},
    {"long backward", 1, 8, 2048, 2048, 64, true, false, true, "f32"},
    {"gpt2 bf16 forward", 4, 8, 256, 256, 64, true, false, false, "bf16"},
    {"gpt2 bf16 backward", 4, 8, 256, 256, 64, true, false, true, "bf16"},
    {"decode 64", 1, 8, 1, 64, 64, false, false, false, "f32"},
    {"decode 256", 1, 8, 1, 256, 64, false, false, false, "f32"},
    {"decode 1024", 1, 8, 1, 1024, 64, false, false, false, "f32"},
    {"decode 2048", 1, 8, 1, 2048, 64, false, false, false, "f32"},
};

// Memory that is there, as a program's is after its first step.
class Memory final : public compile::Surroundings {
 public:
  Memory(const graph::Graph& graph, const graph::Inputs& inputs) {
    for (const auto bytes : inputs.buffers) {
      std::ranges::copy(bytes, inputs_.emplace_back(bytes.size()).bytes().begin());
    }
    for (const graph::Output& output : graph.outputs) {
      const graph::Value& value = graph.values[output.value];
      outputs_.emplace_back(static_cast<size_t>(value.count.evaluate({})) *
                            graph::size_of(value.dtype));
    }
  }
  std::byte* input(uint32_t index) override { return inputs_[index].bytes().data(); }
  uint64_t input_version(uint32_t /*index*/) override { return 0; }
  std::byte* output(uint32_t index) override { return outputs_[index].bytes().data(); }
  void drop_input(uint32_t) override {}
  std::byte* allocate(size_t bytes) override {
    if (scratch_.bytes().size() < bytes) scratch_ = graph::Buffer(bytes);
    return scratch_.bytes().data();
  }
  void free(std::byte*) override {}
  void run_opaque(const graph::Node&, std::span<const std::span<const std::byte>>,
                  std::span<const std::span<std::byte>>) override {}

 private:
  std::vector<graph::Buffer> inputs_;
  std::vector<graph::Buffer> outputs_;
  graph::Buffer scratch_;
};

// Heads in the middle, as a projection leaves them; a cache's keys (of one query) dense.
std::string view(const Shape& shape, int64_t rows, bool dense) {
  const auto n = [](int64_t number) { return std::to_string(number); };
  const int64_t d = shape.depth;
  const std::string sizes = n(shape.batch) + ", " + n(shape.heads) + ", " + n(rows) + ", " + n(d);
  if (dense) return " at [" + sizes + "]";
  return " at [" + sizes + " : " + n(rows * shape.heads * d) + ", " + n(d) + ", " +
         n(shape.heads * d) + ", 1 : 0]";
}

std::string text_of(const Shape& shape) {
  const int64_t line = shape.batch * shape.heads * shape.depth;
  const std::string q = std::string(shape.type) + "[" + std::to_string(line * shape.rows) + "]";
  const std::string k = std::string(shape.type) + "[" + std::to_string(line * shape.columns) + "]";
  const std::string rows = std::to_string(shape.batch * shape.heads * shape.rows);
  const std::string at_q = view(shape, shape.rows, false);
  const std::string at_k = view(shape, shape.columns, shape.rows == 1);
  const std::string logarithm = " at [" + std::to_string(shape.batch) + ", " +
                                std::to_string(shape.heads) + ", " + std::to_string(shape.rows) +
                                "]";
  const std::string mask = " at [" + std::to_string(shape.batch) + ", " +
                           std::to_string(shape.heads) + ", " + std::to_string(shape.rows) + ", " +
                           std::to_string(shape.columns) + " : " + std::to_string(shape.columns) +
                           ", 0, 0, 1 : 0]\n";
  const std::string flags = std::string(shape.masked ? " masked" : "") +
                            (shape.causal ? " causal" : "") + " scale 0.125 () {\n";
  std::string text = "input %0: " + q + "\ninput %1: " + k + "\ninput %2: " + k +
                     "\ninput %3: bool[" + std::to_string(shape.batch * shape.columns) + "]\n";
  if (!shape.backward) {
    return text + "%4: " + q + at_q + ", %5: f32[" + rows + "]" + logarithm + " = attend forward" +
           flags + "a0 = %0" + at_q + "\na1 = %1" + at_k + "\na2 = %2" + at_k + "\n" +
           (shape.masked ? "a3 = %3" + mask : "") + "}\noutput %4\noutput %5\n";
  }
  return text + "input %4: " + q + "\ninput %5: " + q + "\ninput %6: f32[" + rows + "]\n%7: " + q +
         at_q + ", %8: " + k + at_k + ", %9: " + k + at_k + " = attend backward" + flags +
         "a0 = %4" + at_q + "\na1 = %0" + at_q + "\na2 = %1" + at_k + "\na3 = %2" + at_k +
         "\na4 = %5" + at_q + "\na5 = %6" + logarithm + "\n" +
         (shape.masked ? "a6 = %3" + mask : "") + "}\noutput %7\noutput %8\noutput %9\n";
}

void measure(const compile::Compiler& compiler, const Shape& shape, int repetitions) {
  const graph::Graph parsed = graph::parse(text_of(shape), {});
  std::vector<std::vector<std::byte>> memory;
  graph::Inputs inputs;
  uint32_t state = 1;
  for (const graph::ValueId input : parsed.inputs) {
    const graph::Value& value = parsed.values[input];
    auto& bytes = memory.emplace_back(static_cast<size_t>(value.count.evaluate({})) *
                                      graph::size_of(value.dtype));
    const size_t size = graph::size_of(value.dtype);
    for (size_t at = 0; at < bytes.size(); at += size) {
      state = state * 1664525 + 1013904223;
      if (value.dtype == graph::DType::Bool) {
        bytes[at] = std::byte{1};
      } else if (size == 4) {  // around 1
        reinterpret_cast<float&>(bytes[at]) = static_cast<float>(state >> 8) * 0x1p-24F;
      } else {
        reinterpret_cast<uint16_t&>(bytes[at]) = static_cast<uint16_t>(0x3f00 | (state >> 25));
      }
    }
  }
  for (const auto& bytes : memory) inputs.buffers.emplace_back(bytes);
  const auto program = compiler.compile(parsed, {});
  Memory surroundings(parsed, inputs);
  double best = 1e9;
  for (int i = 0; i < repetitions; ++i) {
    const auto start = std::chrono::steady_clock::now();
    if (!program->run(surroundings, {{}, {}, {}}).empty()) std::abort();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    best = std::min(best, took.count());
  }
  const double flops = (shape.backward ? 10.0 : 4.0) * static_cast<double>(shape.batch) *
                       static_cast<double>(shape.heads) * static_cast<double>(shape.rows) *
                       static_cast<double>(shape.columns) * static_cast<double>(shape.depth) *
                       (shape.causal ? 0.5 : 1);
  std::printf("%-20s %8.3f ms %7.1f GFLOP/s\n", shape.name, best * 1e3, flops / best * 1e-9);
}

}  // namespace

int main(int argc, char** argv) {
  const int repetitions = argc > 1 ? std::atoi(argv[1]) : 50;
  const auto compiler = compile::make_cpu_compiler(TRIREME_KERNELS);
  for (const Shape& shape : kShapes) measure(*compiler, shape, repetitions);
}
