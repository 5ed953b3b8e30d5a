// SPDX-License-Identifier: Apache-2.0
// Whole graphs, compiled and run over planned memory, against the interpreter.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <iterator>
#include <thread>

#include "program_support.h"
#include "trireme/base/openmp.h"
#include "trireme/compile/run_on_copies.h"
#include "trireme/graph/interpret/memory.h"

namespace trireme::compile::testing {
namespace {

using graph::DType;

size_t count(const std::string& text, const std::string& what) {
  size_t found = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
  return found;
}

std::string describe(const Case& one, std::vector<bool> dying = {}) {
  CompileOptions options;
  options.dying = std::move(dying);
  return compiler().compile(one.graph, options)->describe();
}

size_t kernels(const Case& one) { return count(describe(one), ": kernel "); }

TEST(Program, PointwiseChainsWithSeveralOutputsAreOneKernel) {
  // A step of Adam.
  const Case one(R"(
    number n0: f64
    input %0: f32[100]
    input %1: f32[100]
    input %2: f32[100]
    input %3: f32[100]
    %4: f32[100] = map (i0 < 100) { a0 = %1  a1 = %3  return add(mul(a0:f32, 0.9:f32), mul(a1:f32, 0.1:f32)) }
    %5: f32[100] = map (i0 < 100) { a0 = %2  a1 = %3  x0 = a1:f32  return add(mul(a0:f32, 0.99:f32), mul(mul(x0, x0), 0.01:f32)) }
    %6: f32[100] = map (i0 < 100) { a0 = %5  return add(sqrt(abs(a0:f32)), 0.001:f32) }
    %7: f32[100] = map (i0 < 10, i1 < 10) { a0 = %0  a1 = %4  a2 = %6  return sub(a0:f32, mul(n0:f32, div(a1:f32, a2:f32))) }
    output %7 replaces input 0
    output %4 replaces input 1
    output %5 replaces input 2
  )");
  expect_same(one);
  const std::string text = describe(one);
  EXPECT_EQ(count(text, ": kernel "), 1);
  EXPECT_EQ(count(text, "open"), 0) << "everything is done in place:\n" << text;
}

TEST(Program, RowsAreOneKernel) {
  const Case softmax(R"(
    input %0: f32[600]
    %1: f32[6] = reduce maximum (i0 < 2, i1 < 3 | i2 < 100) { a0 = %0  return a0:f32 }
    %2: f32[600] = map (i0 < 6, i1 < 100) { a0 = %0  a1 = %1 at [6, 100 : 1, 0]  return exp(sub(a0:f32, a1:f32)) }
    %3: f32[6] = reduce sum (i0 < 6 | i1 < 100) { a0 = %2  return a0:f32 }
    %4: f32[600] = map (i0 < 2, i1 < 3, i2 < 100) { a0 = %2  a1 = %3 at [2, 3, 100 : 3, 1, 0]  return div(a0:f32, a1:f32) }
    output %4
  )");
  expect_same(softmax);
  expect_same(softmax, {true});
  EXPECT_EQ(kernels(softmax), 1);
  const std::string in_place = describe(softmax, {true});
  EXPECT_EQ(count(in_place, "temporary"), 0) << in_place;

  const Case layer_norm(R"(
    input %0: f32[1280]
    input %1: f32[1280]
    input %2: f32[128]
    %3: f32[1280] = map (i0 < 10, i1 < 128) { a0 = %0  a1 = %1  return add(a0:f32, a1:f32) }
    %4: f32[10], %5: f32[10] = reduce welford (i0 < 10 | i1 < 128) { a0 = %3  return a0:f32 }
    %6: f32[10] = map (i0 < 10) { a0 = %5  return rsqrt(add(div(a0:f32, 128:f32), 0.00001:f32)) }
    %7: f32[1280] = map (i0 < 10, i1 < 128) { a0 = %3  a1 = %4 at [10, 128 : 1, 0]  a2 = %6 at [10, 128 : 1, 0]  a3 = %2 at [10, 128 : 0, 1]
      return mul(mul(sub(a0:f32, a1:f32), a2:f32), a3:f32) }
    output %3
    output %6
    output %7
  )");
  expect_same(layer_norm);
  EXPECT_EQ(kernels(layer_norm), 1);
}

TEST(Program, LongRowsAreKeptInMemoryBetweenLoops) {
  const Case one(R"(
    input %0: f32[1200000]
    %1: f32[40] = reduce maximum (i0 < 40 | i1 < 30000) { a0 = %0  return a0:f32 }
    %2: f32[1200000] = map (i0 < 40, i1 < 30000) { a0 = %0  a1 = %1 at [40, 30000 : 1, 0]  return exp(sub(a0:f32, a1:f32)) }
    %3: f32[40] = reduce sum (i0 < 40 | i1 < 30000) { a0 = %2  return a0:f32 }
    %4: f32[1200000] = map (i0 < 40, i1 < 30000) { a0 = %2  a1 = %3 at [40, 30000 : 1, 0]  return div(a0:f32, a1:f32) }
    output %4
  )");
  expect_same(one);
}

TEST(Program, FewLongRowsDoNotJoinElementwiseWork) {
  const Case one(R"(
    input %0: f32[100000]
    %1: f32[1] = reduce sum (| i0 < 100000) { a0 = %0  return abs(a0:f32) }
    %2: f32[100000] = map (i0 < 100000) { a0 = %0  a1 = %1 at [100000 : 0]  return div(a0:f32, a1:f32) }
    output %2
  )");
  expect_same(one);
  EXPECT_EQ(kernels(one), 2);
}

TEST(Program, SmallIndependentWorkIsOneKernel) {
  const Case one(R"(
    input %0: f32[100]
    input %1: f32[37]
    input %2: f32[12]
    %3: f32[100] = map (i0 < 100) { a0 = %0  return mul(a0:f32, 2:f32) }
    %4: f32[37] = map (i0 < 37) { a0 = %1  return mul(a0:f32, 3:f32) }
    %5: f32[1] = reduce sum (| i0 < 12) { a0 = %2  return a0:f32 }
    output %3
    output %4
    output %5
  )");
  expect_same(one);
  EXPECT_EQ(kernels(one), 1);
}

// Loops that differ in length, buffers, numbers and scratch memory, and others between them.
TEST(Program, EqualLoopsOfOneKernelAreOneFunction) {
  std::string inputs = "number n0: f64\nnumber n1: f64\nnumber n2: f64\n";
  std::string nodes;
  std::string outputs;
  const auto value = [](size_t number) { return "%" + std::to_string(number); };
  constexpr size_t kLoops = 9;
  size_t next = kLoops;
  for (size_t i = 0; i < kLoops; ++i) {
    const std::string rows = std::to_string(3 + i);
    const std::string all = std::to_string((3 + i) * 20);
    inputs += "input " + value(i) + ": f32[" + all + "]\n";
    if (i % 3 == 0) {  // with a constant that others have not
      nodes += value(next) + ": f32[" + all + "] = map (i0 < " + all + ") { a0 = " + value(i) +
               " return mul(a0:f32, " + (i == 3 ? "1e-08" : "1e-09") + ":f32) }\n";
    } else {
      nodes += value(next) + ": f32[" + rows + "] = reduce maximum (i0 < " + rows +
               " | i1 < 20) { a0 = " + value(i) + " return a0:f32 }\n";
      nodes += value(next + 1) + ": f32[" + all + "] = map (i0 < " + rows +
               ", i1 < 20) { a0 = " + value(i) + " a1 = " + value(next) + " at [" + rows +
               ", 20 : 1, 0] return exp(sub(a0:f32, a1:f32)) }\n";
      nodes += value(next + 2) + ": f32[" + rows + "] = reduce sum (i0 < " + rows +
               " | i1 < 20) { a0 = " + value(next + 1) + " return a0:f32 }\n";
      nodes += value(next + 3) + ": f32[" + all + "] = map (i0 < " + rows +
               ", i1 < 20) { a0 = " + value(next + 1) + " a1 = " + value(next + 2) + " at [" +
               rows + ", 20 : 1, 0] return mul(div(a0:f32, a1:f32), n" + std::to_string(i % 3) +
               ":f32) }\n";
      next += 3;
    }
    outputs += "output " + value(next++) + "\n";
  }
  Case one((inputs + nodes + outputs).c_str());
  for (size_t i = 0; i < one.inputs.numbers.size(); ++i) {
    one.inputs.numbers[i].real = 0.5 + static_cast<double>(i);
  }
  expect_same(one);
  EXPECT_EQ(kernels(one), 1);
  // what is small itself needs a finer look than expect_same's
  const auto wanted = graph::interpret(one.graph, one.inputs, nullptr);
  const auto given = run_on_copies(compiler(), one.graph, one.inputs, nullptr, {});
  for (const size_t output : {0, 3, 6}) {
    const double x = graph::read_real(DType::Float32, wanted[output].bytes().data());
    const double y = graph::read_real(DType::Float32, given[output].bytes().data());
    EXPECT_NEAR(x, y, std::abs(x) * 1e-6) << "output " << output;
  }
}

TEST(Program, PartialWritesKeepTheRest) {
  const Case chain(R"(
    input %0: f32[20]
    input %1: f32[10]
    input %2: f32[10]
    %3: f32[20] at [10] over %0 = map (i0 < 10) { a0 = %1  return neg(a0:f32) }
    %4: f32[20] at [5 : 2 : 10] over %3 = map (i0 < 5) { a0 = %2 at [5 : 2]  return a0:f32 }
    output %4
  )");
  expect_same(chain);
  expect_same(chain, {true, true, true});
  // The old value is read after the write: a copy keeps it.
  const Case both(R"(
    input %0: f32[20]
    input %1: f32[10]
    %2: f32[20] at [10] over %0 = map (i0 < 10) { a0 = %1  return neg(a0:f32) }
    %3: f32[20] = map (i0 < 20) { a0 = %0  a1 = %2  return mul(a0:f32, a1:f32) }
    output %2 replaces input 0
    output %3
  )");
  expect_same(both);
}

TEST(Program, OutputsThatChangePlaces) {
  const Case one(R"(
    input %0: f32[8]
    input %1: f32[8]
    output %1 replaces input 0
    output %0 replaces input 1
    output %0
  )");
  expect_same(one);
}

TEST(Program, ProductsOfAnyKind) {
  const Case one(R"(
    input %0: f32[1500]
    input %1: f32[2000]
    input %2: bf16[320]
    input %3: bf16[640]
    %4: f32[1200] = contract (i0 < 30, i1 < 40 | i2 < 50) { a0 = %0 at [30, 40, 50 : 50, 0, 1]  a1 = %1 at [30, 40, 50 : 0, 1, 40] }
    %5: bf16[200] = contract (i0 < 10, i1 < 20 | i2 < 32) { a0 = %2 at [10, 20, 32 : 32, 0, 1]  a1 = %3 at [10, 20, 32 : 0, 32, 1] }
    %6: f32[2] = contract (i0 < 2 | i1 < 3) { a0 = %0 at [2, 3 : 3, 1]  a1 = %1 at [2, 3 : 3, 1] }
    %7: f32[30] = contract (i0 < 30 | i1 < 50, i2 < 3) { a0 = %0 at [30, 50, 3 : 50, 1, 0]  a1 = %1 at [30, 50, 3 : 0, 3, 1] }
    output %4
    output %5
    output %6
    output %7
  )");
  const Case& products = one;
  Copier opaque;
  auto wanted = graph::interpret(products.graph, products.inputs, &opaque);
  auto given = run_on_copies(compiler(), products.graph, products.inputs, &opaque);
  for (size_t k = 0; k < wanted.size(); ++k) {
    const DType dtype = products.graph.values[products.graph.outputs[k].value].dtype;
    const double tolerance = dtype == DType::BFloat16 ? 0.01 : 1e-5;
    for (size_t at = 0; at < wanted[k].bytes().size(); at += graph::size_of(dtype)) {
      const double x = graph::read_real(dtype, wanted[k].bytes().data() + at);
      const double y = graph::read_real(dtype, given[k].bytes().data() + at);
      EXPECT_NEAR(x, y, tolerance * (10 + std::abs(x))) << k << " " << at;
    }
  }
}

TEST(Program, GathersAndScatters) {
  Case one(R"(
    input %0: f32[800]
    input %1: i64[6]
    input %2: f32[480]
    %3: f32[480] = gather [stride 80 bound 10] (i0 < 6, i1 < 80) { a0 = %0 at [6, 80 : 0, 1]  a1 = %1 at [6, 80 : 1, 0] }
    %4: f32[800] at [6, 80 : 0, 1] over %0 = scatter add [stride 80 bound 10] (i0 < 6, i1 < 80) { a0 = %2  a1 = %1 at [6, 80 : 1, 0] }
    output %3
    output %4
  )");
  one.set_integers(1, {3, 0, -1, 3, 9, -10});
  expect_same(one);
}

TEST(Program, SizesThatVary) {
  const char* const text = R"(
    symbols 1
    input %0: f32[64*s0]
    input %1: f32[4096]
    %2: f32[s0] = reduce sum (i0 < s0 | i1 < 64) { a0 = %0  return a0:f32 }
    %3: f32[64*s0] = map (i0 < s0, i1 < 64) { a0 = %0  a1 = %2 at [s0, 64 : 1, 0]  return sub(a0:f32, div(a1:f32, 64:f32)) }
    %4: f32[64*s0] = contract (i0 < s0, i1 < 64 | i2 < 64) { a0 = %3 at [s0, 64, 64 : 64, 0, 1]  a1 = %1 at [s0, 64, 64 : 0, 64, 1] }
    output %4
  )";
  for (const int64_t size : {1, 5, 33}) expect_same(Case(text, {size}));
}

TEST(Program, WhatDoesNotDependOnAFailureIsRight) {
  Case one(R"(
    input %0: f32[8]
    %1: f32[8] = opaque "fails" () call 5 { a0 = %0 at [8] }
    %2: f32[8] = map (i0 < 8) { a0 = %1  return neg(a0:f32) }
    %3: f32[8] = map (i0 < 8) { a0 = %0  return neg(a0:f32) }
    output %2
    output %3
  )");
  Copier opaque;
  opaque.fails = true;
  BufferSurroundings surroundings(one.graph, one.inputs, &opaque);
  const auto compiled = compiler().compile(one.graph, {});
  const auto failures = compiled->run(surroundings, {});
  ASSERT_EQ(failures.size(), 1);
  EXPECT_EQ(failures[0].call, 5);
  EXPECT_EQ(failures[0].outputs, std::vector<uint32_t>{0});
  const auto outputs = surroundings.take_outputs();
  const double x = graph::read_real(DType::Float32, one.memory[0].data());
  EXPECT_EQ(graph::read_real(DType::Float32, outputs[1].bytes().data()), -x);
}

TEST(Program, AnIndexOutOfBoundsIsAFailure) {
  Case one(R"(
    input %0: f32[800]
    input %1: i64[3]
    %2: f32[240] = gather [stride 80 bound 10 nowrap] (i0 < 3, i1 < 80) call 2 { a0 = %0 at [3, 80 : 0, 1]  a1 = %1 at [3, 80 : 1, 0] }
    output %2
  )");
  one.set_integers(1, {3, 10, 0});
  EXPECT_THROW(run_on_copies(compiler(), one.graph, one.inputs, nullptr), std::out_of_range);
}

// Threads that a run begins, on a thread that has begun none before.
std::ptrdiff_t threads_begun(const Case& one) {
  const auto compiled = compiler().compile(one.graph, {});
  const auto threads = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
  };
  std::ptrdiff_t begun = 0;
  std::thread([&] {
    BufferSurroundings surroundings(one.graph, one.inputs, nullptr);
    const auto before = threads();
    compiled->run(surroundings, {});
    begun = threads() - before;
  }).join();
  return begun;
}

