// SPDX-License-Identifier: Apache-2.0
// Compiled kernels of single nodes against the interpreter.
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <iostream>
#include <random>
#include <thread>

#include "kernel_support.h"
#include "trireme/compile/cluster/lower.h"
#include "trireme/compile/llvm/link.h"
#include "trireme/compile/llvm/module.h"
#include "trireme/graph/ir/scalar_type.h"

namespace trireme::compile::testing {
namespace {

using graph::ExprNode;
using graph::Graph;
using graph::Inputs;
using graph::Node;
using graph::View;

constexpr DType kDTypes[] = {DType::Bool,    DType::UInt8,  DType::Int8,    DType::Int16,
                             DType::Int32,   DType::Int64,  DType::Float16, DType::BFloat16,
                             DType::Float32, DType::Float64};

void expect_near(const Both& both, DType dtype, double ulps, const std::string& what,
                 double scale = 0) {
  for (size_t r = 0; r < both.wanted.size(); ++r) {
    ASSERT_EQ(both.wanted[r].size(), both.given[r].size());
    int shown = 0;
    for (size_t i = 0; i < both.wanted[r].size() && shown < 3; ++i) {
      const double wanted = both.wanted[r][i];
      const double given = both.given[r][i];
      if (wanted == given || (std::isnan(wanted) && std::isnan(given))) continue;
      const double size = std::max(std::abs(wanted), scale);
      const double allowed = graph::is_floating(dtype) ? ulps * ulp(dtype, size) : 0;
      if (std::abs(wanted - given) <= allowed) continue;
      ++shown;
      ADD_FAILURE() << what << " result " << r << " element " << i << ": " << given
                    << " instead of " << wanted << "\n"
                    << both.kernel;
    }
  }
}

std::string named(ScalarOp op, DType dtype) {
  return std::string(graph::name_of(op)) + " of " + std::string(graph::name_of(dtype));
}

// Every operator at every dtype that it takes, over 77 points in 3 pieces.
TEST(MapKernel, EveryOperatorIsTheInterpreters) {
  constexpr int64_t kCount = 77;
  int tried = 0;
  for (size_t number = static_cast<size_t>(ScalarOp::Neg); number < graph::kScalarOpCount;
       ++number) {
    const auto op = static_cast<ScalarOp>(number);
    for (const DType dtype : kDTypes) {
      const size_t arity = graph::arity(op);
      std::vector<DType> types(arity, dtype);
      if (op == ScalarOp::Select) types[0] = DType::Bool;
      const auto type = graph::result_type(op, types);
      if (!type || graph::is_complex(*type)) continue;
      graph::Map map;
      Node node;
      node.dims = {kCount};
      node.parallel = 1;
      Inputs inputs;
      std::vector<graph::Value> operands;
      std::vector<std::vector<std::byte>> memory;
      ExprNode root{op, *type};
      for (size_t i = 0; i < arity; ++i) {
        ExprNode load{ScalarOp::Load, types[i]};
        load.index = static_cast<uint32_t>(i);
        root.args[i] = static_cast<graph::ExprId>(map.expression.nodes.size());
        map.expression.nodes.push_back(load);
        node.operands.push_back({0, types[i], View::row_major({kCount})});
        operands.push_back({types[i], kCount});
        memory.push_back(random_elements(types[i], kCount, 7 * number + i, true));
      }
      map.expression.nodes.push_back(root);
      map.expression.roots = {static_cast<graph::ExprId>(arity)};
      for (const auto& one : memory) inputs.buffers.emplace_back(one);
      node.results.push_back({0, *type, View::row_major({kCount})});
      node.primitive = map;
      const Graph graph = graph_of(std::move(node), operands, {{*type, kCount}});
      // the bounds of code/vector_functions.h
      const double ulps = *type == DType::Float32 ? 2 : *type == DType::Float64 ? 4 : 1;
      try {
        expect_near(run_both(graph, inputs, 3), *type, ulps, named(op, dtype));
      } catch (const std::exception& error) {
        ADD_FAILURE() << named(op, dtype) << ": " << error.what();
      }
      ++tried;
    }
  }
  EXPECT_GT(tried, 300);
}

TEST(MapKernel, CastsAreTheInterpreters) {
  constexpr int64_t kCount = 50;
  for (const DType from : kDTypes) {
    for (const DType to : kDTypes) {
      graph::Map map;
      ExprNode load{ScalarOp::Load, from};
      ExprNode cast{ScalarOp::Cast, to};
      map.expression = {{load, cast}, {1}};
      Node node{map, {kCount}, 1};
      node.operands.push_back({0, from, View::row_major({kCount})});
      node.results.push_back({0, to, View::row_major({kCount})});
      const Graph graph = graph_of(std::move(node), {{from, kCount}}, {{to, kCount}});
      const auto memory = random_elements(from, kCount, 3, true, 90);
      Inputs inputs;
      inputs.buffers.emplace_back(memory);
      expect_near(run_both(graph, inputs, 2), to, 0,
                  "cast from " + std::string(name_of(from)) + " to " + std::string(name_of(to)));
    }
  }
}

// a[i, j, k] + b[j] * index 1, transposed, with a symbolic size and a number.
TEST(MapKernel, StridesBroadcastsAndSymbols) {
  for (const int64_t size : {1, 5, 16, 33}) {
    graph::Map map;
    auto& nodes = map.expression.nodes;
    ExprNode second{ScalarOp::Load, DType::Float32};
    second.index = 1;
    ExprNode coordinate{ScalarOp::Index, DType::Int64};
    coordinate.index = 1;
    nodes = {ExprNode{ScalarOp::Load, DType::Float32},
             second,
             coordinate,
             ExprNode{ScalarOp::Cast, DType::Float32, {2}},
             ExprNode{ScalarOp::Mul, DType::Float32, {1, 3}},
             ExprNode{ScalarOp::Number, DType::Float32},
             ExprNode{ScalarOp::Mul, DType::Float32, {4, 5}},
             ExprNode{ScalarOp::Add, DType::Float32, {0, 6}}};
    map.expression.roots = {7};
    const Extent n = Extent::symbol(0);
    Node node{map, {3, n, 7}, 3};
    node.operands.push_back({0, DType::Float32, {{3, n, 7}, {n * 7, 1, n}, 0}});
    node.operands.push_back({0, DType::Float32, {{3, n, 7}, {0, 1, 0}, 0}});
    node.results.push_back({0, DType::Float32, View::row_major({3, n, 7})});
    Graph graph = graph_of(std::move(node), {{DType::Float32, n * 21}, {DType::Float32, n}},
                           {{DType::Float32, n * 21}});
    graph.symbols = 1;
    graph.numbers = {DType::Float64};
    const auto a = random_elements(DType::Float32, size * 21, 1, false);
    const auto b = random_elements(DType::Float32, size, 2, false);
    Inputs inputs;
    inputs.buffers = {a, b};
    inputs.symbols = {size};
    inputs.numbers.resize(1);
    inputs.numbers[0].dtype = DType::Float64;
    inputs.numbers[0].real = 0.75;
    expect_near(run_both(graph, inputs, 2), DType::Float32, 0, "strided map");
  }
}

// Over the last dimension, the first one, and all; of lengths about the vectors'.
TEST(ReduceKernel, EveryReductionIsTheInterpreters) {
  using Op = ReduceOp;
  for (const Op op : {Op::Sum, Op::Product, Op::Maximum, Op::Minimum, Op::Any, Op::All,
                      Op::ArgMaximum, Op::ArgMinimum, Op::Welford, Op::LogSumExp}) {
    for (const DType dtype :
         {DType::Bool, DType::Int32, DType::BFloat16, DType::Float32, DType::Float64}) {
      const bool truth = op == Op::Any || op == Op::All;
      if (truth != (dtype == DType::Bool)) continue;
      const bool real = op == Op::Welford || op == Op::LogSumExp;
      if (real && !graph::is_floating(dtype)) continue;
      for (const int64_t length : {1, 3, 16, 64, 219}) {
        for (const int layout : {0, 1, 2}) {  // rows, columns, rows of rows
          const int64_t rows = 19;
          graph::Reduce reduce{op, graph::Expression::load(dtype)};
          Node node{reduce, {rows, length}, 1};
          View view{{rows, length}, {length, 1}, 0};
          if (layout == 1) view.strides = {1, rows};
          if (layout == 2) {
            node.dims = {1, rows, length};
            view = {{1, rows, length}, {0, length, 1}, 0};
          }
          const int64_t results = layout == 2 ? 1 : rows;
          node.operands.push_back({0, dtype, view});
          const bool arg = op == Op::ArgMaximum || op == Op::ArgMinimum;
          const DType type = arg ? DType::Int64 : dtype;
          std::vector<graph::Value> values(op == Op::Welford ? 2 : 1, {type, results});
          for (size_t i = 0; i < values.size(); ++i) {
            node.results.push_back({0, type, View::row_major({results})});
          }
          const Graph graph = graph_of(std::move(node), {{dtype, rows * length}}, values);
          const bool special = !real && op != Op::Sum && op != Op::Product && length == 3;
          const auto memory =
              random_elements(dtype, rows * length, static_cast<uint64_t>(length), special, 1.5);
          Inputs inputs;
          inputs.buffers.emplace_back(memory);
          const std::string what = "reduce " + std::to_string(static_cast<int>(op)) + " of " +
                                   std::string(name_of(dtype)) + " " + std::to_string(length) +
                                   " layout " + std::to_string(layout);
          // Floats are taken in in another order than the interpreter's, f32 and smaller ones in
          // f32: what was summed sets the scale of the difference.
          const bool wide = dtype == DType::Float64 || dtype == DType::Float32;
          const double magnitude = static_cast<double>(layout == 2 ? rows * length : length);
          const double scale = !wide || op == Op::Product ? 0 : op == Op::Sum ? magnitude : 1.5;
          const double ulps = wide ? (op == Op::Product || op == Op::Welford ? 64 : 16) : 1;
          expect_near(run_both(graph, inputs, 4), type, ulps, what, scale);
        }
      }
    }
  }
}

// Of a million values that are far from zero, in rows, columns and both: the error stays that of a
// few hundred additions.
TEST(ReduceKernel, LongReductionsLoseNoDigits) {
  for (const auto& [rows, length] : std::vector<std::pair<int64_t, int64_t>>{
           {1, 1'000'003}, {3, 300'000}, {1000, 1000}, {20'000, 48}}) {
    for (const bool columns : {false, true}) {
      for (const auto op : {ReduceOp::Sum, ReduceOp::Welford, ReduceOp::LogSumExp}) {
        std::vector<float> values;
        std::vector<double> sums(static_cast<size_t>(columns ? length : rows));
        auto counts = sums;
        auto squares = sums;
        auto exponentials = sums;
        std::mt19937_64 random(5);
        std::normal_distribution<float> normal(100, 1);
        for (int64_t i = 0; i < rows * length; ++i) {
          values.push_back(i % length == 0 ? 130.0F : normal(random));
        }
        const auto group = [columns, width = length](int64_t i) {
          return static_cast<size_t>(columns ? i % width : i / width);
        };
        for (int64_t i = 0; i < rows * length; ++i) {
          sums[group(i)] += values[static_cast<size_t>(i)];
          counts[group(i)] += 1;
          exponentials[group(i)] += std::exp(values[static_cast<size_t>(i)] - 130.0);
        }
        for (int64_t i = 0; i < rows * length; ++i) {
          const double mean = sums[group(i)] / counts[group(i)];
          squares[group(i)] += std::pow(values[static_cast<size_t>(i)] - mean, 2);
        }
        graph::Reduce reduce{op, graph::Expression::load(DType::Float32)};
        const int64_t results = columns ? length : rows;
        const int64_t reduced = columns ? rows : length;
        Node node{reduce, {results, reduced}, 1};
        View view{{results, reduced}, {length, 1}, 0};
        if (columns) view.strides = {1, length};
        node.operands.push_back({0, DType::Float32, view});
        std::vector<graph::Value> outputs(op == ReduceOp::Welford ? 2 : 1,
                                          {DType::Float32, results});
        for (size_t i = 0; i < outputs.size(); ++i) {
          node.results.push_back({0, DType::Float32, View::row_major({results})});
        }
        const Graph graph = graph_of(std::move(node), {{DType::Float32, rows * length}}, outputs);
        Inputs inputs;
        inputs.buffers.emplace_back(std::as_bytes(std::span(values)));
        const auto given = run_kernel(graph, inputs, 3);
        double worst = 0;
        for (size_t i = 0; i < sums.size(); ++i) {
          const auto against = [&](size_t result, double wanted, double scale) {
            worst = std::max(worst, std::abs(given[result][i] - wanted) / scale);
          };
          if (op == ReduceOp::Sum) against(0, sums[i], sums[i]);
          if (op == ReduceOp::LogSumExp) against(0, 130 + std::log(exponentials[i]), 130);
          if (op == ReduceOp::Welford) {
            against(0, sums[i] / counts[i], 100);
            if (counts[i] > 1) against(1, squares[i], squares[i]);
          }
        }
        const double allowed = op == ReduceOp::Welford ? 1e-5 : 1e-6;
        EXPECT_LE(worst, allowed) << static_cast<int>(op) << " of " << rows << " x " << length
                                  << (columns ? " by columns" : " by rows");
        std::cout << "reduce " << static_cast<int>(op) << " of " << rows << " x " << length
                  << (columns ? " columns: " : " rows: ") << worst << "\n";
      }
    }
  }
}

Kernel sample(const std::string& name) {
  Node node{graph::Map{graph::Expression::load(DType::Float32)}, {100}, 1};
  auto& expression = node.as<graph::Map>()->expression;
  expression.roots = {expression.add(ExprNode{ScalarOp::Tanh, DType::Float32, {0}})};
  node.operands.push_back({0, DType::Float32, View::row_major({100})});
  node.results.push_back({0, DType::Float32, View::row_major({100})});
  const Graph graph = graph_of(std::move(node), {{DType::Float32, 100}}, {{DType::Float32, 100}});
  Kernel kernel = lower_cluster(graph, {{0}, space_of(graph.nodes[0])},
                                std::vector<bool>(graph.values.size(), true))
                      .kernel;
  kernel.name = name;
  return kernel;
}

// Dense samples over the range of the exponent, both signs.
TEST(MathFunctions, AreWithinTwoUlps) {
  for (const ScalarOp op :
       {ScalarOp::Exp, ScalarOp::Exp2, ScalarOp::Expm1, ScalarOp::Log, ScalarOp::Log2,
        ScalarOp::Log10, ScalarOp::Log1p, ScalarOp::Tanh, ScalarOp::Sigmoid, ScalarOp::Erf,
        ScalarOp::Sin, ScalarOp::Cos, ScalarOp::Rsqrt}) {
    std::vector<float> samples;
    for (int exponent = -149; exponent < 128; ++exponent) {
      for (int i = 0; i < 64; ++i) {
        const float value = std::ldexp(1.0F + static_cast<float>(i) / 64, exponent);
        samples.push_back(value);
        samples.push_back(-value);
      }
    }
    for (int i = -4000; i < 4000; ++i) samples.push_back(static_cast<float>(i) * 0.026F);
    const auto count = static_cast<int64_t>(samples.size());
    Node node{graph::Map{graph::Expression::load(DType::Float32)}, {count}, 1};
    auto& expression = node.as<graph::Map>()->expression;
    expression.roots = {expression.add(ExprNode{op, DType::Float32, {0}})};
    node.operands.push_back({0, DType::Float32, View::row_major({count})});
    node.results.push_back({0, DType::Float32, View::row_major({count})});
    const Graph graph =
        graph_of(std::move(node), {{DType::Float32, count}}, {{DType::Float32, count}});
    Inputs inputs;
    inputs.buffers.emplace_back(std::as_bytes(std::span(samples)));
    const Both both = run_both(graph, inputs, 1);
    double worst = 0;
    for (size_t i = 0; i < samples.size(); ++i) {
      const double wanted = both.wanted[0][i];
      const double given = both.given[0][i];
      if (wanted == given || (std::isnan(wanted) && std::isnan(given))) continue;
      ASSERT_EQ(std::isnan(wanted), std::isnan(given)) << graph::name_of(op) << " " << samples[i];
      worst = std::max(worst, std::abs(wanted - given) / ulp(DType::Float32, wanted));
    }
    std::cout << graph::name_of(op) << ": " << worst << " ulp from the rounded double result\n";
    EXPECT_LE(worst, 2) << graph::name_of(op);
  }
}

TEST(Module, ObjectsAreTheSameTwiceAndRefusedElsewhere) {
  const std::vector<Kernel> kernels{sample("one"), sample("two")};
  std::vector<std::byte> object = compile_object(kernels);
  EXPECT_EQ(object, compile_object(kernels));
  const Module module = load_object(object);
  EXPECT_NE(module.function("one"), module.function("two"));
  EXPECT_THROW(module.function("three"), CompileError);
  object[30] ^= std::byte{1};  // in the name of the CPU
  EXPECT_THROW(load_object(object), CompileError);
  EXPECT_THROW(load_object(std::span(object).first(10)), CompileError);
}

TEST(Module, CompilesInSeveralThreads) {
  std::vector<std::byte> objects[4];
  {
    std::vector<std::jthread> threads;
    for (auto& object : objects) {
      threads.emplace_back([&object] { object = compile_object(std::vector{sample("one")}); });
    }
  }
  for (const auto& object : objects) EXPECT_EQ(object, objects[0]);
}

TEST(Module, LogsCompileTime) {
  std::vector<Kernel> kernels;
  for (int i = 0; i < 20; ++i) kernels.push_back(sample("k" + std::to_string(i)));
  const auto start = std::chrono::steady_clock::now();
  const auto object = compile_object(kernels);
  const std::chrono::duration<double, std::milli> spent = std::chrono::steady_clock::now() - start;
  std::cout << "compile: " << spent.count() / 20 << " ms per kernel, " << object.size() / 20
            << " bytes\n";
  EXPECT_GT(object.size(), 0U);
}

TEST(KernelVerifier, FindsWhatIsWrong) {
  Kernel kernel = sample("k");
  EXPECT_EQ(verify(kernel), std::nullopt);
  Kernel wrong = kernel;
  std::get<Load>(wrong.body[0].body[0].is).from.number = 9;
  EXPECT_NE(verify(wrong), std::nullopt);
  wrong = kernel;
  wrong.body[0].body.erase(wrong.body[0].body.begin());
  EXPECT_NE(verify(wrong), std::nullopt);
  EXPECT_THROW(compile_object(std::vector{wrong}), CompileError);
}

}  // namespace
}  // namespace trireme::compile::testing
