// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "../program_support.h"
#include "pass_support.h"
#include "trireme/compile/passes/inline_map.h"
#include "trireme/graph/check/verify.h"
#include "trireme/graph/text/print.h"

namespace trireme::compile::testing {
namespace {

// Kernels before and after a call are not one.
constexpr const char* kCall = "= opaque \"aten::sort\" () { a0 = ";

std::string text(std::string graph) {
  for (size_t at = graph.find("CALL"); at != std::string::npos; at = graph.find("CALL")) {
    graph.replace(at, 4, kCall);
  }
  return graph;
}

TEST(Recompute, WhatIsMadeOfLittle) {
  expect_rewritten("recompute", text(R"(
    input %0: f32[128]
    input %1: f32[16384]
    %2: f32[16384] = map (i0 < 128, i1 < 128) {
      a0 = %0 at [128, 128 : 0, 1]
      return mul(a0:f32, 3:f32)
    }
    %3: f32[16384] = map (i0 < 128, i1 < 128) { a0 = %1  a1 = %2  return add(a0:f32, a1:f32) }
    %4: f32[16384] at [16384] CALL%3 at [16384] }
    %5: f32[16384] = map (i0 < 128, i1 < 128) { a0 = %4  a1 = %2  return mul(a0:f32, a1:f32) }
    output %5
  )"),
                   text(R"(
    input %0: f32[128]
    input %1: f32[16384]
    %2: f32[16384] = map (i0 < 128, i1 < 128) {
      a0 = %0 at [128, 128 : 0, 1]
      return mul(a0:f32, 3:f32)
    }
    %3: f32[16384] = map (i0 < 128, i1 < 128) { a0 = %1  a1 = %2  return add(a0:f32, a1:f32) }
    %4: f32[16384] at [16384] CALL%3 at [16384] }
    %5: f32[16384] = map (i0 < 128, i1 < 128) {
      a0 = %0 at [128, 128 : 0, 1]
      a1 = %4
      return mul(mul(a0:f32, 3:f32), a1:f32)
    }
    output %5
  )"));
}

// What takes the memory of %0 in the end is made in the same step, of what %0 holds until then: an
// optimizer that shrinks a parameter first. Its gradient comes from a call.
TEST(Recompute, WhatIsMadeOfAnInputThatIsReplaced) {
  expect_rewritten("recompute", text(R"(
    input %0: f32[16384]
    input %1: f32[16384]
    %2: f32[16384] = map (i0 < 16384) { a0 = %0  return mul(a0:f32, 0.5:f32) }
    %3: f32[16384] at [16384] CALL%1 at [16384] }
    %4: f32[16384] = map (i0 < 16384) { a0 = %2  a1 = %3  return sub(a0:f32, a1:f32) }
    output %4 replaces input 0
  )"),
                   text(R"(
    input %0: f32[16384]
    input %1: f32[16384]
    unmade %2: f32[16384]
    %3: f32[16384] at [16384] CALL%1 at [16384] }
    %4: f32[16384] = map (i0 < 16384) {
      a0 = %0
      a1 = %3
      return sub(mul(a0:f32, 0.5:f32), a1:f32)
    }
    output %4 replaces input 0
  )"));
  // Here %0 is read after it has been replaced.
  expect_unchanged("recompute", text(R"(
    input %0: f32[16384]
    input %1: f32[16384]
    %2: f32[16384] = map (i0 < 16384) { a0 = %0  return mul(a0:f32, 0.5:f32) }
    %3: f32[16384] at [16384] CALL%1 at [16384] }
    %4: f32[16384] = map (i0 < 16384) { a0 = %3  return neg(a0:f32) }
    %5: f32[16384] at [16384] CALL%4 at [16384] }
    %6: f32[16384] = map (i0 < 16384) { a0 = %2  a1 = %5  return sub(a0:f32, a1:f32) }
    output %4 replaces input 0
    output %6
  )"));
}

TEST(Recompute, WhatIsMadeOfThatWhichIsReadAnyway) {
  // %1 stays, for the call; the last kernel reads %0 alone. Its dimensions are others.
  expect_rewritten("recompute", text(R"(
    input %0: f32[16384]
    %1: f32[16384] = map (i0 < 64, i1 < 256) { a0 = %0  return maximum(a0:f32, 0:f32) }
    %2: f32[16384] at [16384] CALL%1 at [16384] }
    %3: f32[16384] = map (i0 < 128, i1 < 128) {
      a0 = %0 at [128, 128 : 1, 128]
      a1 = %1 at [128, 128 : 1, 128]
      return sub(a0:f32, a1:f32)
    }
    output %2
    output %3
  )"),
                   text(R"(
    input %0: f32[16384]
    %1: f32[16384] = map (i0 < 64, i1 < 256) { a0 = %0  return maximum(a0:f32, 0:f32) }
    %2: f32[16384] at [16384] CALL%1 at [16384] }
    %3: f32[16384] = map (i0 < 128, i1 < 128) {
      a0 = %0 at [128, 128 : 1, 128]
      x0 = a0:f32
      return sub(x0, maximum(x0, 0:f32))
    }
    output %2
    output %3
  )"));
}

