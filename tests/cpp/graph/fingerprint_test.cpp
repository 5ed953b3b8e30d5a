// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/check/fingerprint.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "random_graph.h"
#include "sample_graph.h"
#include "trireme/graph/text/parse.h"
#include "trireme/graph/text/print.h"

namespace trireme::graph {
namespace {

Graph sample() { return parse(testing::kSampleGraph, testing::named_call); }

// The answers of the authors' reference (vectors_sip128) for inputs 00 01 02 ... under the key 00
// 01
// ... 0f; OpenSSL's SIPHASH with 16 bytes gives them, too.
TEST(SipHash, KnownAnswers) {
  const auto hash = [](size_t length) {
    std::vector<uint8_t> bytes(length);
    std::iota(bytes.begin(), bytes.end(), uint8_t{0});
    return base::siphash128(bytes, 0x0706050403020100, 0x0f0e0d0c0b0a0908);
  };
  EXPECT_EQ(hash(0), (base::Hash128{0xe6a825ba047f81a3, 0x930255c71472f66d}));
  EXPECT_EQ(hash(1), (base::Hash128{0x44af996bd8c187da, 0x45fc229b11597634}));
  EXPECT_EQ(hash(8), (base::Hash128{0x61f55862baa9623b, 0xb49714f364e2830f}));
  EXPECT_EQ(hash(15), (base::Hash128{0x11a8b03399e99354, 0xd9c3cf970fec087e}));
}

// The same in every process, on every machine. It may change only with kVersion in fingerprint.cpp.
TEST(Fingerprint, OfTheSampleIsThisOne) {
  EXPECT_EQ(to_string(fingerprint(sample())), "482f2834a49202dbcdbcd1828bc3b4b7");
  EXPECT_EQ(to_string(fingerprint(Graph())), "608eeaf546583dc1d3e576b33a79e16c");
}

TEST(Fingerprint, IsWrittenAs32Digits) {
  EXPECT_EQ(to_string({0x0123456789abcdef, 0x10}), "0123456789abcdef0000000000000010");
}

// The same graph under other numbers of its values.
Graph renumbered(const Graph& graph, uint64_t seed) {
  std::vector<ValueId> to(graph.values.size());
  std::iota(to.begin(), to.end(), ValueId{0});
  std::shuffle(to.begin(), to.end(), std::mt19937_64(seed));
  Graph result = graph;
  for (ValueId value = 0; value < to.size(); ++value) {
    result.values[to[value]] = graph.values[value];
  }
  const auto rename = [&](ValueId& value) {
    if (value != kNoValue) value = to[value];
  };
  for (ValueId& input : result.inputs) rename(input);
  for (Node& node : result.nodes) {
    for (Operand& operand : node.operands) rename(operand.value);
    for (Result& made : node.results) {
      rename(made.value);
      rename(made.base);
    }
  }
  for (Output& output : result.outputs) rename(output.value);
  return result;
}

TEST(Fingerprint, NumberingOfValuesDoesNotCount) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    EXPECT_EQ(fingerprint(renumbered(sample(), seed)), fingerprint(sample()));
  }
}

TEST(Fingerprint, CallNumbersAndUnmadeValuesDoNotCount) {
  Graph graph = sample();
  for (Node& node : graph.nodes) node.call += 7;
  graph.add_value(DType::Int8, 3);
  EXPECT_EQ(fingerprint(graph), fingerprint(sample()));
}

// The same call, made anew, lies elsewhere in memory.
TEST(Fingerprint, OpaqueCallsCountByName) {
  Graph graph = sample();
  graph.nodes[11].primitive = Opaque{testing::named_call("aten::linalg_svd")};
  EXPECT_EQ(fingerprint(graph), fingerprint(sample()));
  graph.nodes[11].primitive = Opaque{testing::named_call("aten::linalg_qr")};
  EXPECT_NE(fingerprint(graph), fingerprint(sample()));
}

TEST(Fingerprint, TheConstantOfANumberThatIsAnInputDoesNotCount) {
  Graph graph = sample();
  graph.nodes[5].as<Attend>()->scale.constant = 3;
  EXPECT_EQ(fingerprint(graph), fingerprint(sample()));
}

