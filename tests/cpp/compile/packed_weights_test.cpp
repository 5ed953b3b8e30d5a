// SPDX-License-Identifier: Apache-2.0
// Products whose weight stays the same read it packed, and notice when it does not.
#include "trireme/compile/library/packed_weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "program_support.h"
#include "trireme/compile/run_on_copies.h"
#include "trireme/graph/interpret/memory.h"

namespace trireme::compile::testing {
namespace {

using Clock = PackedWeights::Clock;
constexpr uint32_t kPatience = PackedWeights::kPatience;
constexpr auto kLeastTime = PackedWeights::kLeastTime;

TEST(PackedWeights, ContentsSettleWhenTheyAreReadOftenAndForSomeTime) {
  PackedWeights weights(1000);
  const Clock::time_point start = Clock::now();
  for (uint32_t i = 1; i < kPatience; ++i) {
    EXPECT_FALSE(weights.settled(1, start + i * kLeastTime));
    EXPECT_FALSE(weights.settled(2, start));
  }
  EXPECT_TRUE(weights.settled(1, start + kPatience * kLeastTime));
  EXPECT_FALSE(weights.settled(2, start)) << "all in one step";
  EXPECT_TRUE(weights.settled(1, start + kPatience * kLeastTime));
  EXPECT_FALSE(weights.settled(3, start + kPatience * kLeastTime));
}

TEST(PackedWeights, AreMadeOnceForAllWhoAsk) {
  PackedWeights weights(256);
  int made = 0;
  const auto find = [&](const PackedWeights::Key& key, size_t bytes) {
    return weights.find(key, bytes, [&](std::byte* to) {
      EXPECT_EQ(reinterpret_cast<uintptr_t>(to) % 64, 0U);
      std::memset(to, ++made, bytes);
    });
  };
  const auto first = find({1, 0, "a"}, 100);
  EXPECT_EQ(first.get()[99], std::byte{1});
  EXPECT_EQ(find({1, 0, "a"}, 100), first);
  EXPECT_EQ(made, 1);
  for (const PackedWeights::Key& other :
       {PackedWeights::Key{2, 0, "a"}, PackedWeights::Key{1, 8, "a"},
        PackedWeights::Key{1, 0, "b"}}) {
    EXPECT_NE(find(other, 50), first);
  }
  EXPECT_EQ(made, 4);
  EXPECT_EQ(weights.bytes(), 250U);
  EXPECT_EQ(find({3, 0, "a"}, 7), nullptr) << "no room";
  weights.forget(Clock::now() + PackedWeights::kAge);
  EXPECT_EQ(weights.bytes(), 0U);
  EXPECT_EQ(first.get()[99], std::byte{1}) << "still whose it is";
  EXPECT_NE(find({3, 0, "a"}, 256), nullptr);
}

// What a step of a training reads again and again, and then never more.
TEST(PackedWeights, WhatWasInUseForShortGoesSoon) {
  PackedWeights weights(1'000'000);
  Clock::time_point now = Clock::now();
  size_t most = 0;
  const auto use = [&](uint64_t version, std::chrono::milliseconds time) {
    for (const Clock::time_point end = now + time; now < end; now += std::chrono::milliseconds(5)) {
      if (!weights.settled(version, now)) continue;
      EXPECT_NE(weights.find(
                    {version, 0, ""}, 1000, [](std::byte*) {}, now),
                nullptr);
    }
    most = std::max(most, weights.bytes());
  };
  for (uint64_t step = 1; step < 50; ++step) use(step, std::chrono::milliseconds(200));
  EXPECT_GT(most, 0U);
  EXPECT_LE(most, 4000U);
  // What has long been in use survives a pause.
  use(100, std::chrono::seconds(20));
  weights.forget(now + std::chrono::seconds(9));
  EXPECT_EQ(weights.bytes(), 1000U);
  weights.forget(now + std::chrono::seconds(11));
  EXPECT_EQ(weights.bytes(), 0U);
}

class Versioned final : public BufferSurroundings {
 public:
  Versioned(const graph::Graph& graph, const graph::Inputs& inputs)
      : BufferSurroundings(graph, inputs, nullptr), versions(inputs.buffers.size(), 1) {
    for (size_t i = 0; i < versions.size(); ++i) versions[i] = 10 * next_++ + i;
  }
  uint64_t input_version(uint32_t index) override { return versions[index]; }
  std::vector<uint64_t> versions;

