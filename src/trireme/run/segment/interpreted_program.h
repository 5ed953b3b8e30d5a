// SPDX-License-Identifier: Apache-2.0
// A segment's graph, run by the interpreter: slow, and right. TRIREME_COMPILE=interpret uses it,
// for tests of everything around compiled code.
#pragma once

#include <memory>
#include <vector>

#include "trireme/run/segment/program.h"
#include "trireme/run/segment/segment_graph.h"

namespace trireme::run {

class InterpretedProgram final : public Program {
 public:
  // `log` keeps the forms of opaque calls alive.
  InterpretedProgram(std::shared_ptr<const SegmentLog> log, SegmentGraph graph)
      : log_(std::move(log)), graph_(std::move(graph)) {}

  bool accepts(const SegmentLog& log, std::span<const int64_t> symbols) const override;
  void run(const SegmentLog& log, std::span<record::VirtualStorage* const> storages,
           std::span<const int64_t> symbols) override;

 private:
  std::shared_ptr<const SegmentLog> log_;
  SegmentGraph graph_;
};

// Throws trireme::Error where the IR cannot say a call.
std::unique_ptr<Program> make_interpreted_program(const ProgramRequest& request);

}  // namespace trireme::run
