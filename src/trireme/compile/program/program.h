// SPDX-License-Identifier: Apache-2.0
// A compiled graph: steps in order, over planned memory.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "trireme/compile/compiler.h"
#include "trireme/compile/library/choose.h"
#include "trireme/compile/plan/memory_plan.h"
#include "trireme/compile/program/step.h"

namespace trireme::compile {

class StepProgram final : public CompiledGraph {
 public:
  // `steps` may refer to nodes of `graph`, which is kept.
  // `measure`: keeps the time of each step.
  StepProgram(std::unique_ptr<const graph::Graph> graph, std::vector<std::unique_ptr<Step>> steps,
              const std::vector<bool>& dying, bool measure);

  // Makes what runs with these sizes need, before the first such run does.
  void prepare(const std::vector<int64_t>& symbols) { static_cast<void>(instance(symbols)); }

  std::vector<RunFailure> run(Surroundings& surroundings, const RunValues& values) override;
  std::string describe() const override;

 private:
  // The program for given sizes.
  struct Instance {
    std::vector<int64_t> symbols;
    std::vector<std::unique_ptr<PreparedStep>> steps;
    std::vector<size_t> slot_bytes;
    std::vector<std::vector<size_t>> copy_bytes;  // by step
  };
  class Run;

  const Instance& instance(const std::vector<int64_t>& symbols);

  std::unique_ptr<const graph::Graph> graph_;
  std::vector<std::unique_ptr<Step>> steps_;
  std::vector<StepAccess> access_;
  MemoryPlan plan_;
  std::list<Instance> instances_;  // the one used last in front
  bool measure_;
  uint64_t runs_ = 0;
  std::vector<double> seconds_;  // by step, over all runs
};

}  // namespace trireme::compile
