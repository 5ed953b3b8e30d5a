// SPDX-License-Identifier: Apache-2.0
// A segment's graph with its inputs as they were, to run it again.
#pragma once

#include <string>
#include <vector>

#include "trireme/compile/compiler.h"
#include "trireme/graph/interpret/interpret.h"

namespace trireme::run {

class Rerun {
 public:
  // Copies what the inputs hold.
  Rerun(graph::Graph graph, const graph::Inputs& inputs);
  Rerun(const Rerun&) = delete;
  Rerun& operator=(const Rerun&) = delete;

  // The graph's outputs: compiled without the passes `off`, or by the interpreter if there is no
  // compiler. Throws what these throw.
  std::vector<graph::Buffer> run(const compile::Compiler* compiler, graph::OpaqueRunner& opaque,
                                 const std::vector<std::string>& off = {}) const;

  const graph::Graph& graph() const { return graph_; }
  std::span<const std::byte> input(size_t index) const { return inputs_.buffers[index]; }

 private:
  graph::Graph graph_;
  std::vector<graph::Buffer> memory_;
  graph::Inputs inputs_;
};

}  // namespace trireme::run
