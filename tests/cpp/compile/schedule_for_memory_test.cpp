// SPDX-License-Identifier: Apache-2.0
// In which order the nodes of a graph run, each as a step.
#include "trireme/compile/plan/schedule_for_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "trireme/graph/text/parse.h"

namespace trireme::compile::testing {
namespace {

using graph::Graph;
using Order = std::vector<uint32_t>;

std::vector<StepAccess> access_of(const Graph& graph) {
  std::vector<StepAccess> steps;
  for (const graph::Node& node : graph.nodes) {
    StepAccess& step = steps.emplace_back();
    for (const auto& operand : node.operands) step.reads.push_back(operand.value);
    for (const auto& result : node.results) step.writes.push_back({result.value, result.base, {}});
  }
  return steps;
}

int64_t peak(const Graph& graph, const std::vector<bool>& dying, const Order& order) {
  const auto steps = access_of(graph);
  std::vector<StepAccess> ordered;
  for (const uint32_t step : order) ordered.push_back(steps[step]);
  return peak_bytes(plan_memory(graph, ordered, dying), {});
}

Order schedule(const Graph& graph, const std::vector<bool>& dying) {
  return schedule_for_memory(graph, access_of(graph), dying);
}

Order as_given(const Graph& graph) {
  Order order;
  for (uint32_t i = 0; i < graph.nodes.size(); ++i) order.push_back(i);
  return order;
}

TEST(ScheduleForMemory, WhatGivesMemoryBackRunsSoon) {
  // Two large values are made before the first is summed.
  const Graph graph = graph::parse(R"(
    input %0: f32[1]
    %1: f32[65536] = map (i0 < 65536) { a0 = %0 at [65536 : 0]  return neg(a0:f32) }
    %2: f32[65536] = map (i0 < 65536) { a0 = %0 at [65536 : 0]  return exp(a0:f32) }
    %3: f32[1] = reduce sum (i0 < 1 | i1 < 65536) { a0 = %1 at [1, 65536 : 0, 1]  return a0:f32 }
    %4: f32[1] = reduce sum (i0 < 1 | i1 < 65536) { a0 = %2 at [1, 65536 : 0, 1]  return a0:f32 }
    output %3
    output %4
  )");
  EXPECT_EQ(schedule(graph, {false}), (Order{0, 2, 1, 3}));
  EXPECT_EQ(peak(graph, {false}, as_given(graph)), 4 + 2 * 262144 + 4);
  EXPECT_EQ(peak(graph, {false}, schedule(graph, {false})), 4 + 262144 + 2 * 4);
}

TEST(ScheduleForMemory, WhatTakesMemoryWaitsUntilItIsNeeded) {
  // %1 is made long before it is added; %2 and %3 come and go meanwhile.
  const Graph graph = graph::parse(R"(
    input %0: f32[1]
    %1: f32[65536] = map (i0 < 65536) { a0 = %0 at [65536 : 0]  return neg(a0:f32) }
    %2: f32[65536] = map (i0 < 65536) { a0 = %0 at [65536 : 0]  return exp(a0:f32) }
    %3: f32[1] = reduce sum (i0 < 1 | i1 < 65536) { a0 = %2 at [1, 65536 : 0, 1]  return a0:f32 }
    %4: f32[1] = reduce sum (i0 < 1 | i1 < 65536) {
      a0 = %1 at [1, 65536 : 0, 1]
      a1 = %3 at [1, 65536 : 0, 0]
      return mul(a0:f32, a1:f32)
    }
    output %4
  )");
  EXPECT_EQ(schedule(graph, {false}), (Order{1, 2, 0, 3}));
}

TEST(ScheduleForMemory, AGoodOrderIsKept) {
  const Graph chain = graph::parse(R"(
    input %0: f32[65536]
    %1: f32[65536] = map (i0 < 65536) { a0 = %0  return neg(a0:f32) }
    %2: f32[65536] = map (i0 < 65536) { a0 = %1  return neg(a0:f32) }
    %3: f32[65536] = map (i0 < 65536) { a0 = %2  return neg(a0:f32) }
    output %3
  )");
  EXPECT_EQ(schedule(chain, {false}), as_given(chain));
}

TEST(ScheduleForMemory, SizesThatVaryKeepTheirOrder) {
  const Graph graph = graph::parse(R"(
    symbols 1
    input %0: f32[1]
    %1: f32[65536*s0] = map (i0 < 65536*s0) { a0 = %0 at [65536*s0 : 0]  return neg(a0:f32) }
    %2: f32[65536*s0] = map (i0 < 65536*s0) { a0 = %0 at [65536*s0 : 0]  return exp(a0:f32) }
    %3: f32[1] = reduce sum (i0 < 1 | i1 < 65536*s0) {
      a0 = %1 at [1, 65536*s0 : 0, 1]
      return a0:f32
    }
    %4: f32[1] = reduce sum (i0 < 1 | i1 < 65536*s0) {
      a0 = %2 at [1, 65536*s0 : 0, 1]
      return a0:f32
    }
    output %3
    output %4
  )");
  EXPECT_EQ(schedule(graph, {false}), as_given(graph));
}

TEST(ScheduleForMemory, MemoryIsWrittenOverAfterItsReaders) {
  // The sum of %0 would give nothing back, the one of %2 would: but %0 is written over by then.
  const Graph graph = graph::parse(R"(
    input %0: f32[65536]
    input %1: f32[65536]
    %2: f32[65536] = map (i0 < 65536) { a0 = %1  return neg(a0:f32) }
    %3: f32[65536] = map (i0 < 65536) { a0 = %1  return exp(a0:f32) }
    %4: f32[1] = reduce sum (i0 < 1 | i1 < 65536) { a0 = %0 at [1, 65536 : 0, 1]  return a0:f32 }
    %5: f32[65536] at [8] over %0 = map (i0 < 8) { a0 = %2 at [8]  return a0:f32 }
    %6: f32[65536] = map (i0 < 65536) { a0 = %3  return a0:f32 }
    output %5 replaces input 0
    output %6 replaces input 1
    output %4
  )");
  const Order order = schedule(graph, {false, false});
  const auto place = [&](uint32_t step) { return std::ranges::find(order, step) - order.begin(); };
  EXPECT_LT(place(2), place(3)) << "%4 reads what %5 lies over";
  EXPECT_LT(place(0), place(4)) << "%2 reads what %6 replaces";
  EXPECT_LT(place(1), place(4)) << "%3 makes what %6 copies";
}

// Graphs at random: values of several sizes, each made of up to three others, some on top of them.
Graph random_graph(uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto below = [&](uint64_t bound) { return random() % bound; };
  Graph graph;
  std::vector<bool> written_over;
  const auto count = [&] { return int64_t{16384} << below(5); };
  for (int i = 0; i < 3; ++i) graph.add_input(graph::DType::Float32, count());
  for (int i = 0; i < 24; ++i) {
    graph::Node node;
    node.primitive = graph::Opaque{};
    for (uint64_t k = 0; k < 1 + below(3); ++k) {
      const auto value = static_cast<graph::ValueId>(below(graph.values.size()));
      node.operands.push_back({value, graph::DType::Float32, {}});
    }
    graph::Result result;
    if (below(4) == 0) result.base = static_cast<graph::ValueId>(below(graph.values.size()));
    const graph::Extent elements =
        result.base == graph::kNoValue ? count() : graph.values[result.base].count;
    result.value = graph.add_value(graph::DType::Float32, elements);
    node.results.push_back(result);
    graph.nodes.push_back(std::move(node));
  }
  const auto last = static_cast<graph::ValueId>(graph.values.size() - 1);
  graph.outputs.push_back({last, {}});
  graph.outputs.push_back({last - static_cast<graph::ValueId>(below(6)), {}});
  return graph;
}

TEST(ScheduleForMemory, RandomGraphsKeepWhatDependsAndNeedNoMore) {
  size_t better = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Graph graph = random_graph(seed);
    const std::vector<bool> dying{seed % 2 == 0, seed % 3 == 0, false};
    const Order order = schedule(graph, dying);
    ASSERT_TRUE(std::ranges::is_permutation(order, as_given(graph)));
    std::vector<uint32_t> place(order.size());
    for (uint32_t i = 0; i < order.size(); ++i) place[order[i]] = i;
    const graph::Uses uses(graph);
    for (uint32_t n = 0; n < graph.nodes.size(); ++n) {
      for (const auto& operand : graph.nodes[n].operands) {
        const uint32_t maker = uses.maker[operand.value];
        if (maker != graph::Uses::kNoNode) {
          ASSERT_LT(place[maker], place[n]);
        }
      }
      const graph::ValueId base = graph.nodes[n].results[0].base;
      if (base == graph::kNoValue) continue;
      for (const auto& use : uses.uses[base]) {
        if (use.node < n) {
          ASSERT_LT(place[use.node], place[n]);
        }
      }
    }
    const int64_t before = peak(graph, dying, as_given(graph));
    const int64_t after = peak(graph, dying, order);
    ASSERT_LE(after, before);
    better += after < before ? 1 : 0;
    ASSERT_EQ(order, schedule(graph, dying)) << "it depends on nothing else";
  }
  EXPECT_GT(better, 150U);
}

}  // namespace
}  // namespace trireme::compile::testing
