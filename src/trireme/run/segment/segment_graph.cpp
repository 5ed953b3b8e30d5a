// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/segment/segment_graph.h"

#include <unordered_map>
#include <utility>

namespace trireme::run {

std::optional<SegmentGraph> build_graph(const SegmentLog& log, const std::vector<bool>& varies,
                                        const SymbolFit* fit, std::string& refusal,
                                        graph::GraphBuilder::Refusal may_not) {
  SegmentGraph result;
  graph::GraphBuilder builder(std::move(may_not));
  if (fit != nullptr) builder.set_symbols(static_cast<uint32_t>(fit->symbols.size()));
  CallReader reader(builder, log, varies, fit);
  for (uint32_t i = 0; i < log.calls().size(); ++i) {
    const auto call = reader.read(i);
    if (!call) {
      refusal = log.calls()[i].form->op->name + ": " + reader.refusal();
      return std::nullopt;
    }
    const size_t declined = builder.declined().size();
    builder.add(*call);
    result.opaque_for.push_back(builder.declined().size() > declined ? builder.declined().back()
                                                                     : std::string());
  }
  std::vector<graph::StorageId> leaving;
  std::unordered_map<graph::StorageId, LogId> names;
  for (LogId id = 0; id < log.storages().size(); ++id) {
    const graph::StorageId storage = reader.storage(id);
    if (storage == graph::kNoStorage) continue;
    names.emplace(storage, id);
    if (!log.storages()[id].released) leaving.push_back(storage);
  }
  result.graph = builder.finish(leaving);
  for (const graph::StorageId storage : builder.input_storages()) {
    result.inputs.push_back(names.at(storage));
  }
  for (const graph::StorageId storage : builder.output_storages()) {
    result.outputs.push_back(names.at(storage));
  }
  result.numbers = reader.numbers();
  result.randoms = reader.randoms();
  result.guards = builder.guards();
  result.naturals = builder.naturals();
  return result;
}

}  // namespace trireme::run