TEST(Recompute, CoordinatesAreTheReaders) {
  // A causal mask: made of nothing.
  expect_rewritten("recompute", text(R"(
    input %0: f32[16384]
    %1: f32[65536] = map (i0 < 256, i1 < 256) { return select(le(i1, i0), 0:f32, -inf:f32) }
    %2: f32[65536] = map (i0 < 256, i1 < 256) {
      a0 = %0 at [256, 256 : 0, 1]
      a1 = %1
      return add(a0:f32, a1:f32)
    }
    %3: f32[65536] at [65536] CALL%2 at [65536] }
    %4: f32[131072] = map (i0 < 2, i1 < 256, i2 < 256) {
      a0 = %3 at [2, 256, 256 : 0, 256, 1]
      a1 = %1 at [2, 256, 256 : 0, 256, 1]
      return add(a0:f32, a1:f32)
    }
    output %4
  )"),
                   text(R"(
    input %0: f32[16384]
    %1: f32[65536] = map (i0 < 256, i1 < 256) { return select(le(i1, i0), 0:f32, -inf:f32) }
    %2: f32[65536] = map (i0 < 256, i1 < 256) {
      a0 = %0 at [256, 256 : 0, 1]
      a1 = %1
      return add(a0:f32, a1:f32)
    }
    %3: f32[65536] at [65536] CALL%2 at [65536] }
    %4: f32[131072] = map (i0 < 2, i1 < 256, i2 < 256) {
      a0 = %3 at [2, 256, 256 : 0, 256, 1]
      return add(select(le(i2, i1), 0:f32, -inf:f32), a0:f32)
    }
    output %4
  )"));
}

// What is kept: `made` is made of %0 and %1 before the call, and read after it.
void expect_kept(const std::string& made, const std::string& more = "") {
  expect_unchanged("recompute", text(R"(
    input %0: f32[16384]
    input %1: f32[16384]
    )" + made + R"(
    %3: f32[16384] at [16384] CALL%0 at [16384] }
    %4: f32[16384] = map (i0 < 16384) { a0 = %3  a1 = %2  return mul(a0:f32, a1:f32) }
    output %4
    )" + more));
}

TEST(Recompute, NotWhatIsMadeOfMore) {
  expect_kept("%2: f32[16384] = map (i0 < 16384) { a0 = %0  a1 = %1  return add(a0:f32, a1:f32) }");
}

TEST(Recompute, NotWhatTakesLong) {
  expect_kept(R"(%2: f32[16384] = map (i0 < 128, i1 < 128) {
    a0 = %0 at [128, 128 : 0, 1]
    return pow(a0:f32, 3:f32)
  })");
  expect_kept(R"(%2: f32[16384] = map (i0 < 128, i1 < 128) {
    a0 = %0 at [128, 128 : 0, 1]
    return exp(tanh(a0:f32))
  })");
}

TEST(Recompute, NotOfWhatIsWrittenOver) {
  expect_unchanged("recompute", text(R"(
    input %0: f32[16384]
    %1: f32[16384] = map (i0 < 16384) { a0 = %0 at [16384 : 0]  return neg(a0:f32) }
    %2: f32[16384] at [16384] CALL%1 at [16384] }
    %3: f32[16384] at [2] over %0 = map (i0 < 2) { a0 = %2 at [2]  return a0:f32 }
    %4: f32[16384] = map (i0 < 16384) { a0 = %1  a1 = %2  return add(a0:f32, a1:f32) }
    output %3 replaces input 0
    output %4
  )"));
}

TEST(Recompute, NotDraws) {
  // To draw again the same numbers would be right, but takes longer than to read them.
  graph::Graph graph = parse(text(R"(
    randoms 1
    input %0: f32[16384]
    %1: bool[65536] = random bernoulli state 0 [0.5] (i0 < 65536) { }
    %2: f32[65536] = map (i0 < 65536) {
      a0 = %0 at [65536 : 0]
      a1 = %1
      return select(a1:bool, a0:f32, 0:f32)
    }
    %3: f32[65536] at [65536] CALL%2 at [65536] }
    %4: f32[65536] = map (i0 < 65536) {
      a0 = %3
      a1 = %1
      return select(a1:bool, a0:f32, 0:f32)
    }
    output %4
  )"));
  EXPECT_FALSE(pass_named("recompute").run(graph));
}

