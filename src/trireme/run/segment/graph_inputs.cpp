// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/segment/graph_inputs.h"

#include "trireme/run/reference_executor.h"

namespace trireme::run {

graph::Inputs graph_inputs(const SegmentGraph& graph, const SegmentLog& log,
                           std::span<record::VirtualStorage* const> storages) {
  graph::Inputs inputs;
  for (const LogId id : graph.inputs) {
    const c10::Storage& memory = host_memory(*storages[id]);
    inputs.buffers.push_back(
        {static_cast<const std::byte*>(memory.data()), storages[id]->nbytes.load()});
  }
  for (const NumberSource& source : graph.numbers) {
    inputs.numbers.push_back(number_value(log.calls()[source.call].values[source.value]));
  }
  for (const uint32_t call : graph.randoms) {
    const record::PhiloxState& state = log.calls()[call].random;
    inputs.randoms.push_back({state.seed, state.offset});
  }
  return inputs;
}

}  // namespace trireme::run
