// SPDX-License-Identifier: Apache-2.0
// The state of reductions: what is kept, how a value and another state enter it. Includes LLVM.
#pragma once

#include <vector>

#include "trireme/compile/llvm/scalars.h"
#include "trireme/graph/ir/graph.h"

namespace trireme::compile {

// Sums, products, Welford and LogSumExp of floats are kept in f64.
class Reduction {
 public:
  using State = std::vector<llvm::Value*>;

  Reduction(llvm::IRBuilder<>& builder, graph::ReduceOp op, graph::DType dtype);

  // Of nothing, one lane.
  std::vector<llvm::Constant*> empty() const;
  State with(const State& state, llvm::Value* value, llvm::Value* position);
  // Deterministic; the first state is that of earlier or other points.
  State combine(const State& a, const State& b);
  std::vector<Typed> result(const State& state);

 private:
  llvm::Value* select_scale(llvm::Value* from, llvm::Value* to);
  graph::DType kept() const;

  llvm::IRBuilder<>& b_;
  Scalars scalars_;
  graph::ReduceOp op_;
  graph::DType dtype_;
};

}  // namespace trireme::compile
