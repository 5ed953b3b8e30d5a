// SPDX-License-Identifier: Apache-2.0
// A segment's graph, compiled.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "trireme/compile/compiler.h"
#include "trireme/run/segment/program.h"
#include "trireme/run/segment/segment_graph.h"

namespace trireme::run {

class CompiledProgram final : public Program {
 public:
  // `graph`'s own graph has gone into `compiled`. `log` keeps the forms of opaque calls alive.
  // `describe_to`: a file that tells, once the program goes, what ran and how long; "": none.
  CompiledProgram(std::shared_ptr<const SegmentLog> log, SegmentGraph graph,
                  std::unique_ptr<compile::CompiledGraph> compiled, std::string describe_to)
      : log_(std::move(log)),
        graph_(std::move(graph)),
        compiled_(std::move(compiled)),
        describe_to_(std::move(describe_to)) {}
  ~CompiledProgram() override;

  bool accepts(const SegmentLog& log, std::span<const int64_t> symbols) const override;
  void run(const SegmentLog& log, std::span<record::VirtualStorage* const> storages,
           std::span<const int64_t> symbols) override;

 private:
  std::shared_ptr<const SegmentLog> log_;
  SegmentGraph graph_;
  std::unique_ptr<compile::CompiledGraph> compiled_;
  std::string describe_to_;
};

// Throws trireme::Error where the IR cannot say a call, and what the compiler throws.
std::unique_ptr<Program> make_compiled_program(const ProgramRequest& request);

}  // namespace trireme::run