TEST(Recompute, CompiledCodeGivesTheSame) {
  // Both %2 and %3 are computed again, the one by way of the other; %5 reads across.
  const Case one(text(R"(
    input %0: f32[128]
    input %1: f32[16384]
    %2: f32[16384] = map (i0 < 128, i1 < 128) {
      a0 = %0 at [128, 128 : 0, 1]
      return mul(a0:f32, 3:f32)
    }
    %3: f32[16384] = map (i0 < 128, i1 < 128) {
      a0 = %1
      a1 = %2 at [128, 128 : 1, 128]
      return maximum(add(a0:f32, a1:f32), 0:f32)
    }
    %4: f32[16384] at [16384] CALL%3 at [16384] }
    %5: f32[16384] = map (i0 < 128, i1 < 128) {
      a0 = %4
      a1 = %2
      a2 = %3 at [128, 128 : 1, 128]
      a3 = %1 at [128, 128 : 1, 128]
      return sub(mul(a0:f32, a1:f32), mul(a2:f32, a3:f32))
    }
    %6: f32[128] = reduce sum (i0 < 128 | i1 < 128) {
      a0 = %5
      a1 = %2
      return mul(a0:f32, a1:f32)
    }
    output %6
    output %5
  )"));
  graph::Graph changed = one.graph;
  EXPECT_TRUE(pass_named("recompute").run(changed));
  expect_same(one);
  expect_same(one, {true, true});
}

// A Map of a value of 2 x 3 x 4 elements read by another through a random view: where the first is
// put into the second, both compute the same.
TEST(InlineMap, RandomViews) {
  std::mt19937_64 random(7);
  const auto pick = [&](std::initializer_list<const char*> texts) {
    return std::string(texts.begin()[random() % texts.size()]);
  };
  size_t inlined = 0;
  for (int i = 0; i < 400; ++i) {
    const std::string made = pick({"(i0 < 2, i1 < 3, i2 < 4)", "(i0 < 2, i1 < 12)", "(i0 < 24)",
                                   "(i0 < 6, i1 < 4)", "(i0 < 6, i1 < 1, i2 < 4)"});
    const size_t rank = static_cast<size_t>(std::ranges::count(made, '<'));
    const std::string sizes = made == "(i0 < 2, i1 < 3, i2 < 4)" ? "2, 3, 4"
                              : made == "(i0 < 2, i1 < 12)"      ? "2, 12"
                              : made == "(i0 < 24)"              ? "24"
                              : made == "(i0 < 6, i1 < 4)"       ? "6, 4"
                                                                 : "6, 1, 4";
    std::string strides;
    for (size_t k = 0; k < rank; ++k) {
      strides += (k == 0 ? "" : ", ") + std::to_string(random() % 4);
    }
    const std::string where =
        rank == 2 && random() % 4 == 0 ? " at [" + sizes + " : 1, " + sizes.substr(0, 1) + "]" : "";
    const std::string term = "cast(i" + std::to_string(random() % rank) + "):f32";
    const std::string reads = pick({
        "(i0 < 24) { a0 = %1  a1 = %0 at [24]",
        "(i0 < 4, i1 < 6) { a0 = %1 at [4, 6 : 1, 4]  a1 = %0 at [4, 6]",
        "(i0 < 6, i1 < 4) { a0 = %1  a1 = %0 at [6, 4]",
        "(i0 < 3, i1 < 2, i2 < 4) { a0 = %1 at [3, 2, 4 : 4, 12, 1]  a1 = %0 at [3, 2, 4]",
        "(i0 < 2, i1 < 12) { a0 = %1  a1 = %1 at [2, 12 : 1, 2]",
        "(i0 < 2, i1 < 24) { a0 = %1 at [2, 24 : 0, 1]  a1 = %0 at [2, 24 : 1, 1]",
        "(i0 < 23) { a0 = %1 at [23 : 1 : 1]  a1 = %1 at [23]",
    });
    const size_t count = reads.starts_with("(i0 < 2, i1 < 24)") ? 48
                         : reads.starts_with("(i0 < 23)")       ? 23
                                                                : 24;
    Case one("input %0: f32[128]\n%1: f32[24]" + where + " = map " + made + " { a0 = %0 at [" +
             sizes + " : " + strides + " : " + std::to_string(random() % 3) +
             "]  return add(mul(a0:f32, 3:f32), " + (random() % 2 == 0 ? term : "1:f32") +
             ") }\n%2: f32[" + std::to_string(count) + "] = map " + reads +
             "  return sub(a0:f32, mul(a1:f32, a0:f32)) }\noutput %2\n");
    const std::string before = graph::print(one.graph);
    const auto wanted = graph::interpret(one.graph, one.inputs, nullptr);
    const graph::Node maker = one.graph.nodes[0];
    bool changed = false;
    for (uint32_t k = 0; k < one.graph.nodes[1].operands.size();) {
      const bool done = one.graph.nodes[1].operands[k].value == 1 &&
                        inline_map(one.graph.nodes[1], k, one.graph, maker);
      changed = changed || done;
      k = done ? 0 : k + 1;
    }
    inlined += changed ? 1 : 0;
    const auto problems = graph::verify(one.graph);
    ASSERT_TRUE(problems.empty()) << problems.front() << before << graph::print(one.graph);
    const auto given = graph::interpret(one.graph, one.inputs, nullptr);
    ASSERT_TRUE(std::ranges::equal(wanted[0].bytes(), given[0].bytes()))
        << before << graph::print(one.graph);
  }
  EXPECT_GT(inlined, 100U);
  EXPECT_LT(inlined, 400U);
}

}  // namespace
}  // namespace trireme::compile::testing
