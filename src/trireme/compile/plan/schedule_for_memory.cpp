// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/plan/schedule_for_memory.h"

#include <algorithm>
#include <numeric>
#include <optional>

namespace trireme::compile {
namespace {

using graph::Graph;
using graph::kNoValue;

constexpr uint32_t kNoStep = UINT32_MAX;
// The part of the peak that a better order must save: what one step makes and the next one reads
// may lie in the caches, and other orders lose that.
constexpr int64_t kSavedPart = 200;

std::optional<std::vector<int64_t>> sizes_of(const Graph& graph) {
  std::vector<int64_t> bytes;
  for (const graph::Value& value : graph.values) {
    const auto count = value.count.constant();
    if (!count) return std::nullopt;
    bytes.push_back(*count * static_cast<int64_t>(graph::size_of(value.dtype)));
  }
  return bytes;
}

// What must come before what.
struct Dependences {
  std::vector<std::vector<uint32_t>> before;  // by step, ascending
  std::vector<std::vector<uint32_t>> after;

  Dependences(const Graph& graph, std::span<const StepAccess> steps)
      : before(steps.size()), after(steps.size()) {
    std::vector<uint32_t> maker(graph.values.size(), kNoStep);
    std::vector<graph::ValueId> replaced(graph.values.size(), kNoValue);
    std::vector<std::vector<uint32_t>> readers(graph.values.size());  // so far
    for (const auto& output : graph.outputs) {
      if (output.input) replaced[output.value] = graph.inputs[*output.input];
    }
    for (uint32_t step = 0; step < steps.size(); ++step) {
      const auto depend = [&](uint32_t other) {
        if (other != kNoStep && other != step) before[step].push_back(other);
      };
      const auto overwrite = [&](graph::ValueId value) {
        for (const uint32_t reader : readers[value]) depend(reader);
      };
      for (const graph::ValueId value : steps[step].reads) depend(maker[value]);
      for (const auto& write : steps[step].writes) {
        if (write.base != kNoValue) {
          depend(maker[write.base]);
          overwrite(write.base);
        }
        if (replaced[write.value] != kNoValue) overwrite(replaced[write.value]);
      }
      for (const graph::ValueId value : steps[step].reads) readers[value].push_back(step);
      for (const auto& write : steps[step].writes) {
        maker[write.value] = step;
        if (write.base != kNoValue) readers[write.base].push_back(step);
      }
      std::ranges::sort(before[step]);
      before[step].erase(std::unique(before[step].begin(), before[step].end()), before[step].end());
      for (const uint32_t other : before[step]) after[other].push_back(step);
    }
  }
};

// One order, step by step.
class Scheduler {
 public:
  Scheduler(const Graph& graph, std::span<const StepAccess> steps, const std::vector<bool>& dying,
            std::span<const int64_t> bytes, const Dependences& dependences)
      : steps_(steps),
        bytes_(bytes),
        dependences_(dependences),
        freed_(graph.values.size(), true),
        stays_(graph.values.size(), false),
        readers_(graph.values.size(), 0),
        waits_(steps.size()),
        done_(steps.size(), false),
        taken_(steps.size(), 0) {
    for (uint32_t i = 0; i < graph.inputs.size(); ++i) {
      freed_[graph.inputs[i]] = i < dying.size() && dying[i];
    }
    for (const auto& output : graph.outputs) {
      freed_[output.value] = false;
      if (output.input) stays_[output.value] = true;
    }
    for (uint32_t step = 0; step < steps.size(); ++step) {
      for_each_read(step, [&](graph::ValueId value) { ++readers_[value]; });
      waits_[step] = dependences.before[step].size();
      if (waits_[step] == 0) ready_.push_back(step);
    }
  }

  // Steps that take memory wait, if `late`, until one that gives some back needs them.
  std::vector<uint32_t> follow(bool late) {
    for (uint32_t step = 0; step < steps_.size(); ++step) {
      if (done_[step]) continue;
      const bool waits = late && change(step) > 0 && !dependences_.after[step].empty();
      if (waits) continue;
      run_with_needed(step);
      run_what_frees();
    }
    return std::move(order_);
  }

