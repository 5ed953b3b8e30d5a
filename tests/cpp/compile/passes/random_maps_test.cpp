// SPDX-License-Identifier: Apache-2.0
// Random graphs: each pass alone, all of them, and the code compiled with each of the switches off
// give what the interpreter gives for the graph as it was.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "../program_support.h"
#include "pass_support.h"
#include "random_maps.h"
#include "trireme/compile/code/code.h"
#include "trireme/compile/passes/pass.h"
#include "trireme/compile/run_on_copies.h"
#include "trireme/graph/check/verify.h"
#include "trireme/graph/text/print.h"

namespace trireme::compile::testing {
namespace {

struct Random : Case {
  explicit Random(uint64_t seed) : Case(random_maps(seed)) {
    for (size_t input = 0; input < 3; ++input) {
      for (size_t at = 0; at < memory[input].size(); at += sizeof(float)) {
        float element = 0;
        std::memcpy(&element, memory[input].data() + at, sizeof(float));
        element = std::floor(element * 4) / 4;
        std::memcpy(memory[input].data() + at, &element, sizeof(float));
      }
    }
    set_integers(3, {0, 3, 1, 1, 2, 0});
  }
  std::vector<std::vector<float>> interpreted() const {
    return floats(graph::interpret(graph, inputs, nullptr));
  }
  std::vector<std::vector<float>> compiled(const CompileOptions& options) const {
    BufferSurroundings surroundings(graph, inputs, nullptr);
    const auto made = compiler().compile(graph, options);
    EXPECT_TRUE(made->run(surroundings, {inputs.numbers, inputs.symbols, inputs.randoms}).empty());
    return floats(surroundings.take_outputs());
  }

 private:
  static std::vector<std::vector<float>> floats(std::vector<graph::Buffer> buffers) {
    std::vector<std::vector<float>> all;
    for (graph::Buffer& buffer : buffers) {
      auto& one = all.emplace_back(buffer.bytes().size() / sizeof(float));
      std::memcpy(one.data(), buffer.bytes().data(), buffer.bytes().size());
    }
    return all;
  }
};

TEST(RandomMaps, EachPassKeepsWhatIsComputed) {
  for (uint64_t seed = 0; seed < 400; ++seed) {
    const Random one(seed);
    const auto wanted = one.interpreted();
    Random all = one;
    for (const Pass& pass : passes()) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", " + std::string(pass.name));
      Random alone = one;
      pass.run(alone.graph);
      const auto problems = graph::verify(alone.graph);
      ASSERT_TRUE(problems.empty()) << problems.front() << "\n" << graph::print(one.graph);
      ASSERT_EQ(alone.interpreted(), wanted) << graph::print(one.graph);
      pass.run(all.graph);
      ASSERT_EQ(all.interpreted(), wanted) << graph::print(one.graph);
    }
  }
}

TEST(RandomMaps, CompiledCodeGivesTheSame) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Random one(1000 + seed);
    const auto wanted = one.interpreted();
    CompileOptions options;
    options.verify = true;
    options.dying = {seed % 2 == 0, seed % 3 == 0, false, false};
    ASSERT_EQ(one.compiled(options), wanted) << graph::print(one.graph);
    const auto switches = compiler().switches();
    options.off = {switches[seed % switches.size()]};
    ASSERT_EQ(one.compiled(options), wanted) << "without " << options.off[0] << "\n"
                                             << graph::print(one.graph);
    options.off = switches;
    ASSERT_EQ(one.compiled(options), wanted) << "without any pass\n" << graph::print(one.graph);
  }
}

TEST(Passes, UnknownNamesAreAnError) {
  const Case one(
      "input %0: f32[4]\n%1: f32[4] = map (i0 < 4) { a0 = %0  return neg(a0:f32) }\noutput %1");
  CompileOptions options;
  options.off = {"magic"};
  EXPECT_THROW(compiler().compile(one.graph, options), CompileError);
}

}  // namespace
}  // namespace trireme::compile::testing
