// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <variant>

#include "trireme/graph/check/node_check.h"
#include "trireme/graph/check/primitive_rules.h"

namespace trireme::graph {
namespace {

std::string text(size_t number) { return std::to_string(number); }

// --- shared rules ---

bool expect_operands(NodeCheck& check, size_t count) {
  const size_t found = check.node().operands.size();
  return check.expect(found == count, text(found) + " operands, expected " + text(count));
}

bool expect_results(NodeCheck& check, size_t count) {
  const size_t found = check.node().results.size();
  return check.expect(found == count, text(found) + " results, expected " + text(count));
}

bool expect_counts(NodeCheck& check, size_t operands, size_t results) {
  const bool enough = expect_operands(check, operands);
  return expect_results(check, results) && enough;
}

void expect_operand_sizes(NodeCheck& check, const Extents& sizes) {
  for (size_t k = 0; k < check.node().operands.size(); ++k) {
    check.expect_operand(k, check.node().operands[k].view.sizes == sizes,
                         "its view's sizes are not those of the iteration space");
  }
}

void expect_result_sizes(NodeCheck& check) {
  for (size_t k = 0; k < check.node().results.size(); ++k) {
    check.expect_result(k, check.node().results[k].view.sizes == check.parallel(),
                        "its view's sizes are not the parallel dimensions");
  }
}

void expect_all_parallel(NodeCheck& check) {
  check.expect(check.node().parallel == check.node().dims.size(), "it has reduction dimensions");
}

void expect_result_type(NodeCheck& check, size_t k, DType dtype) {
  const DType found = check.node().results[k].dtype;
  check.expect_result(
      k, found == dtype,
      "is " + std::string(name_of(found)) + ", expected " + std::string(name_of(dtype)));
}

void expect_operand_type(NodeCheck& check, size_t k, DType dtype) {
  const DType found = check.node().operands[k].dtype;
  check.expect_operand(
      k, found == dtype,
      "is " + std::string(name_of(found)) + ", expected " + std::string(name_of(dtype)));
}

void expect_root_type(NodeCheck& check, size_t result, const Expression& e, size_t root) {
  if (e.roots[root] < e.nodes.size())
    expect_result_type(check, result, e.nodes[e.roots[root]].dtype);
}

// Operands from 1 on index the dimensions.
void expect_indices(NodeCheck& check) {
  for (size_t k = 1; k < check.node().operands.size(); ++k) {
    const DType dtype = check.node().operands[k].dtype;
    check.expect_operand(k, dtype == DType::Int64 || dtype == DType::Int32,
                         "an index that is neither i64 nor i32");
  }
}

void expect_number(NodeCheck& check, const NumberRef& number) {
  check.expect(!number.input || *number.input < check.graph().numbers.size(),
               "an attribute names a number that the graph lacks");
}

// --- one per primitive ---

void rules(NodeCheck& check, const Map& map) {
  expect_all_parallel(check);
  expect_operand_sizes(check, check.node().dims);
  expect_result_sizes(check);
  check_expression(check, map.expression);
  const auto& roots = map.expression.roots;
  if (!expect_results(check, roots.size())) return;
  for (size_t k = 0; k < roots.size(); ++k) expect_root_type(check, k, map.expression, k);
}

void reduce_type(NodeCheck& check, const Reduce& reduce) {
  const bool logical = reduce.op == ReduceOp::Any || reduce.op == ReduceOp::All;
  const bool real = reduce.op == ReduceOp::Welford || reduce.op == ReduceOp::LogSumExp;
  for (const ExprId root : reduce.expression.roots) {
    if (root >= reduce.expression.nodes.size()) continue;
    const DType dtype = reduce.expression.nodes[root].dtype;
    check.expect(!logical || dtype == DType::Bool, "any and all are of bool");
    check.expect(!real || is_floating(dtype), "it is of real numbers");
  }
}

void rules(NodeCheck& check, const Reduce& reduce) {
  expect_operand_sizes(check, check.node().dims);
  expect_result_sizes(check);
  check_expression(check, reduce.expression);
  reduce_type(check, reduce);
  const auto& roots = reduce.expression.roots;
  const bool welford = reduce.op == ReduceOp::Welford;
  if (welford && !check.expect(roots.size() == 1, "welford is of one expression")) return;
  if (!expect_results(check, welford ? 2 : roots.size())) return;
  const bool positions = reduce.op == ReduceOp::ArgMaximum || reduce.op == ReduceOp::ArgMinimum;
  for (size_t k = 0; k < check.node().results.size(); ++k) {
    if (positions) {
      expect_result_type(check, k, DType::Int64);
    } else {
      expect_root_type(check, k, reduce.expression, welford ? 0 : k);
    }
  }
}

void rules(NodeCheck& check, const Contract& /*contract*/) {
  expect_operand_sizes(check, check.node().dims);
  expect_result_sizes(check);
  if (!expect_counts(check, 2, 1)) return;
  const DType dtype = check.node().operands[0].dtype;
  expect_operand_type(check, 1, dtype);
  if (check.node().results[0].dtype != compute_type(dtype)) expect_result_type(check, 0, dtype);
}

void rules(NodeCheck& check, const Convolve& convolve) {
  expect_result_sizes(check);
  if (!expect_counts(check, 2, 1)) return;
  const DType dtype = check.node().operands[0].dtype;
  expect_operand_type(check, 1, dtype);
  if (check.node().results[0].dtype != compute_type(dtype)) expect_result_type(check, 0, dtype);
  check_convolve_sizes(check, convolve);
}

void rules(NodeCheck& check, const Attend& attend) {
  expect_number(check, attend.scale);
  const size_t given = (attend.backward ? 6 : 3) + (attend.masked ? 1 : 0);
  if (!expect_counts(check, given, attend.backward ? 3 : 2)) return;
  check_attend_sizes(check, attend);
  const auto& operands = check.node().operands;
  const DType dtype = operands[0].dtype;
  check.expect_operand(0, is_floating(dtype), "attention is of real numbers");
  for (size_t k = 1; k < (attend.backward ? 5 : 3); ++k) expect_operand_type(check, k, dtype);
  const DType logarithm = attend.backward ? operands[5].dtype : check.node().results[1].dtype;
  check.expect(logarithm == compute_type(dtype),
               "the logarithm of attention is not of the compute type");
  if (attend.masked) {
    const DType mask = operands.back().dtype;
    check.expect_operand(given - 1, mask == DType::Bool || is_floating(mask),
                         "a mask that is neither bool nor floating");
  }
  expect_result_type(check, 0, dtype);
  for (size_t k = 1; attend.backward && k < 3; ++k) expect_result_type(check, k, dtype);
}

void rules(NodeCheck& check, const Gather& gather) {
  expect_all_parallel(check);
  expect_operand_sizes(check, check.node().dims);
  expect_result_sizes(check);
  expect_indices(check);
  if (!expect_counts(check, gather.indexed.size() + 1, 1)) return;
  expect_result_type(check, 0, check.node().operands[0].dtype);
}

void rules(NodeCheck& check, const Scatter& scatter) {
  expect_all_parallel(check);
  expect_operand_sizes(check, check.node().dims);
  expect_result_sizes(check);
  expect_indices(check);
  if (!expect_counts(check, scatter.indexed.size() + 1, 1)) return;
  check.expect_result(0, check.node().results[0].base != kNoValue, "a scatter without a base");
  expect_result_type(check, 0, check.node().operands[0].dtype);
}

void rules(NodeCheck& check, const Scan& scan) {
  expect_all_parallel(check);
  expect_operand_sizes(check, check.node().dims);
  expect_result_sizes(check);
  check.expect(scan.dim < check.node().dims.size(), "it scans a dimension that is not there");
  const bool positions = scan.op == ScanOp::Maximum || scan.op == ScanOp::Minimum;
  if (!expect_counts(check, 1, positions ? 2 : 1)) return;
  expect_result_type(check, 0, check.node().operands[0].dtype);
  if (positions) expect_result_type(check, 1, DType::Int64);
}

void rules(NodeCheck& check, const Sort& sort) {
  expect_all_parallel(check);
  expect_operand_sizes(check, check.node().dims);
  const bool dim =
      check.expect(sort.dim < check.node().dims.size(), "it sorts a dimension that is not there");
  if (!expect_counts(check, 1, 2)) return;
  expect_result_type(check, 0, check.node().operands[0].dtype);
  expect_result_type(check, 1, DType::Int64);
  if (!dim) return;
  Extents sizes = check.node().dims;
  if (sort.take) sizes[sort.dim] = *sort.take;
  for (size_t k = 0; k < 2; ++k) {
    check.expect_result(k, check.node().results[k].view.sizes == sizes,
                        "its view's sizes are not those of what is sorted");
  }
}

size_t parameter_count(Distribution distribution) {
  const bool one =
      distribution == Distribution::Bernoulli || distribution == Distribution::Exponential;
  return one ? 1 : 2;
}

void rules(NodeCheck& check, const Random& random) {
  expect_all_parallel(check);
  expect_result_sizes(check);
  expect_counts(check, 0, 1);
  check.expect(random.state < check.graph().randoms,
               "it names a random input that the graph lacks");
  const size_t expected = parameter_count(random.distribution);
  check.expect(random.parameters.size() == expected,
               text(random.parameters.size()) + " parameters, expected " + text(expected));
  for (const NumberRef& parameter : random.parameters) expect_number(check, parameter);
}

void rules(NodeCheck& check, const Opaque& opaque) {
  check.expect(opaque.call != nullptr, "an opaque node without its call");
  check.expect(check.node().dims.empty(), "an opaque node with an iteration space");
}

}  // namespace

void check_primitive(NodeCheck& check) {
  std::visit([&](const auto& primitive) { rules(check, primitive); }, check.node().primitive);
}

}  // namespace trireme::graph
