// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/verify/rerun.h"

#include <algorithm>
#include <utility>

#include "trireme/compile/run_on_copies.h"

namespace trireme::run {

Rerun::Rerun(graph::Graph graph, const graph::Inputs& inputs)
    : graph_(std::move(graph)), inputs_(inputs) {
  memory_.reserve(inputs.buffers.size());
  for (auto& bytes : inputs_.buffers) {
    graph::Buffer& copy = memory_.emplace_back(bytes.size());
    std::ranges::copy(bytes, copy.bytes().begin());
    bytes = copy.bytes();
  }
}

std::vector<graph::Buffer> Rerun::run(const compile::Compiler* compiler,
                                      graph::OpaqueRunner& opaque,
                                      const std::vector<std::string>& off) const {
  if (compiler == nullptr) return graph::interpret(graph_, inputs_, &opaque);
  return compile::run_on_copies(*compiler, graph_, inputs_, &opaque, /*dying=*/{}, off);
}

}  // namespace trireme::run
