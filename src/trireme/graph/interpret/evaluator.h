// SPDX-License-Identifier: Apache-2.0
// Evaluates an expression over a block of points, node by node.
#pragma once

#include <span>
#include <vector>

#include "trireme/graph/interpret/memory.h"
#include "trireme/graph/ir/expression.h"
#include "trireme/graph/ir/number.h"

namespace trireme::graph {

// The values of one expression node at the points of a block: one of the three, by the dtype.
struct Column {
  DType dtype = DType::Float32;
  std::vector<double> reals;
  std::vector<int64_t> integers;
  std::vector<Complex> complexes;

  void resize(DType type, size_t count);
};

class Evaluator {
 public:
  Evaluator(const Expression& expression, std::span<const Reader> operands,
            std::span<const Number> numbers);

  // At the points of the block that `points` is at.
  void evaluate(const Points& points);
  const Column& root(size_t index) const { return columns_[expression_.roots[index]]; }

 private:
  void evaluate(const ExprNode& node, const Points& points, Column& to);
  void load(const Reader& from, const Points& points, Column& to);
  void fill(const Number& number, Column& to);
  void cast(const Column& from, Column& to);
  void select(const ExprNode& node, Column& to);
  void test(const ExprNode& node, Column& to);

  const Expression& expression_;
  std::span<const Reader> operands_;
  std::span<const Number> numbers_;
  std::vector<Column> columns_;
  std::vector<int64_t> elements_;
};

}  // namespace trireme::graph
