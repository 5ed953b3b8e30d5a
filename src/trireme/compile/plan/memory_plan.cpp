// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/plan/memory_plan.h"

#include <algorithm>
#include <span>
#include <sstream>

namespace trireme::compile {
namespace {

using graph::Extent;
using graph::Graph;
using graph::kNoValue;
using SlotId = MemoryPlan::SlotId;
using Slot = MemoryPlan::Slot;
constexpr SlotId kNoSlot = MemoryPlan::kNoSlot;
constexpr uint32_t kNever = UINT32_MAX;  // later than all steps

class Planner {
 public:
  Planner(const Graph& graph, std::span<const StepAccess> steps, const std::vector<bool>& dying)
      : graph_(graph), steps_(steps) {
    plan_.slot_of.assign(graph.values.size(), kNoSlot);
    plan_.steps.resize(steps.size() + 1);
    last_use_.assign(graph.values.size(), 0);
    home_.assign(graph.values.size(), kNoSlot);
    make_slots(dying);
    find_last_uses();
    find_homes();
  }

  MemoryPlan run() {
    for (step_ = 0; step_ < steps_.size(); ++step_) {
      for (const auto& write : steps_[step_].writes) place(write);
      for (const ValueId value : steps_[step_].reads) end_if_last(value);
      for (const auto& write : steps_[step_].writes) {
        if (write.base != kNoValue) end_if_last(write.base);
        end_if_last(write.value);
      }
    }
    leave_outputs();
    return std::move(plan_);
  }

 private:
  Extent bytes_of(ValueId value) const {
    const graph::Value& one = graph_.values[value];
    return one.count * Extent(static_cast<int64_t>(graph::size_of(one.dtype)));
  }

  SlotId add_slot(Slot::Kind kind, uint32_t index, Extent bytes) {
    plan_.slots.push_back({kind, index, std::move(bytes)});
    occupant_.push_back(kNoValue);
    writable_.push_back(kind == Slot::Kind::Temporary);
    open_.push_back(kind == Slot::Kind::Input);
    return static_cast<SlotId>(plan_.slots.size() - 1);
  }

  void make_slots(const std::vector<bool>& dying) {
    for (uint32_t i = 0; i < graph_.inputs.size(); ++i) {
      const ValueId value = graph_.inputs[i];
      const SlotId slot = add_slot(Slot::Kind::Input, i, bytes_of(value));
      writable_[slot] = i < dying.size() && dying[i];
      plan_.slot_of[value] = slot;
      occupant_[slot] = value;
    }
    target_.resize(graph_.outputs.size());
    for (uint32_t k = 0; k < graph_.outputs.size(); ++k) {
      const graph::Output& output = graph_.outputs[k];
      target_[k] =
          output.input ? *output.input : add_slot(Slot::Kind::Output, k, bytes_of(output.value));
      writable_[target_[k]] = true;  // in the end it is overwritten in any case
      is_target_.resize(plan_.slots.size());
      is_target_[target_[k]] = true;
    }
    is_target_.resize(plan_.slots.size());
  }

  void find_last_uses() {
    for (uint32_t step = 0; step < steps_.size(); ++step) {
      for (const ValueId value : steps_[step].reads) last_use_[value] = step;
      for (const auto& write : steps_[step].writes) {
        if (write.base != kNoValue) last_use_[write.base] = step;
        last_use_[write.value] = std::max(last_use_[write.value], step);
      }
    }
    for (const auto& output : graph_.outputs) last_use_[output.value] = kNever;
  }

  // Where a value should be made: the memory that it, or what takes its place later, leaves in.
  void find_homes() {
    for (uint32_t k = 0; k < graph_.outputs.size(); ++k) {
      SlotId& home = home_[graph_.outputs[k].value];
      if (home == kNoSlot) home = target_[k];
    }
    for (size_t step = steps_.size(); step-- > 0;) {
      for (const auto& write : steps_[step].writes) {
        if (write.base == kNoValue || home_[write.value] == kNoSlot) continue;
        SlotId& home = home_[write.base];
        if (home == kNoSlot && last_use_[write.base] == step) home = home_[write.value];
      }
    }
  }