  std::vector<uint32_t> take_least() {
    while (!ready_.empty()) {
      run(*std::ranges::min_element(ready_, {},
                                    [&](uint32_t step) { return std::pair(change(step), step); }));
    }
    return std::move(order_);
  }

 private:
  // Each value once that the step needs and somebody else may need, too.
  template <class Visit>
  void for_each_read(uint32_t step, const Visit& visit) {
    seen_.assign(steps_[step].reads.begin(), steps_[step].reads.end());
    for (const auto& write : steps_[step].writes) {
      if (write.base != kNoValue) seen_.push_back(write.base);
    }
    std::ranges::sort(seen_);
    seen_.erase(std::unique(seen_.begin(), seen_.end()), seen_.end());
    for (const graph::ValueId value : seen_) visit(value);
  }

  // By how much more memory is in use after the step, if it ran now.
  int64_t change(uint32_t step) {
    int64_t sum = 0;
    for (const auto& write : steps_[step].writes) {
      if (!stays_[write.value]) sum += bytes_[write.value];
    }
    for_each_read(step, [&](graph::ValueId value) {
      if (readers_[value] == 1 && freed_[value]) sum -= bytes_[value];
    });
    return sum;
  }

  void run(uint32_t step) {
    done_[step] = true;
    order_.push_back(step);
    std::erase(ready_, step);
    for_each_read(step, [&](graph::ValueId value) { --readers_[value]; });
    for (const uint32_t next : dependences_.after[step]) {
      if (--waits_[next] == 0) ready_.push_back(next);
    }
  }

  // After all that it needs, in the given order.
  void run_with_needed(uint32_t step) {
    std::vector<uint32_t> needed{step};
    for (size_t i = 0; i < needed.size(); ++i) {
      for (const uint32_t other : dependences_.before[needed[i]]) {
        if (done_[other] || taken_[other] == step + 1) continue;
        taken_[other] = step + 1;
        needed.push_back(other);
      }
    }
    std::ranges::sort(needed);
    for (const uint32_t one : needed) run(one);
  }

  void run_what_frees() {
    for (;;) {
      uint32_t best = kNoStep;
      for (const uint32_t step : ready_) {
        if (step < best && change(step) <= 0) best = step;
      }
      if (best == kNoStep) return;
      run(best);
    }
  }

  std::span<const StepAccess> steps_;
  std::span<const int64_t> bytes_;  // by value
  const Dependences& dependences_;
  std::vector<bool> freed_;        // by value: whether its memory is free after its last reader
  std::vector<bool> stays_;        // by value: made in memory that is there already
  std::vector<uint32_t> readers_;  // by value: still to come
  std::vector<size_t> waits_;      // by step: for how many others
  std::vector<bool> done_;
  std::vector<uint32_t> taken_;  // by step: the last one that took it along, and one
  std::vector<uint32_t> ready_{};
  std::vector<uint32_t> order_{};
  std::vector<graph::ValueId> seen_{};
};

}  // namespace

std::vector<uint32_t> schedule_for_memory(const Graph& graph, std::span<const StepAccess> steps,
                                          const std::vector<bool>& dying) {
  std::vector<uint32_t> best(steps.size());
  std::iota(best.begin(), best.end(), 0);
  const auto bytes = sizes_of(graph);
  if (!bytes || steps.size() < 3) return best;
  const auto peak = [&](std::span<const uint32_t> order) {
    std::vector<StepAccess> ordered;
    ordered.reserve(order.size());
    for (const uint32_t step : order) ordered.push_back(steps[step]);
    return peak_bytes(plan_memory(graph, ordered, dying), {});
  };
  const Dependences dependences(graph, steps);
  const auto scheduler = [&] { return Scheduler(graph, steps, dying, *bytes, dependences); };
  const int64_t given = peak(best);
  int64_t least = given - std::max<int64_t>(given / kSavedPart, 1);
  for (auto& order :
       {scheduler().follow(false), scheduler().follow(true), scheduler().take_least()}) {
    const int64_t one = peak(order);
    if (one > least) continue;
    least = one - 1;
    best = order;
  }
  return best;
}

}  // namespace trireme::compile
