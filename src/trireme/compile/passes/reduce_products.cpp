// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/passes/reduce_products.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "trireme/compile/library/contract.h"

namespace trireme::compile {
namespace {

using graph::DType;
using graph::Expression;
using graph::ExprId;
using graph::Extent;
using graph::Graph;
using graph::Node;
using graph::ScalarOp;

// Multiplications. A library's call takes about a microsecond.
constexpr int64_t kSmall = 2048;

bool should_reduce(const Node& node) {
  if (node.as<graph::Contract>() == nullptr) return false;
  if (!std::ranges::all_of(node.dims, &Extent::is_constant)) return false;
  if (node.parallel == node.dims.size()) return true;  // an outer product: nothing is summed
  const auto points = graph::product(node.dims).constant();
  if (!points || *points == 0) return false;
  if (*points <= kSmall) return true;
  const auto constant = [](const graph::View& view) {
    return view.offset.is_constant() && std::ranges::all_of(view.strides, &Extent::is_constant);
  };
  if (!constant(node.operands[0].view) || !constant(node.operands[1].view) ||
      !constant(node.results[0].view)) {
    return false;
  }
  const ContractResult plan = contract_to_gemm(shape_of(node, {}));
  if (!plan.gemm) return true;
  // A product with a vector only reads the matrix: a kernel does that at the memory's rate, with
  // what comes before and after in it.
  const GemmProblem& problem = plan.gemm->problem;
  return problem.batch_count() == 1 && (problem.m == 1 || problem.n == 1);
}

// The product of both operands in the type that sums have.
Expression product_of(const Node& node, DType dtype) {
  Expression expression;
  ExprId factors[2];
  for (uint32_t i = 0; i < 2; ++i) {
    const DType from = node.operands[i].dtype;
    factors[i] = expression.add({.op = ScalarOp::Load, .dtype = from, .index = i});
    if (from != dtype) {
      factors[i] = expression.add({.op = ScalarOp::Cast, .dtype = dtype, .args = {factors[i]}});
    }
  }
  expression.roots = {
      expression.add({.op = ScalarOp::Mul, .dtype = dtype, .args = {factors[0], factors[1]}})};
  return expression;
}

}  // namespace

bool reduce_products(Graph& graph) {
  std::vector<Node> nodes;
  bool changed = false;
  for (Node& node : graph.nodes) {
    if (!should_reduce(node)) {
      nodes.push_back(std::move(node));
      continue;
    }
    changed = true;
    const DType dtype = graph::compute_type(node.results[0].dtype);
    const bool sums = node.parallel != node.dims.size();
    Expression product = product_of(node, dtype);
    if (dtype == node.results[0].dtype) {
      if (sums) {
        node.primitive = graph::Reduce{graph::ReduceOp::Sum, std::move(product)};
      } else {
        node.primitive = graph::Map{std::move(product)};
      }
      nodes.push_back(std::move(node));
      continue;
    }
    if (!sums) {
      product.roots = {product.add(
          {.op = ScalarOp::Cast, .dtype = node.results[0].dtype, .args = {product.roots[0]}})};
      node.primitive = graph::Map{std::move(product)};
      nodes.push_back(std::move(node));
      continue;
    }
    // The sum in the wider type, then its rounding.
    const graph::Extents sizes(node.dims.begin(), node.dims.begin() + node.parallel);
    const graph::View dense = graph::View::row_major(sizes);
    const graph::ValueId sum = graph.add_value(dtype, graph::product(sizes));
    Expression cast = Expression::load(dtype);
    cast.roots = {
        cast.add({.op = ScalarOp::Cast, .dtype = node.results[0].dtype, .args = {cast.roots[0]}})};
    Node rounding{.primitive = graph::Map{std::move(cast)},
                  .dims = sizes,
                  .parallel = static_cast<uint32_t>(sizes.size()),
                  .operands = {{sum, dtype, dense}},
                  .results = std::move(node.results),
                  .call = node.call};
    node.primitive = graph::Reduce{graph::ReduceOp::Sum, std::move(product)};
    node.results = {{sum, dtype, dense}};
    nodes.push_back(std::move(node));
    nodes.push_back(std::move(rounding));
  }
  graph.nodes = std::move(nodes);
  return changed;
}

}  // namespace trireme::compile