  // Whether the slot may be written at this step, by a result that may take the place of `over`.
  bool free_for(SlotId slot, std::span<const ValueId> over) const {
    if (!writable_[slot]) return false;
    const ValueId holds = occupant_[slot];
    if (holds == kNoValue) return true;
    if (last_use_[holds] > step_) return false;
    if (last_use_[holds] < step_) return true;
    const StepAccess& step = steps_[step_];
    // Made at this very step: it is somebody else's.
    if (std::ranges::find(step.writes, holds, &StepAccess::Write::value) != step.writes.end()) {
      return false;
    }
    const bool other_base = std::ranges::any_of(
        step.writes, [&](const StepAccess::Write& write) { return write.base == holds; });
    if (other_base) return false;
    return std::ranges::find(over, holds) != over.end();
  }

  // Whether the result may be made on top of its base, in the base's memory.
  bool takes_base(const StepAccess::Write& write) const {
    const SlotId slot = plan_.slot_of[write.base];
    if (slot == kNoSlot || !writable_[slot] || occupant_[slot] != write.base) return false;
    if (last_use_[write.base] != step_) return false;
    const StepAccess& step = steps_[step_];
    const auto bases = std::ranges::count(step.writes, write.base, &StepAccess::Write::base);
    if (bases != 1) return false;
    const bool read = std::ranges::find(step.reads, write.base) != step.reads.end();
    return !read || std::ranges::find(write.over, write.base) != write.over.end();
  }

  void occupy(SlotId slot, ValueId value) {
    if (!open_[slot]) {
      open_[slot] = true;
      plan_.steps[step_].opens.push_back(slot);
    }
    occupant_[slot] = value;
    plan_.slot_of[value] = slot;
  }

  void place(const StepAccess::Write& write) {
    if (write.base != kNoValue && takes_base(write)) {
      occupy(plan_.slot_of[write.base], write.value);
      return;
    }
    // What is copied into it first must not be overwritten before it is read.
    const std::span<const ValueId> over =
        write.base == kNoValue ? std::span<const ValueId>(write.over) : std::span<const ValueId>();
    occupy(choose(write, over), write.value);
    if (write.base != kNoValue && plan_.slot_of[write.base] != kNoSlot) {
      plan_.steps[step_].copies.push_back(
          {plan_.slot_of[write.base], plan_.slot_of[write.value], bytes_of(write.base)});
    }
  }

  SlotId choose(const StepAccess::Write& write, std::span<const ValueId> over) {
    const SlotId home = home_[write.value];
    if (home != kNoSlot && free_for(home, over)) return home;
    const Extent bytes = bytes_of(write.value);
    for (const ValueId operand : over) {
      const SlotId slot = plan_.slot_of[operand];
      if (slot == kNoSlot || occupant_[slot] != operand || !(plan_.slots[slot].bytes == bytes)) {
        continue;
      }
      if (is_target_slot(slot)) continue;  // kept for what has to be there
      if (free_for(slot, over)) return slot;
    }
    return add_slot(Slot::Kind::Temporary, 0, bytes);
  }

  bool is_target_slot(SlotId slot) const { return slot < is_target_.size() && is_target_[slot]; }

  // Gives the memory of a value back that nothing reads after this step.
  void end_if_last(ValueId value) {
    if (last_use_[value] != step_) return;
    const SlotId slot = plan_.slot_of[value];
    if (slot == kNoSlot || occupant_[slot] != value) return;
    occupant_[slot] = kNoValue;
    if (is_target_slot(slot) || !open_[slot] || !writable_[slot]) return;
    open_[slot] = false;
    plan_.steps[step_].closes.push_back(slot);
  }