// More than a megabyte, for which loads ask ahead, past the end, too: rows, columns, and all in
// one.
TEST(Program, LargeReads) {
  expect_same(Case(R"(
    input %0: f32[256]
    input %1: f32[281601]
    %2: f32[1100] = contract (i0 < 1, i1 < 1100 | i2 < 256) {
      a0 = %0 at [1, 1100, 256 : 0, 0, 1]  a1 = %1 at [1, 1100, 256 : 0, 256, 1 : 1] }
    %3: f32[1100] = contract (i0 < 1, i1 < 1100 | i2 < 256) {
      a0 = %0 at [1, 1100, 256 : 0, 0, 1]  a1 = %1 at [1, 1100, 256 : 0, 1, 1100 : 1] }
    %4: f32[281601] = map (i0 < 281601) { a0 = %1  return mul(a0:f32, a0:f32) }
    output %2
    output %3
    output %4
  )"));
}

TEST(Program, LittleWorkIsOneThreads) {
  if (omp_get_max_threads() == 1) GTEST_SKIP() << "one thread in any case";
  EXPECT_EQ(threads_begun(Case(R"(
    input %0: f32[65536]
    %1: f32[65536] = map (i0 < 65536) { a0 = %0  return mul(a0:f32, a0:f32) }
    output %1
  )")),
            0);
  EXPECT_GT(threads_begun(Case(R"(
    input %0: f32[8388608]
    %1: f32[8388608] = map (i0 < 8388608) { a0 = %0  return mul(a0:f32, a0:f32) }
    output %1
  )")),
            0);
}

}  // namespace
}  // namespace trireme::compile::testing
