// SPDX-License-Identifier: Apache-2.0
// Kernels of Random and Scan nodes against the interpreter.
#include <gtest/gtest.h>

#include <cmath>

#include "kernel_support.h"
#include "trireme/graph/ir/graph.h"

namespace trireme::compile::testing {
namespace {

using graph::Distribution;
using graph::DType;
using graph::Extent;
using graph::Graph;
using graph::Inputs;
using graph::Node;
using graph::ScanOp;
using graph::View;

struct RandomCase {
  Distribution distribution;
  DType dtype;
  std::vector<double> parameters;
  double ulps;  // of the larger of the value and the first parameters' size
};

TEST(RandomKernel, DrawsWhatTheInterpreterDraws) {
  using D = Distribution;
  const std::vector<RandomCase> cases = {
      {D::Uniform, DType::Float32, {0, 1}, 0},
      {D::Uniform, DType::Float32, {-0.3, 0.7}, 1},  // f32 rounds the product and the sum
      {D::Uniform, DType::Float64, {-0.3, 0.7}, 0},
      {D::Uniform, DType::BFloat16, {0, 1}, 0},
      {D::Uniform, DType::Float16, {0, 1}, 0},
      {D::Bernoulli, DType::Float32, {0.9}, 0},
      {D::Bernoulli, DType::Bool, {0.1}, 0},
      {D::Bernoulli, DType::BFloat16, {1}, 0},
      {D::Integer, DType::Int64, {-5, 1000}, 0},
      {D::Integer, DType::Int64, {-9e18, 9e18}, 0},
      {D::Integer, DType::Float32, {0, 10}, 0},
      {D::Exponential, DType::Float32, {1.5}, 1},
      {D::Exponential, DType::Float64, {1.5}, 0},
      {D::Normal, DType::Float32, {0.5, 2}, 1},
      {D::Normal, DType::Float64, {0.5, 2}, 0},
  };
  for (const RandomCase& one : cases) {
    for (const bool transposed : {false, true}) {
      const int64_t rows = 37;
      const int64_t columns = 21;
      graph::Random random{one.distribution, 1, {}};
      Inputs inputs;
      // the first parameter as a number of the graph, the second a constant
      random.parameters.push_back({0, 0});
      if (one.parameters.size() > 1) random.parameters.push_back({{}, one.parameters[1]});
      Node node{random, {rows, columns}, 2};
      View view = View::row_major({rows, columns});
      if (transposed) view.strides = {1, rows};
      node.results.push_back({0, one.dtype, view});
      Graph graph = graph_of(std::move(node), {}, {{one.dtype, rows * columns}});
      graph.randoms = 2;
      graph.numbers = {DType::Float64};
      inputs.numbers.resize(1);
      inputs.numbers[0].dtype = DType::Float64;
      inputs.numbers[0].real = one.parameters[0];
      inputs.randoms = {{1, 2}, {0xfedcba9876543210, 0x8000000000000004}};
      const Both both = run_both(graph, inputs, 3);
      for (size_t i = 0; i < both.wanted[0].size(); ++i) {
        const double wanted = both.wanted[0][i];
        const double size = std::max(std::abs(wanted), std::abs(one.parameters[0]));
        ASSERT_NEAR(both.given[0][i], wanted, one.ulps * ulp(one.dtype, size))
            << "element " << i << "\n"
            << both.kernel;
      }
    }
  }
}

TEST(ScanKernel, IsTheInterpreters) {
  for (const ScanOp op :
       {ScanOp::Sum, ScanOp::Product, ScanOp::Maximum, ScanOp::Minimum, ScanOp::LogSumExp}) {
    for (const DType dtype : {DType::Int64, DType::Int32, DType::Float32, DType::Float64}) {
      if (op == ScanOp::LogSumExp && dtype != DType::Float32 && dtype != DType::Float64) continue;
      for (const uint32_t dim : {0U, 1U, 2U}) {
        for (const int64_t length : {1, 5, 70}) {
          std::vector<int64_t> sizes{3, 18, 2};
          sizes[dim] = length;
          const int64_t count = sizes[0] * sizes[1] * sizes[2];
          const std::vector<Extent> dims(sizes.begin(), sizes.end());
          const View view = View::row_major({dims[0], dims[1], dims[2]});
          Node node{graph::Scan{op, dim}, {dims[0], dims[1], dims[2]}, 3};
          node.operands.push_back({0, dtype, view});
          std::vector<graph::Value> results{{dtype, count}};
          if (op == ScanOp::Maximum || op == ScanOp::Minimum) {
            results.push_back({DType::Int64, count});
          }
          for (const auto& result : results) node.results.push_back({0, result.dtype, view});
          const Graph graph = graph_of(std::move(node), {{dtype, count}}, results);
          const bool extreme = results.size() > 1;
          const auto memory = random_elements(dtype, count, 11, extreme, 1.2);
          Inputs inputs;
          inputs.buffers.emplace_back(memory);
          const Both both = run_both(graph, inputs, 2);
          for (size_t k = 0; k < results.size(); ++k) {
            const bool exact = !graph::is_floating(results[k].dtype) || extreme;
            for (size_t i = 0; i < both.wanted[k].size(); ++i) {
              const double wanted = both.wanted[k][i];
              const double given = both.given[k][i];
              if (wanted == given || (std::isnan(wanted) && std::isnan(given))) continue;
              const double scale = op == ScanOp::Product
                                       ? std::abs(wanted)
                                       : std::max<double>(static_cast<double>(length), wanted);
              ASSERT_LE(std::abs(wanted - given), exact ? 0 : 64 * ulp(dtype, scale))
                  << "scan " << static_cast<int>(op) << " dim " << dim << " length " << length
                  << " result " << k << " element " << i << ": " << given << " instead of "
                  << wanted << "\n"
                  << both.kernel;
            }
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace trireme::compile::testing
