// SPDX-License-Identifier: Apache-2.0
// Where values lie, for steps given by hand: one for each node.
#include "trireme/compile/plan/memory_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "trireme/compile/plan/sharing.h"
#include "trireme/graph/text/parse.h"

namespace trireme::compile::testing {
namespace {

using graph::Graph;
using Slot = MemoryPlan::Slot;

// Each node is a step; where `over`, each result may take the place of any operand.
MemoryPlan plan(const Graph& graph, const std::vector<bool>& dying, bool over) {
  std::vector<StepAccess> steps;
  for (const graph::Node& node : graph.nodes) {
    StepAccess& step = steps.emplace_back();
    for (const auto& operand : node.operands) step.reads.push_back(operand.value);
    for (const auto& result : node.results) {
      step.writes.push_back({result.value, result.base, {}});
      if (over) step.writes.back().over = step.reads;
    }
  }
  return plan_memory(graph, steps, dying);
}

size_t temporaries(const MemoryPlan& plan) {
  return static_cast<size_t>(std::ranges::count(plan.slots, Slot::Kind::Temporary, &Slot::kind));
}

size_t copies(const MemoryPlan& plan) {
  size_t count = 0;
  for (const auto& step : plan.steps) count += step.copies.size();
  return count;
}

constexpr const char* kChain = R"(
  input %0: f32[8]
  %1: f32[8] = map (i0 < 8) { a0 = %0  return neg(a0:f32) }
  %2: f32[8] = map (i0 < 8) { a0 = %1  return neg(a0:f32) }
  %3: f32[8] = map (i0 < 8) { a0 = %2  return neg(a0:f32) }
  output %3
)";

TEST(MemoryPlan, ResultsTakeThePlaceOfWhatDies) {
  const Graph graph = graph::parse(kChain);
  EXPECT_EQ(temporaries(plan(graph, {false}, false)), 2);
  EXPECT_EQ(temporaries(plan(graph, {false}, true)), 1);
  const MemoryPlan dying = plan(graph, {true}, true);
  EXPECT_EQ(temporaries(dying), 0) << print(dying);
  EXPECT_EQ(dying.slots[dying.slot_of[2]].kind, Slot::Kind::Input);
  EXPECT_EQ(dying.slots[dying.slot_of[3]].kind, Slot::Kind::Output);
  EXPECT_EQ(copies(dying), 0);
}

TEST(MemoryPlan, PlacesAreGivenBackAfterTheirLastReader) {
  const Graph graph = graph::parse(kChain);
  const MemoryPlan made = plan(graph, {true}, false);
  EXPECT_EQ(made.steps[0].closes, std::vector{made.slot_of[0]}) << print(made);
  EXPECT_EQ(made.steps[1].closes, std::vector{made.slot_of[1]}) << print(made);
  EXPECT_EQ(made.steps[2].closes, std::vector{made.slot_of[2]}) << print(made);
}

TEST(MemoryPlan, AnInputIsReplacedInPlaceOnceNothingReadsIt) {
  const Graph late = graph::parse(R"(
    input %0: f32[8]
    %1: f32[8] = map (i0 < 8) { a0 = %0  return neg(a0:f32) }
    %2: f32[8] = map (i0 < 8) { a0 = %1  return neg(a0:f32) }
    output %2 replaces input 0
    output %1
  )");
  const MemoryPlan in_place = plan(late, {false}, false);
  EXPECT_EQ(in_place.slot_of[2], in_place.slot_of[0]);
  EXPECT_EQ(copies(in_place), 0);
  const Graph early = graph::parse(R"(
    input %0: f32[8]
    %1: f32[8] = map (i0 < 8) { a0 = %0  return neg(a0:f32) }
    %2: f32[8] = map (i0 < 8) { a0 = %0  return abs(a0:f32) }
    output %1 replaces input 0
    output %2
  )");
  const MemoryPlan copied = plan(early, {false}, true);
  EXPECT_NE(copied.slot_of[1], copied.slot_of[0]);
  EXPECT_EQ(copies(copied), 1) << print(copied);
}

TEST(MemoryPlan, ABaseThatIsNeededIsCopied) {
  const Graph graph = graph::parse(R"(
    input %0: f32[8]
    input %1: f32[2]
    %2: f32[8] at [2] over %0 = map (i0 < 2) { a0 = %1  return a0:f32 }
    %3: f32[8] at [2 : 1 : 2] over %2 = map (i0 < 2) { a0 = %1  return a0:f32 }
    output %3
  )");
  const MemoryPlan kept = plan(graph, {false, false}, false);
  EXPECT_EQ(copies(kept), 1) << print(kept);
  EXPECT_EQ(kept.slot_of[2], kept.slot_of[3]);
  EXPECT_EQ(kept.slots[kept.slot_of[3]].kind, Slot::Kind::Output);
}

TEST(MemoryPlan, OutputsThatChangePlacesGoThroughSpareMemory) {
  const Graph graph = graph::parse(R"(
    input %0: f32[8]
    input %1: f32[8]
    output %1 replaces input 0
    output %0 replaces input 1
  )");
  const MemoryPlan made = plan(graph, {false, false}, false);
  EXPECT_EQ(temporaries(made), 2) << print(made);
  EXPECT_EQ(copies(made), 4) << print(made);
}

// b1[i] = -b0[i], and with `again` b1[i] = b0[i] once more in a second loop of the row.
Kernel rows(bool again) {
  Kernel kernel;
  kernel.buffers = {{DType::Float32, false}, {DType::Float32, true}};
  const auto at = [](uint32_t buffer, LoopId column) {
    return Place{Place::Kind::Buffer, buffer, {0, {{0, 10}, {column, 1}}, {}}};
  };
  Loop first{1, 10, LoopKind::Vector, {}};
  first.body.push_back({Load{0, at(0, 1), {}}});
  first.body.push_back({Compute{1, ScalarOp::Neg, DType::Float32, {0}, 0, 0, 0}});
  if (!again) first.body.push_back({Store{1, at(1, 1), {}}});
  Loop outer{0, 4, LoopKind::Serial, {}};
  outer.body.push_back({first});
  if (again) {
    Loop second{2, 10, LoopKind::Vector, {}};
    second.body.push_back({Load{2, at(0, 2), {}}});
    second.body.push_back({Store{2, at(1, 2), {}}});
    outer.body.push_back({second});
  }
  kernel.body.push_back(outer);
  kernel.registers = 3;
  kernel.loops = 3;
  return kernel;
}

bool may_take_place(const Kernel& kernel) { return Sharing(kernel).may_take_place(0, 1); }

TEST(Sharing, WhatIsReadBeforeInTheSamePointMayBeReplaced) {
  EXPECT_TRUE(may_take_place(rows(false)));
  EXPECT_TRUE(may_take_place(rows(true))) << "all of the row is read before it is written";
}

TEST(Sharing, OtherPointsAndLaterReadsKeepTheirPlace) {
  Kernel shifted = rows(false);
  auto& loop = std::get<Loop>(shifted.body[0].body[0].is);
  std::get<Load>(loop.body[0].is).from.index.offset = 1;
  EXPECT_FALSE(may_take_place(shifted));
  Kernel later = rows(true);
  std::swap(later.body[0].body[0], later.body[0].body[1]);  // written in the first loop, then read
  EXPECT_FALSE(may_take_place(later));
  Kernel wider = rows(false);
  wider.buffers[1].dtype = DType::Float64;
  EXPECT_FALSE(may_take_place(wider));
}

}  // namespace
}  // namespace trireme::compile::testing
