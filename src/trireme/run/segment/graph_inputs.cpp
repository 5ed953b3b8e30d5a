// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/segment/graph_inputs.h"

#include <algorithm>
#include <utility>

#include "trireme/run/reference_executor.h"

namespace trireme::run {

bool guards_hold(const SegmentGraph& graph, const SegmentLog& log,
                 std::span<const int64_t> symbols) {
  const bool natural = std::ranges::all_of(
      graph.naturals, [&](const graph::Extent& extent) { return extent.evaluate(symbols) >= 0; });
  return natural && std::ranges::all_of(graph.guards, [&](const graph::NumberGuard& guard) {
           const NumberSource& source = graph.numbers[guard.input];
           const graph::Number now = number_at(log, source);
           return now.dtype == guard.value.dtype && now.integer == guard.value.integer &&
                  now.real == guard.value.real && now.imag == guard.value.imag;
         });
}

compile::RunValues run_values(const SegmentGraph& graph, const SegmentLog& log,
                              std::span<const int64_t> symbols) {
  compile::RunValues values;
  values.symbols.assign(symbols.begin(), symbols.end());
  for (const NumberSource& source : graph.numbers) {
    values.numbers.push_back(number_at(log, source));
  }
  for (const uint32_t call : graph.randoms) {
    const record::PhiloxState& state = log.calls()[call].random;
    values.randoms.push_back({state.seed, state.offset});
  }
  return values;
}

graph::Inputs graph_inputs(const SegmentGraph& graph, const SegmentLog& log,
                           std::span<record::VirtualStorage* const> storages,
                           std::span<const int64_t> symbols) {
  compile::RunValues values = run_values(graph, log, symbols);
  graph::Inputs inputs{
      {}, std::move(values.numbers), std::move(values.symbols), std::move(values.randoms)};
  for (const LogId id : graph.inputs) {
    const c10::Storage& memory = host_memory(*storages[id]);
    inputs.buffers.push_back(
        {static_cast<const std::byte*>(memory.data()), storages[id]->nbytes.load()});
  }
  return inputs;
}

}  // namespace trireme::run