 private:
  static inline uint64_t next_ = 1;
};

// A compiled graph that is run again and again over the same memory.
class Again {
 public:
  explicit Again(Case one, std::vector<std::string> off = {})
      : case_(std::move(one)), surroundings_(case_.graph, case_.inputs) {
    CompileOptions options;
    options.off = std::move(off);
    compiled_ = compiler().compile(case_.graph, options);
  }

  // The largest difference from the interpreter, over all outputs, of the memory as it is.
  double run() {
    bool same = !wanted_.empty();
    for (size_t i = 0; i < case_.memory.size(); ++i) {
      std::span<std::byte> old(case_.memory[i]);
      const std::byte* now = surroundings_.input(static_cast<uint32_t>(i));
      same = same && std::memcmp(old.data(), now, old.size()) == 0;
      std::memcpy(old.data(), now, old.size());
    }
    EXPECT_TRUE(
        compiled_->run(surroundings_, {case_.inputs.numbers, case_.inputs.symbols, {}}).empty());
    // After the run, and once for each contents: with sanitizers it takes so long that weights
    // count as idle meanwhile.
    if (!same) wanted_ = graph::interpret(case_.graph, case_.inputs, nullptr);
    double most = 0;
    for (size_t k = 0; k < wanted_.size(); ++k) {
      const graph::DType dtype = case_.graph.values[case_.graph.outputs[k].value].dtype;
      const auto& input = case_.graph.outputs[k].input;
      const std::byte* given = input ? surroundings_.input(*input) : surroundings_.last(k);
      for (size_t at = 0; at < wanted_[k].bytes().size(); at += graph::size_of(dtype)) {
        const double x = graph::read_real(dtype, wanted_[k].bytes().data() + at);
        const double y = graph::read_real(dtype, given + at);
        most = std::max(most, std::abs(x - y) / (1 + std::abs(x)));
      }
    }
    return most;
  }

  // Runs, evenly in time, until contents must have settled.
  void settle(double tolerance) {
    for (uint32_t i = 0; i < 2 * kPatience + 1; ++i) {
      if (i > 0) std::this_thread::sleep_for(kLeastTime / kPatience);
      EXPECT_LT(run(), tolerance) << "run " << i;
    }
  }

  bool packed() const { return compiled_->describe().find(", packed") != std::string::npos; }
  Versioned& surroundings() { return surroundings_; }
  // Other contents of an input of f32: some signs.
  void change(uint32_t input) {
    std::byte* elements = surroundings_.input(input);
    for (size_t at = 3; at < case_.memory[input].size(); at += 4 * size_t{3}) {
      elements[at] ^= std::byte{0x80};
    }
  }

 private:
  Case case_;
  Versioned surroundings_;
  std::unique_ptr<CompiledGraph> compiled_;
  std::vector<graph::Buffer> wanted_;  // the outputs for case_.memory
};

// [8, 256] by [256, 300], the weight by rows, and by [300, 256] turned.
Case by_rows() {
  return Case(R"(
    input %0: f32[2048]
    input %1: f32[76800]
    %2: f32[2400] = contract (i0 < 8, i1 < 300 | i2 < 256) {
      a0 = %0 at [8, 300, 256 : 256, 0, 1]  a1 = %1 at [8, 300, 256 : 0, 1, 300] }
    output %2
  )");
}
Case by_columns(const std::string& dtype = "f32") {
  std::string text = R"(
    input %0: DT[2048]
    input %1: DT[76900]
    %2: DT[2400] = contract (i0 < 8, i1 < 300 | i2 < 256) {
      a0 = %0 at [8, 300, 256 : 256, 0, 1]  a1 = %1 at [8, 300, 256 : 0, 256, 1 : 100] }
    output %2
  )";
  for (size_t at = text.find("DT"); at != std::string::npos; at = text.find("DT")) {
    text.replace(at, 2, dtype);
  }
  return Case(text);
}

// [1, 16, 8, 8], twice by [16, 16, 3, 3].
Case convolutions() {
  const auto convolve = [](const std::string& result, const std::string& from) {
    return result + R"(: f32[1024] = convolve forward stride [1, 1] padding [1, 1] dilation [1, 1]
      output_padding [0, 0] groups 1
      (i0 < 1, i1 < 16, i2 < 8, i3 < 8 | i4 < 16, i5 < 3, i6 < 3) {
        a0 = )" +
           from + R"( at [1, 16, 8, 8]  a1 = %1 at [16, 16, 3, 3] }
)";
  };
  return Case("input %0: f32[1024]\ninput %1: f32[2304]\n" + convolve("%2", "%0") +
              convolve("%3", "%2") + "output %3\n");
}