  // Copies to where they belong those outputs that could not be made there.
  void leave_outputs() {
    MemoryPlan::Step& end = plan_.steps.back();
    step_ = static_cast<uint32_t>(steps_.size());
    std::vector<MemoryPlan::Copy> moves;
    for (uint32_t k = 0; k < graph_.outputs.size(); ++k) {
      const ValueId value = graph_.outputs[k].value;
      const SlotId from = plan_.slot_of[value];
      if (from == target_[k] || from == kNoSlot) continue;
      moves.push_back({from, target_[k], bytes_of(value)});
    }
    for (auto& move : moves) {
      // Another move would overwrite it first: from a copy, then.
      const bool clobbered = std::ranges::any_of(
          moves, [&](const MemoryPlan::Copy& other) { return other.to == move.from; });
      if (!clobbered) continue;
      const SlotId spare = add_slot(Slot::Kind::Temporary, 0, move.bytes);
      end.opens.push_back(spare);
      end.copies.push_back({move.from, spare, move.bytes});
      move.from = spare;
    }
    for (const auto& move : moves) {
      if (!open_[move.to]) {
        open_[move.to] = true;
        end.opens.push_back(move.to);
      }
      end.copies.push_back(move);
    }
    for (SlotId slot = 0; slot < plan_.slots.size(); ++slot) {
      const bool opened = open_[slot] || std::ranges::find(end.opens, slot) != end.opens.end();
      if (plan_.slots[slot].kind == Slot::Kind::Temporary && opened) end.closes.push_back(slot);
    }
  }

  const Graph& graph_;
  std::span<const StepAccess> steps_;
  MemoryPlan plan_;
  std::vector<uint32_t> last_use_;  // by value: the step
  std::vector<SlotId> home_;        // by value
  std::vector<SlotId> target_;      // by output
  std::vector<bool> is_target_;     // by slot
  std::vector<ValueId> occupant_;   // by slot: what it holds, as far as it is needed
  std::vector<bool> writable_;      // by slot
  std::vector<bool> open_;          // by slot
  uint32_t step_ = 0;
};

std::string name_of(const MemoryPlan& plan, SlotId slot) {
  const char* kinds[] = {"input ", "output ", "temporary "};
  const Slot& one = plan.slots[slot];
  const uint32_t index = one.kind == Slot::Kind::Temporary ? slot : one.index;
  return kinds[static_cast<size_t>(one.kind)] + std::to_string(index);
}

}  // namespace

MemoryPlan plan_memory(const Graph& graph, const std::vector<StepAccess>& steps,
                       const std::vector<bool>& dying) {
  return Planner(graph, steps, dying).run();
}

int64_t peak_bytes(const MemoryPlan& plan, std::span<const int64_t> symbols) {
  int64_t live = 0;
  const auto bytes = [&](SlotId slot) { return plan.slots[slot].bytes.evaluate(symbols); };
  for (SlotId slot = 0; slot < plan.slots.size(); ++slot) {
    if (plan.slots[slot].kind == Slot::Kind::Input) live += bytes(slot);
  }
  int64_t peak = live;
  for (const MemoryPlan::Step& step : plan.steps) {
    for (const SlotId slot : step.opens) live += bytes(slot);
    peak = std::max(peak, live);
    for (const SlotId slot : step.closes) live -= bytes(slot);
  }
  return peak;
}

std::string print(const MemoryPlan& plan) {
  std::ostringstream out;
  for (ValueId value = 0; value < plan.slot_of.size(); ++value) {
    if (plan.slot_of[value] == kNoSlot) continue;
    out << "%" << value << " in " << name_of(plan, plan.slot_of[value]) << '\n';
  }
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const MemoryPlan::Step& step = plan.steps[i];
    if (step.opens.empty() && step.copies.empty() && step.closes.empty()) continue;
    out << "step " << i << ':';
    for (const SlotId slot : step.opens) out << " open " << name_of(plan, slot) << ';';
    for (const auto& copy : step.copies) {
      out << " copy " << name_of(plan, copy.from) << " to " << name_of(plan, copy.to) << ';';
    }
    for (const SlotId slot : step.closes) out << " close " << name_of(plan, slot) << ';';
    out << '\n';
  }
  return out.str();
}

}  // namespace trireme::compile
