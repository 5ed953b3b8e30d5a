// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/segment/interpreted_program.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <utility>

#include "trireme/base/errors.h"
#include "trireme/record/recorder.h"
#include "trireme/run/reference_executor.h"
#include "trireme/run/segment/graph_inputs.h"
#include "trireme/run/segment/opaque_runner.h"

namespace trireme::run {

bool InterpretedProgram::accepts(const SegmentLog& log, std::span<const int64_t> symbols) const {
  return guards_hold(graph_, log, symbols);
}

void InterpretedProgram::run(const SegmentLog& log,
                             std::span<record::VirtualStorage* const> storages,
                             std::span<const int64_t> symbols) {
  OpaqueRunner runner(log);
  try {
    auto outputs =
        graph::interpret(graph_.graph, graph_inputs(graph_, log, storages, symbols), &runner);
    for (size_t i = 0; i < outputs.size(); ++i) {
      record::VirtualStorage& storage = *storages[graph_.outputs[i]];
      const auto bytes = outputs[i].bytes();
      std::memcpy(host_memory(storage).mutable_data(), bytes.data(),
                  std::min(bytes.size(), storage.nbytes.load()));
      storage.version = 0;
    }
  } catch (const std::exception& error) {
    const LoggedCall& last = log.calls().back();
    auto kept = record::make_call_error(error, *last.form->op, last.site);
    for (const LogId id : graph_.outputs) storages[id]->error = kept;
    record::recorder().note_error(std::move(kept));
  }
}

std::unique_ptr<Program> make_interpreted_program(const ProgramRequest& request) {
  std::string refusal;
  auto graph = build_graph(*request.log, request.varies, request.fit.get(), refusal);
  if (!graph) throw Error(refusal);
  return std::make_unique<InterpretedProgram>(request.log, std::move(*graph));
}

}  // namespace trireme::run