TEST(PackedWeights, ProductsAreRightBeforeAndAfter) {
  for (const Case& one : {by_rows(), by_columns()}) {
    Again again(one);
    EXPECT_LT(again.run(), 1e-4);
    EXPECT_FALSE(again.packed());
    again.settle(1e-4);
    EXPECT_TRUE(again.packed());
  }
  Again convolved(convolutions());
  convolved.settle(1e-3);
  EXPECT_TRUE(convolved.packed());
  convolved.change(1);
  convolved.surroundings().versions[1] += 1000;
  convolved.settle(1e-3);
  Again narrow(by_columns("bf16"));
  narrow.settle(1e-2);
  EXPECT_TRUE(narrow.packed());
}

TEST(PackedWeights, AnotherVersionIsReadAnew) {
  Again again(by_columns());
  again.settle(1e-4);
  for (int i = 0; i < 3; ++i) {
    again.change(1);
    again.surroundings().versions[1] += 1000;
    again.settle(1e-4);
  }
  // It is the packed weight that is read: what says that it is unchanged is believed.
  again.change(1);
  EXPECT_GT(again.run(), 1e-3);
  again.surroundings().versions[1] += 1000;
  EXPECT_LT(again.run(), 1e-4);
}

TEST(PackedWeights, NothingIsKeptOfWhatMayChange) {
  Again unknown(by_columns());
  unknown.surroundings().versions = {0, 0};
  for (int i = 0; i < 3; ++i) {
    unknown.settle(1e-4);
    unknown.change(1);
  }
  EXPECT_FALSE(unknown.packed());

  // A step of a training: the graph itself writes the weight.
  Again written(Case(R"(
    input %0: f32[2048]
    input %1: f32[76800]
    %2: f32[2400] = contract (i0 < 8, i1 < 300 | i2 < 256) {
      a0 = %0 at [8, 300, 256 : 256, 0, 1]  a1 = %1 at [8, 300, 256 : 0, 1, 300] }
    %3: f32[76800] = map (i0 < 76800) { a0 = %1  return mul(a0:f32, 0.5:f32) }
    output %2
    output %3 replaces input 1
  )"));
  written.settle(1e-4);
  EXPECT_FALSE(written.packed());

  Again off(by_columns(), {"pack_weights"});
  off.settle(1e-4);
  EXPECT_FALSE(off.packed());
}

TEST(PackedWeights, OneWeightServesAllSizes) {
  const std::string text = R"(
    symbols 1
    input %0: f32[256*s0]
    input %1: f32[76800]
    %2: f32[300*s0] = contract (i0 < s0, i1 < 300 | i2 < 256) {
      a0 = %0 at [s0, 300, 256 : 256, 0, 1]  a1 = %1 at [s0, 300, 256 : 0, 256, 1] }
    output %2
  )";
  const Case small(text, {5});
  const Case large(text, {24});
  CompileOptions options;
  const auto compiled = compiler().compile(small.graph, options);
  Versioned of_small(small.graph, small.inputs);
  Versioned of_large(large.graph, large.inputs);
  // The same weight.
  std::memcpy(of_large.input(1), of_small.input(1), small.memory[1].size());
  of_large.versions[1] = of_small.versions[1];
  graph::Inputs large_inputs = large.inputs;
  large_inputs.buffers[1] = small.memory[1];
  const auto expect = [&](Versioned& surroundings, const graph::Inputs& inputs,
                          std::span<const std::byte> bytes) {
    EXPECT_TRUE(compiled->run(surroundings, {{}, inputs.symbols, {}}).empty());
    for (size_t at = 0; at < bytes.size(); at += 4) {
      EXPECT_NEAR(graph::read_real(graph::DType::Float32, bytes.data() + at),
                  graph::read_real(graph::DType::Float32, surroundings.last(0) + at), 1e-3);
    }
  };
  const auto small_wanted = graph::interpret(small.graph, small.inputs, nullptr);
  const auto large_wanted = graph::interpret(large.graph, large_inputs, nullptr);
  for (uint32_t i = 0; i < 2 * kPatience; ++i) {
    std::this_thread::sleep_for(kLeastTime / kPatience);
    expect(of_small, small.inputs, small_wanted[0].bytes());
    expect(of_large, large_inputs, large_wanted[0].bytes());
  }
  EXPECT_NE(compiled->describe().find(", packed"), std::string::npos);
}

}  // namespace
}  // namespace trireme::compile::testing
