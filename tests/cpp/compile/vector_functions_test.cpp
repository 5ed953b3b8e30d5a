// SPDX-License-Identifier: Apache-2.0
// Vector functions of libraries in compiled kernels.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iostream>
#include <limits>
#include <string_view>

#include "kernel_support.h"
#include "trireme/compile/code/vector_functions.h"

namespace trireme::compile::testing {
namespace {

using graph::DType;
using graph::ExprNode;
using graph::Graph;
using graph::Inputs;
using graph::Node;
using graph::ScalarOp;
using graph::View;

// The C library's functions for each lane, and no others.
std::vector<External> by_lane() {
  std::vector<External> all = externals();
  std::erase_if(all, [](const External& one) {
    return std::ranges::find(vector_functions(), one.name, &VectorFunction::symbol) !=
           vector_functions().end();
  });
  return all;
}

// By name; 0: this system has none, as SLEEF has of all that it is asked for.
uint64_t address_of(const std::string& symbol) {
  const bool sleef = symbol.starts_with("Sleef_");
  void* library = ::dlopen(sleef ? TRIREME_LIBTORCH_CPU : "libmvec.so.1", RTLD_LAZY | RTLD_LOCAL);
  EXPECT_TRUE(library != nullptr || !sleef) << ::dlerror();
  void* address = library == nullptr ? nullptr : ::dlsym(library, symbol.c_str());
  EXPECT_TRUE(address != nullptr || !sleef) << symbol;
  return reinterpret_cast<uintptr_t>(address);
}

std::vector<double> samples(ScalarOp op, bool single) {
  std::vector<double> all;
  const bool inside_one = op == ScalarOp::Acos || op == ScalarOp::Asin || op == ScalarOp::Atanh;
  for (int exponent = single ? -100 : -900; exponent < (inside_one ? 0
                                                        : single   ? 90
                                                                   : 900);
       exponent += single ? 1 : 10) {
    for (int i = 0; i < 16; ++i) {
      const double value = std::ldexp(1.0 + static_cast<double>(i) / 16, exponent);
      all.push_back(value);
      // about the zeros of lgamma no relative error is bounded
      if (op != ScalarOp::Lgamma) all.push_back(-value);
    }
  }
  for (int i = 1; i < 20000; ++i) {
    const double value = i * (inside_one ? 0.00005 : op == ScalarOp::Lgamma ? 0.00312 : 0.00131);
    if (op == ScalarOp::Lgamma && value < 3) continue;
    all.push_back(value);
    if (op != ScalarOp::Lgamma) all.push_back(-value);
  }
  for (const double special : {0.0, 1.0, std::numeric_limits<double>::infinity(), std::nan("")})
    all.push_back(special);
  return all;
}

Graph function_of(ScalarOp op, DType dtype, int64_t count, bool binary) {
  graph::Map map;
  ExprNode root{op, dtype};
  Node node;
  std::vector<graph::Value> operands;
  for (uint32_t i = 0; i < (binary ? 2 : 1); ++i) {
    ExprNode load{ScalarOp::Load, dtype};
    load.index = i;
    root.args[i] = static_cast<graph::ExprId>(map.expression.nodes.size());
    map.expression.nodes.push_back(load);
    node.operands.push_back({0, dtype, View::row_major({count})});
    operands.push_back({dtype, count});
  }
  map.expression.nodes.push_back(root);
  map.expression.roots = {static_cast<graph::ExprId>(binary ? 2 : 1)};
  node.dims = {count};
  node.parallel = 1;
  node.results.push_back({0, dtype, View::row_major({count})});
  node.primitive = map;
  return graph_of(std::move(node), operands, {{dtype, count}});
}

std::vector<std::byte> as_dtype(const std::vector<double>& values, bool single) {
  std::vector<std::byte> bytes(values.size() * (single ? 4 : 8));
  for (size_t i = 0; i < values.size(); ++i) {
    const auto narrow = static_cast<float>(values[i]);
    if (single) {
      std::memcpy(bytes.data() + 4 * i, &narrow, 4);
    } else {
      std::memcpy(bytes.data() + 8 * i, &values[i], 8);
    }
  }
  return bytes;
}

class VectorFunctions : public ::testing::Test {
 protected:
  void SetUp() override {
    if (vector_functions().empty()) GTEST_SKIP() << "there are no functions for this CPU's vectors";
  }
};

TEST_F(VectorFunctions, AreTheCLibrarysAndDoNotDependOnTheLane) {
  for (const VectorFunction& function : vector_functions()) {
    auto callable = by_lane();
    callable.push_back({function.symbol, address_of(function.symbol)});
    if (callable.back().address == 0) continue;
    const auto first = samples(function.op, function.single);
    std::vector<double> second(first.size());
    for (size_t i = 0; i < first.size(); ++i) second[i] = first[(i * 7 + 3) % first.size()];
    if (function.op == ScalarOp::Fmod) {  // of quotients below 2^20
      for (size_t i = 0; i < first.size(); ++i)
        second[i] = first[i] / (static_cast<double>(i % 1000) + 0.37);
    }
    const DType dtype = function.single ? DType::Float32 : DType::Float64;
    const auto count = static_cast<int64_t>(first.size());
    const Graph graph = function_of(function.op, dtype, count, function.binary);
    const std::vector<std::vector<std::byte>> memory{as_dtype(first, function.single),
                                                     as_dtype(second, function.single)};
    Inputs inputs;
    inputs.buffers.emplace_back(memory[0]);
    if (function.binary) inputs.buffers.emplace_back(memory[1]);
    const auto given = run_kernel(graph, inputs, 1, callable)[0];
    const auto wanted = run_kernel(graph, inputs, 1, by_lane())[0];
    double worst = 0;
    for (size_t i = 0; i < first.size(); ++i) {
      if (wanted[i] == given[i] || (std::isnan(wanted[i]) && std::isnan(given[i]))) continue;
      const double error = std::abs(wanted[i] - given[i]) / ulp(dtype, wanted[i]);
      ASSERT_LE(error, function.single ? 2 : 4)
          << function.symbol << " of " << first[i] << ", " << second[i] << ": " << given[i]
          << " for " << wanted[i];
      worst = std::max(worst, error);
    }
    std::cout << function.symbol << ": " << worst << " ulp from the C library's\n";
    // pieces move elements into other lanes, and the ends of vectors
    const auto pieces = run_kernel(graph, inputs, 7, callable)[0];
    EXPECT_EQ(std::memcmp(pieces.data(), given.data(), given.size() * sizeof(double)), 0)
        << function.symbol;
  }
}

TEST_F(VectorFunctions, AreCalledOnlyWhereTheyAre) {
  const VectorFunction& function = vector_functions().front();
  auto callable = by_lane();
  callable.push_back({function.symbol, 1});
  const Graph graph = function_of(function.op, DType::Float64, 8, false);
  const auto calls = [&](std::span<const External> externals) {
    const auto object = compile_alone(graph, externals);
    const std::string_view text(reinterpret_cast<const char*>(object.data()), object.size());
    return text.find(function.symbol) != std::string_view::npos;
  };
  EXPECT_TRUE(calls(callable));
  EXPECT_FALSE(calls(by_lane()));
}

}  // namespace
}  // namespace trireme::compile::testing
