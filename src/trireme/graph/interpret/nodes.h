// SPDX-License-Identifier: Apache-2.0
// Running one node: a function per primitive.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "trireme/graph/interpret/interpret.h"
#include "trireme/graph/interpret/memory.h"
#include "trireme/graph/ir/graph.h"

namespace trireme::graph {

// What a node runs on: its operands and results, in order; bases are already in the results'
// memory.
struct NodeRun {
  const Node& node;
  uint32_t number = 0;        // of the node
  std::vector<int64_t> dims;  // of the iteration space
  std::vector<Reader> operands;
  std::vector<Writer> results;
  const Inputs& inputs;

  std::vector<int64_t> parallel() const { return {dims.begin(), dims.begin() + node.parallel}; }
};

void run_map(NodeRun& run, const Map& map);
void run_reduce(NodeRun& run, const Reduce& reduce);
void run_contract(NodeRun& run);
void run_convolve(NodeRun& run, const Convolve& convolve);
void run_attend(NodeRun& run, const Attend& attend);
void run_gather(NodeRun& run, const Gather& gather);
void run_scatter(NodeRun& run, const Scatter& scatter);
void run_scan(NodeRun& run, const Scan& scan);
void run_sort(NodeRun& run, const Sort& sort);
void run_random(NodeRun& run, const Random& random);

// The value of an attribute.
double value_of(const NumberRef& number, const Inputs& inputs);

}  // namespace trireme::graph
