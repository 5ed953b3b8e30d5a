// SPDX-License-Identifier: Apache-2.0
// Runs a graph's nodes as compiled kernels, to be held against the interpreter.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "trireme/compile/code/externals.h"
#include "trireme/graph/interpret/interpret.h"
#include "trireme/graph/ir/graph.h"

namespace trireme::compile::testing {

// The elements of the results of the graph's one node, in double, by the interpreter and by its
// kernel, which runs in `pieces` ranges. The results have no bases.
struct Both {
  std::vector<std::vector<double>> wanted;
  std::vector<std::vector<double>> given;
  std::string kernel;  // as text
};
// By its kernel alone.
std::vector<std::vector<double>> run_kernel(const graph::Graph& graph, const graph::Inputs& inputs,
                                            int64_t pieces,
                                            std::span<const External> callable = externals());
// Its object code.
std::vector<std::byte> compile_alone(const graph::Graph& graph, std::span<const External> callable);
Both run_both(const graph::Graph& graph, const graph::Inputs& inputs, int64_t pieces);

// Random elements of a dtype; of floating ones some are special: 0, infinities, NaN.
std::vector<std::byte> random_elements(graph::DType dtype, int64_t count, uint64_t seed,
                                       bool special, double reach = 4);

// The spacing of the dtype's numbers about a value.
double ulp(graph::DType dtype, double value);

// A graph of one node over fresh inputs; the results are its outputs.
graph::Graph graph_of(graph::Node node, const std::vector<graph::Value>& operands,
                      const std::vector<graph::Value>& results);

}  // namespace trireme::compile::testing
