// SPDX-License-Identifier: Apache-2.0
#include "program_support.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <utility>

#include "kernel_support.h"
#include "trireme/compile/cluster/form.h"
#include "trireme/compile/passes/pass.h"
#include "trireme/compile/run_on_copies.h"
#include "trireme/graph/check/verify.h"
#include "trireme/graph/interpret/memory.h"
#include "trireme/graph/text/parse.h"

namespace trireme::compile::testing {
namespace {

class Named final : public graph::OpaqueCall {
 public:
  explicit Named(std::string name) : name_(std::move(name)) {}
  std::string name() const override { return name_; }

 private:
  std::string name_;
};

}  // namespace

void Copier::run(const graph::Node&, std::span<const std::span<const std::byte>> operands,
                 std::span<const std::span<std::byte>> results) {
  if (fails) throw std::runtime_error("the call fails");
  std::ranges::copy(operands[0], results[0].begin());
}

graph::Graph parse(const std::string& text) {
  graph::Graph graph =
      graph::parse(text, [](const std::string& name) { return std::make_shared<Named>(name); });
  const auto problems = graph::verify(graph);
  EXPECT_TRUE(problems.empty()) << problems.front();
  return graph;
}

size_t steps_of(const std::string& text) {
  graph::Graph graph = parse(text);
  optimise(graph, {});
  return form_clusters(graph).size();
}

const Compiler& compiler() {
  static const std::unique_ptr<Compiler> made = make_cpu_compiler(TRIREME_KERNELS);
  return *made;
}

Case::Case(const std::string& text, std::vector<int64_t> symbols) : graph(parse(text)) {
  inputs.symbols = std::move(symbols);
  uint64_t seed = 1;
  for (const graph::ValueId input : graph.inputs) {
    const graph::Value& value = graph.values[input];
    memory.push_back(random_elements(value.dtype, value.count.evaluate(inputs.symbols), seed++,
                                     /*special=*/false));
  }
  for (const auto& bytes : memory) inputs.buffers.emplace_back(bytes);
  for (const graph::DType dtype : graph.numbers) {
    inputs.numbers.push_back({dtype, 3, 0.25, 0, std::nullopt, false});
  }
}

void Case::set_integers(size_t input, const std::vector<int64_t>& values) {
  memory[input].resize(values.size() * 8);
  std::memcpy(memory[input].data(), values.data(), values.size() * 8);
  inputs.buffers[input] = memory[input];
}

void expect_same(const Case& one, std::vector<bool> dying) {
  Copier opaque;
  auto wanted = graph::interpret(one.graph, one.inputs, &opaque);
  auto given = run_on_copies(compiler(), one.graph, one.inputs, &opaque, std::move(dying));
  ASSERT_EQ(wanted.size(), given.size());
  for (size_t k = 0; k < wanted.size(); ++k) {
    const graph::DType dtype = one.graph.values[one.graph.outputs[k].value].dtype;
    const auto a = wanted[k].bytes();
    const auto b = given[k].bytes();
    ASSERT_EQ(a.size(), b.size());
    for (size_t at = 0; at < a.size(); at += graph::size_of(dtype)) {
      if (!graph::is_floating(dtype)) {
        EXPECT_EQ(graph::read_integer(dtype, a.data() + at),
                  graph::read_integer(dtype, b.data() + at))
            << "output " << k << ", byte " << at;
        continue;
      }
      const double x = graph::read_real(dtype, a.data() + at);
      const double y = graph::read_real(dtype, b.data() + at);
      EXPECT_NEAR(x, y, 1e-5 * (1 + std::abs(x))) << "output " << k << ", byte " << at;
    }
  }
}

}  // namespace trireme::compile::testing
