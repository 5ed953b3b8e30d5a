// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/program/program.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

#include "trireme/base/openmp.h"
#include "trireme/compile/program/copy.h"

namespace trireme::compile {
namespace {

using SlotId = MemoryPlan::SlotId;
using Slot = MemoryPlan::Slot;

// Sizes that a program is prepared for at a time: of sequence lengths, say, as many as come again.
constexpr size_t kInstances = 64;
constexpr uint32_t kRight = UINT32_MAX;  // no failure
// Seconds that could be shared out, below which a program runs on one thread: after a region its
// team spins for milliseconds, on cores that the program's own thread and the recorder need.
constexpr double kWorthATeam = 3e-4;

}  // namespace

// Memory and failures of one run.
class StepProgram::Run {
 public:
  Run(StepProgram& program, const Instance& instance, Surroundings& surroundings,
      const RunValues& values)
      : program_(program),
        instance_(instance),
        surroundings_(surroundings),
        values_(values),
        memory_(program.plan_.slots.size()),
        failed_(program.graph_->values.size(), kRight) {
    for (SlotId slot = 0; slot < program.graph_->inputs.size(); ++slot) {
      memory_[slot] = surroundings.input(slot);
    }
  }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;
  ~Run() {
    for (SlotId slot = 0; slot < memory_.size(); ++slot) {
      if (kind(slot) == Slot::Kind::Temporary) surroundings_.free(memory_[slot]);
    }
  }

  std::vector<RunFailure> run() {
    for (size_t i = 0; i < program_.steps_.size(); ++i) {
      const auto start = std::chrono::steady_clock::now();
      begin(i);
      run_step(i);
      end(i);
      if (program_.measure_) {
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
        program_.seconds_[i] += took.count();
      }
    }
    ++program_.runs_;
    begin(program_.steps_.size());
    end(program_.steps_.size());
    const auto& outputs = program_.graph_->outputs;
    for (uint32_t k = 0; k < outputs.size(); ++k) {
      const uint32_t failure = failed_[outputs[k].value];
      if (failure != kRight) failures_[failure].outputs.push_back(k);
    }
    // Of two errors the program is told the one that it met first.
    std::ranges::stable_sort(failures_, {}, &RunFailure::call);
    return std::move(failures_);
  }

 private:
  Slot::Kind kind(SlotId slot) const { return program_.plan_.slots[slot].kind; }

  void begin(size_t step) {
    const MemoryPlan::Step& plan = program_.plan_.steps[step];
    for (const SlotId slot : plan.opens) {
      memory_[slot] = kind(slot) == Slot::Kind::Output
                          ? surroundings_.output(program_.plan_.slots[slot].index)
                          : surroundings_.allocate(instance_.slot_bytes[slot]);
    }
    for (size_t i = 0; i < plan.copies.size(); ++i) {
      copy_dense(memory_[plan.copies[i].from], memory_[plan.copies[i].to],
                 instance_.copy_bytes[step][i]);
    }
  }

  void end(size_t step) {
    for (const SlotId slot : program_.plan_.steps[step].closes) {
      if (kind(slot) == Slot::Kind::Input) {
        surroundings_.drop_input(program_.plan_.slots[slot].index);
      } else {
        surroundings_.free(std::exchange(memory_[slot], nullptr));
      }
    }
  }

  void run_step(size_t number) {
    if (nothing_to_save(number)) return;
    const PreparedStep& step = *instance_.steps[number];
    std::byte* scratch = nullptr;
    if (step.scratch_bytes() != 0) scratch = surroundings_.allocate(step.scratch_bytes());
    try {
      step.run({memory_, program_.plan_.slot_of, values_, surroundings_, scratch});
    } catch (const std::exception&) {
      failures_.push_back({program_.steps_[number]->call(), std::current_exception(), {}});
      spread(number, static_cast<uint32_t>(failures_.size() - 1));
    }
    surroundings_.free(scratch);
  }

  // Whether all that the step makes depends on a failure. Else it runs: what it reads of failed
  // values is anything, and what it makes of that is failed, too.
  bool nothing_to_save(size_t step) const {
    if (failures_.empty()) return false;
    const auto& writes = program_.access_[step].writes;
    return std::ranges::all_of(writes,
                               [&](const auto& write) { return failed_[write.value] != kRight; });
  }

  // Notes which values depend on what the step should have made.
  void spread(size_t step, uint32_t failure) {
    const auto fail = [&](ValueId value) {
      if (failed_[value] == kRight) failed_[value] = failure;
    };
    for (const auto& write : program_.access_[step].writes) fail(write.value);
    for (const graph::Node& node : program_.graph_->nodes) {
      const bool depends =
          std::ranges::any_of(node.operands,
                              [&](const auto& one) { return failed_[one.value] == failure; }) ||
          std::ranges::any_of(node.results, [&](const auto& one) {
            return one.base != graph::kNoValue && failed_[one.base] == failure;
          });
      if (!depends) continue;
      for (const auto& result : node.results) fail(result.value);
    }
  }

  StepProgram& program_;
  const Instance& instance_;
  Surroundings& surroundings_;
  const RunValues& values_;
  std::vector<std::byte*> memory_;  // by slot
  std::vector<uint32_t> failed_;    // by value
  std::vector<RunFailure> failures_;
};

StepProgram::StepProgram(std::unique_ptr<const graph::Graph> graph,
                         std::vector<std::unique_ptr<Step>> steps, const std::vector<bool>& dying,
                         bool measure)
    : graph_(std::move(graph)),
      steps_(std::move(steps)),
      measure_(measure),
      seconds_(steps_.size()) {
  for (const auto& step : steps_) access_.push_back(step->access());
  plan_ = plan_memory(*graph_, access_, dying);
}

const StepProgram::Instance& StepProgram::instance(const std::vector<int64_t>& symbols) {
  const auto found = std::ranges::find(instances_, symbols, &Instance::symbols);
  if (found != instances_.end()) {
    instances_.splice(instances_.begin(), instances_, found);
    return instances_.front();
  }
  Instance made{symbols, {}, {}, {}};
  double seconds = 0;
  for (const auto& step : steps_) seconds += step->parallel_seconds(symbols);
  const base::OneThread alone(seconds < kWorthATeam);
  for (const auto& step : steps_) made.steps.push_back(step->prepare(symbols));
  for (const Slot& slot : plan_.slots) {
    made.slot_bytes.push_back(static_cast<size_t>(slot.bytes.evaluate(symbols)));
  }
  for (const MemoryPlan::Step& step : plan_.steps) {
    std::vector<size_t>& bytes = made.copy_bytes.emplace_back();
    for (const auto& copy : step.copies) {
      bytes.push_back(static_cast<size_t>(copy.bytes.evaluate(symbols)));
    }
  }
  instances_.push_front(std::move(made));
  if (instances_.size() > kInstances) instances_.pop_back();
  return instances_.front();
}

std::vector<RunFailure> StepProgram::run(Surroundings& surroundings, const RunValues& values) {
  return Run(*this, instance(values.symbols), surroundings, values).run();
}

std::string StepProgram::describe() const {
  std::string text;
  for (size_t i = 0; i < steps_.size(); ++i) {
    text += "step " + std::to_string(i);
    if (measure_ && runs_ != 0) {
      const double mean = seconds_[i] / static_cast<double>(runs_);
      text += " (" + std::to_string(mean * 1e6) + " us)";
    }
    text += ": " + steps_[i]->describe();
  }
  if (graph_->symbols == 0) {
    text += "peak " + std::to_string(peak_bytes(plan_, {})) + " bytes\n";
  }
  return text + print(plan_);
}

}  // namespace trireme::compile
