// SPDX-License-Identifier: Apache-2.0
// Attention as a compiled step, against the interpreter.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>

#include "attend_support.h"
#include "trireme/base/openmp.h"
#include "trireme/compile/run_on_copies.h"
#include "trireme/graph/interpret/memory.h"

namespace trireme::compile::testing {
namespace {

using graph::DType;

std::vector<graph::Buffer> compiled(const Case& made) {
  return run_on_copies(compiler(), made.graph, made.inputs, nullptr);
}

void expect_right(const AttendCase& one) {
  const Case made = make_case(one);
  expect_near(one, graph::interpret(made.graph, made.inputs, nullptr), compiled(made));
}

// Batch, heads, groups, rows, columns, depth, width.
constexpr std::array<std::array<int64_t, 7>, 10> kSizes = {{
    {1, 1, 1, 1, 1, 1, 1},
    {2, 2, 2, 5, 7, 3, 4},
    {1, 2, 2, 64, 64, 16, 16},
    {2, 4, 2, 70, 130, 20, 33},
    {1, 3, 3, 129, 65, 64, 64},
    {1, 6, 2, 17, 200, 40, 80},
    {3, 2, 1, 33, 31, 96, 8},
    {2, 4, 1, 1, 150, 64, 64},  // few rows
    {1, 8, 4, 3, 70, 24, 40},
    {2, 2, 2, 100, 1, 16, 130},
}};

TEST(Attend, ForwardIsTheInterpreters) {
  uint64_t seed = 1;
  for (const auto& sizes : kSizes) {
    for (const Layout layout :
         {Layout::Dense, Layout::HeadsInTheMiddle, Layout::Apart, Layout::Turned}) {
      for (const bool causal : {false, true}) {
        expect_right({.sizes = sizes, .layout = layout, .causal = causal, .seed = seed++});
      }
    }
  }
}

TEST(Attend, BackwardIsTheInterpreters) {
  uint64_t seed = 100;
  for (const auto& sizes : kSizes) {
    for (const Layout layout : {Layout::HeadsInTheMiddle, Layout::Apart, Layout::Turned}) {
      for (const bool causal : {false, true}) {
        expect_right(
            {.sizes = sizes, .layout = layout, .causal = causal, .backward = true, .seed = seed++});
      }
    }
  }
}

TEST(Attend, Masks) {
  uint64_t seed = 200;
  for (const auto& sizes : kSizes) {
    for (const MaskKind mask :
         {MaskKind::Parts, MaskKind::PartsOfBatch, MaskKind::Numbers, MaskKind::NumbersOfHead}) {
      for (const bool causal : {false, true}) {
        expect_right({.sizes = sizes,
                      .layout = Layout::HeadsInTheMiddle,
                      .mask = mask,
                      .causal = causal,
                      .backward = true,
                      .seed = seed++});
      }
    }
  }
}

TEST(Attend, FewBits) {
  uint64_t seed = 300;
  for (const DType dtype : {DType::BFloat16, DType::Float16}) {
    for (const auto& sizes : kSizes) {
      for (const Layout layout : {Layout::HeadsInTheMiddle, Layout::Apart}) {
        for (const MaskKind mask : {MaskKind::None, MaskKind::Numbers, MaskKind::Parts}) {
          expect_right({.sizes = sizes,
                        .dtype = dtype,
                        .layout = layout,
                        .mask = mask,
                        .causal = mask == MaskKind::None,
                        .backward = true,
                        .seed = seed++});
        }
      }
    }
  }
}

TEST(Attend, ScaleMayBeAnInput) {
  AttendCase one{.sizes = kSizes[3], .scale_is_input = true, .backward = true};
  Case made = make_case(one);
  made.inputs.numbers[0].real = 0.7;
  expect_near(one, graph::interpret(made.graph, made.inputs, nullptr), compiled(made));
  made.inputs.numbers[0] = {DType::Int64, 1, 0, 0, std::nullopt, false};
  expect_near(one, graph::interpret(made.graph, made.inputs, nullptr), compiled(made));
}

TEST(Attend, QueriesWithoutKeysGiveZeros) {
  const AttendCase one{
      .sizes = {1, 1, 1, 70, 30, 16, 16}, .mask = MaskKind::Parts, .backward = true};
  Case made = make_case(one);
  std::ranges::fill(made.memory[4], std::byte{0});
  const auto given = compiled(made);
  for (const size_t k : {0, 2, 3, 4}) {
    const auto bytes = given[k].bytes();
    for (size_t at = 0; at < bytes.size(); at += 4) {
      ASSERT_EQ(graph::read_real(DType::Float32, bytes.data() + at), 0) << "output " << k;
    }
  }
  EXPECT_EQ(graph::read_real(DType::Float32, given[1].bytes().data()),
            -std::numeric_limits<double>::infinity());
}

// A NaN reaches what depends on it, and nothing else.
TEST(Attend, NotANumberStaysOne) {
  const AttendCase one{.sizes = {1, 2, 2, 20, 20, 16, 16}};
  Case made = make_case(one);
  graph::write_real(DType::Float32, made.memory[0].data() + 4 * (20 * 16 + 3 * 16 + 5),
                    std::numeric_limits<double>::quiet_NaN());  // head 1, query 3
  const auto given = compiled(made);
  for (size_t element = 0; element < 2 * 20 * 16; ++element) {
    const double out = graph::read_real(DType::Float32, given[0].bytes().data() + 4 * element);
    ASSERT_EQ(std::isnan(out), element / 16 == 23) << element;
  }
}

// Two threads or more than there are heads: the same numbers.
TEST(Attend, ThreadsDoNotChangeForward) {
  const AttendCase one{.sizes = {1, 4, 4, 200, 150, 64, 64}, .causal = true, .backward = true};
  const Case made = make_case(one);
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  const auto alone = compiled(made);
  for (const int threads : {2, 4}) {
    omp_set_num_threads(threads);
    const auto given = compiled(made);
    for (size_t k = 0; k < alone.size(); ++k) {
      EXPECT_TRUE(std::ranges::equal(alone[k].bytes(), given[k].bytes())) << k;
    }
  }
  // Fewer groups than threads: parts of the sums over queries, in a fixed order.
  AttendCase few = one;
  few.sizes = {1, 4, 1, 200, 150, 64, 64};
  const Case grouped = make_case(few);
  omp_set_num_threads(3);
  const auto first = compiled(grouped);
  const auto again = compiled(grouped);
  omp_set_num_threads(before);
  for (size_t k = 0; k < first.size(); ++k) {
    EXPECT_TRUE(std::ranges::equal(first[k].bytes(), again[k].bytes())) << k;
  }
  expect_near(few, graph::interpret(grouped.graph, grouped.inputs, nullptr), first);
}

// A cache that grows: one program, sizes of each run.
TEST(Attend, SizesMayVary) {
  const std::string text = R"(
    symbols 2
    input %0: f32[64*s0]
    input %1: f32[64*s1]
    input %2: f32[64*s1]
    %3: f32[64*s0] at [1, 4, s0, 16 : 64*s0, 16, 64, 1], %4: f32[4*s0] at [1, 4, s0] = attend forward causal scale 0.25 () {
      a0 = %0 at [1, 4, s0, 16 : 64*s0, 16*s0, 16, 1]
      a1 = %1 at [1, 4, s1, 16 : 64*s1, 16*s1, 16, 1]
      a2 = %2 at [1, 4, s1, 16 : 64*s1, 16*s1, 16, 1]
    }
    output %3
    output %4
  )";
  CompileOptions options;
  const auto program = compiler().compile(parse(text), options);
  for (const auto& [rows, columns] :
       std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {2, 63}, {64, 64}, {65, 9}, {9, 300}}) {
    const Case made(text, {rows, columns});
    BufferSurroundings surroundings(made.graph, made.inputs, nullptr);
    ASSERT_TRUE(program->run(surroundings, {{}, made.inputs.symbols, {}}).empty());
    expect_near({.sizes = {1, 4, 4, rows, columns, 16, 16}},
                graph::interpret(made.graph, made.inputs, nullptr), surroundings.take_outputs());
  }
}

TEST(Attend, IsAStepOfItsOwn) {
  const AttendCase one{.sizes = {1, 2, 2, 8, 8, 16, 16}, .causal = true, .backward = true};
  const std::string text = compiler().compile(make_case(one).graph, {})->describe();
  EXPECT_NE(text.find("attention causal f32[1, 2, 8, 16]"), std::string::npos) << text;
  EXPECT_NE(text.find("attention backward causal"), std::string::npos) << text;
  AttendCase doubles = one;
  doubles.dtype = DType::Float64;
  std::string wide = doubles.text();
  for (size_t at = wide.find("%6: f32"); at != std::string::npos; at = wide.find("%6: f32")) {
    wide.replace(at, 7, "%6: f64");
  }
  const graph::Graph graph = parse(wide);
  EXPECT_NE(compiler().refusal(graph, graph.nodes[0]), "");
  EXPECT_EQ(compiler().refusal(make_case(one).graph, make_case(one).graph.nodes[0]), "");
}

}  // namespace
}  // namespace trireme::compile::testing
