// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/ir/graph.h"

#include <array>
#include <utility>

namespace trireme::graph {

std::string_view name_of(const Primitive& primitive) {
  constexpr std::array<std::string_view, std::variant_size_v<Primitive>> kNames = {
      "map",     "reduce", "contract", "convolve", "attend", "gather",
      "scatter", "scan",   "sort",     "random",   "opaque"};
  return kNames[primitive.index()];
}

ValueId Graph::add_value(DType dtype, Extent count) {
  values.push_back({dtype, std::move(count)});
  return static_cast<ValueId>(values.size() - 1);
}

ValueId Graph::add_input(DType dtype, Extent count) {
  inputs.push_back(add_value(dtype, std::move(count)));
  return inputs.back();
}

Uses::Uses(const Graph& graph)
    : maker(graph.values.size(), kNoNode),
      uses(graph.values.size()),
      leaves(graph.values.size(), false) {
  for (uint32_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    for (uint32_t k = 0; k < node.operands.size(); ++k) {
      uses[node.operands[k].value].push_back({n, k});
    }
    for (const Result& result : node.results) {
      maker[result.value] = n;
      if (result.base != kNoValue) uses[result.base].push_back({n, kBase});
    }
  }
  for (const Output& output : graph.outputs) leaves[output.value] = true;
}

}  // namespace trireme::graph