// All that a graph says, changed one at a time: no two are alike.
TEST(Fingerprint, EveryPartCounts) {
  const auto load = [](Graph& g) -> ExprNode& { return g.nodes[0].as<Map>()->expression.nodes[0]; };
  const std::vector<std::function<void(Graph&)>> changes = {
      [](Graph&) {},
      [](Graph& g) { ++g.symbols; },
      [](Graph& g) { ++g.randoms; },
      [](Graph& g) { g.numbers[0] = DType::Bool; },
      [](Graph& g) { std::swap(g.inputs[0], g.inputs[1]); },
      [](Graph& g) { g.values[0].dtype = DType::Float64; },
      [](Graph& g) { g.values[1].count += 1; },
      [](Graph& g) { g.values[1].count += Extent::symbol(0); },
      [](Graph& g) { g.values[9].count += 1; },
      [](Graph& g) { std::swap(g.nodes[2], g.nodes[3]); },
      [](Graph& g) { g.outputs[0].input.reset(); },
      [](Graph& g) { g.outputs[0].input = 1; },
      [](Graph& g) { g.outputs[1].value = 7; },
      [](Graph& g) { g.outputs.pop_back(); },
      [](Graph& g) { g.nodes[0].dims[0] = 31; },
      [](Graph& g) { g.nodes[0].parallel = 1; },
      [](Graph& g) { g.nodes[0].operands[0].value = 1; },
      [](Graph& g) { g.nodes[0].operands[0].dtype = DType::Int32; },
      [](Graph& g) { g.nodes[0].operands[0].view.sizes[0] = 1; },
      [](Graph& g) { g.nodes[0].operands[0].view.strides[0] = 1; },
      [](Graph& g) { g.nodes[0].operands[0].view.offset = 1; },
      [](Graph& g) { g.nodes[0].results[0].dtype = DType::Int32; },
      [](Graph& g) { g.nodes[0].results[0].view.offset = 1; },
      [](Graph& g) { g.nodes[0].results[0].base = 0; },
      [](Graph& g) { g.nodes[12].results[0].base = kNoValue; },
      [&](Graph& g) { load(g).op = ScalarOp::Number; },
      [&](Graph& g) { load(g).dtype = DType::Float16; },
      [&](Graph& g) { load(g).index = 1; },
      [](Graph& g) { g.nodes[0].as<Map>()->expression.nodes[2].value = 3; },
      [](Graph& g) { g.nodes[0].as<Map>()->expression.nodes[3].args[1] = 1; },
      [](Graph& g) { g.nodes[0].as<Map>()->expression.roots[0] = 3; },
      [](Graph& g) { g.nodes[0].primitive = Contract{}; },
      [](Graph& g) { g.nodes[2].as<Reduce>()->op = ReduceOp::ArgMinimum; },
      [](Graph& g) { g.nodes[4].as<Convolve>()->kind = ConvolveKind::GradInput; },
      [](Graph& g) { g.nodes[4].as<Convolve>()->stride[0] = 2; },
      [](Graph& g) { g.nodes[4].as<Convolve>()->padding[0] = 2; },
      [](Graph& g) { g.nodes[4].as<Convolve>()->dilation[0] = 2; },
      [](Graph& g) { g.nodes[4].as<Convolve>()->output_padding[0] = 2; },
      [](Graph& g) { g.nodes[4].as<Convolve>()->groups = 2; },
      [](Graph& g) { g.nodes[4].as<Convolve>()->transposed = true; },
      [](Graph& g) { g.nodes[5].as<Attend>()->backward = true; },
      [](Graph& g) { g.nodes[5].as<Attend>()->masked = true; },
      [](Graph& g) { g.nodes[5].as<Attend>()->causal = false; },
      [](Graph& g) { g.nodes[5].as<Attend>()->scale.input = 1; },
      [](Graph& g) { g.nodes[5].as<Attend>()->scale = {.input = {}, .constant = 0}; },
      [](Graph& g) { g.nodes[5].as<Attend>()->scale = {.input = {}, .constant = -0.0}; },
      [](Graph& g) { g.nodes[6].as<Gather>()->indexed[0].stride = 2; },
      [](Graph& g) { g.nodes[6].as<Gather>()->indexed[0].bound = 2; },
      [](Graph& g) { g.nodes[6].as<Gather>()->indexed[0].wraps = false; },
      [](Graph& g) { g.nodes[7].as<Scatter>()->op = ScatterOp::Set; },
      [](Graph& g) { g.nodes[7].as<Scatter>()->indexed.clear(); },
      [](Graph& g) { g.nodes[8].as<Scan>()->op = ScanOp::Minimum; },
      [](Graph& g) { g.nodes[8].as<Scan>()->dim = 0; },
      [](Graph& g) { g.nodes[9].as<Sort>()->dim = 0; },
      [](Graph& g) { g.nodes[9].as<Sort>()->descending = false; },
      [](Graph& g) { g.nodes[9].as<Sort>()->stable = false; },
      [](Graph& g) { g.nodes[9].as<Sort>()->take = 4; },
      [](Graph& g) { g.nodes[9].as<Sort>()->take.reset(); },
      [](Graph& g) { g.nodes[10].as<Random>()->distribution = Distribution::Uniform; },
      [](Graph& g) { g.nodes[10].as<Random>()->state = 1; },
      [](Graph& g) { g.nodes[10].as<Random>()->parameters[1].constant = 1; },
      [](Graph& g) { g.nodes[10].as<Random>()->parameters.pop_back(); },
  };
  std::map<std::string, size_t> seen;
  for (size_t i = 0; i < changes.size(); ++i) {
    Graph graph = sample();
    changes[i](graph);
    const auto [found, added] = seen.emplace(to_string(fingerprint(graph)), i);
    EXPECT_TRUE(added) << "changes " << found->second << " and " << i << " are not told apart";
  }
}

TEST(Fingerprint, RandomGraphsAreToldApart) {
  std::set<std::string> texts;
  std::set<std::string> fingerprints;
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    Graph graph = testing::random_graph(seed);
    if (graph.nodes.size() < 3) continue;  // small ones may differ in what does not count only
    texts.insert(print(graph));
    fingerprints.insert(to_string(fingerprint(graph)));
  }
  EXPECT_EQ(texts.size(), fingerprints.size());
  EXPECT_GT(texts.size(), 1000U);
}

}  // namespace
}  // namespace trireme::graph
