// SPDX-License-Identifier: Apache-2.0
// Graphs from text with random inputs, and what the compiler makes of them against the interpreter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "trireme/compile/compiler.h"
#include "trireme/graph/interpret/interpret.h"
#include "trireme/graph/ir/graph.h"

namespace trireme::compile::testing {

// Gives back the first operand's bytes, or throws.
class Copier final : public graph::OpaqueRunner {
 public:
  bool fails = false;
  void run(const graph::Node& node, std::span<const std::span<const std::byte>> operands,
           std::span<const std::span<std::byte>> results) override;
};

// Of a well-formed graph.
graph::Graph parse(const std::string& text);

// How many steps the graph becomes.
size_t steps_of(const std::string& text);

const Compiler& compiler();

struct Case {
  graph::Graph graph;
  std::vector<std::vector<std::byte>> memory{};
  graph::Inputs inputs{};

  explicit Case(const std::string& text, std::vector<int64_t> symbols = {});
  void set_integers(size_t input, const std::vector<int64_t>& values);
};

// Floating elements to 1e-5.
void expect_same(const Case& one, std::vector<bool> dying = {});

}  // namespace trireme::compile::testing
