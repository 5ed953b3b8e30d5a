// SPDX-License-Identifier: Apache-2.0
// The state of reductions: what is kept, how a value and another state enter it. Includes LLVM.
#pragma once

#include <vector>

#include "trireme/compile/llvm/scalars.h"
#include "trireme/graph/ir/graph.h"

namespace trireme::compile {

// Kept in f64 of f64, in f32 of the smaller floats. A running state takes values in fast, but loses
// digits over many of them: after some hundred values it is settled, and what is settled is
// combined.
class Reduction {
 public:
  using State = std::vector<llvm::Value*>;

  Reduction(llvm::IRBuilder<>& builder, graph::ReduceOp op, graph::DType dtype);

  // Whether the state grows wrong with the number of values.
  bool drifts() const;
  // Of nothing, one lane.
  std::vector<llvm::Constant*> empty() const;
  std::vector<llvm::Constant*> settled_empty() const;
  State with(const State& state, llvm::Value* value, llvm::Value* position);
  State settle(const State& running);
  // A running state of nothing, where this was settled before.
  State restart(const State& settled);
  // Of settled states. Deterministic; the first is that of earlier or other points.
  State combine(const State& a, const State& b);
  std::vector<Typed> result(const State& settled);

 private:
  llvm::Value* scale(llvm::Value* from, llvm::Value* to);
  graph::DType kept() const;

  llvm::IRBuilder<>& b_;
  Scalars scalars_;
  graph::ReduceOp op_;
  graph::DType dtype_;
};

}  // namespace trireme::compile
