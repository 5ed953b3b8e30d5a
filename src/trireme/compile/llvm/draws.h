// SPDX-License-Identifier: Apache-2.0
// Random draws as docs/random.md has them: Philox4x32-10 by element. Includes LLVM: for llvm/*.cpp
// alone.
#pragma once

#include <array>

#include "trireme/compile/kernel/kernel.h"
#include "trireme/compile/llvm/scalars.h"

namespace trireme::compile {

class Draws {
 public:
  // `seed`, `offset`: i64, of the random parameter.
  Draws(llvm::IRBuilder<>& builder, llvm::Value* seed, llvm::Value* offset)
      : b_(builder), scalars_(builder), seed_(seed), offset_(offset) {}

  // `position`: i64, one lane per element. `parameters`: f64.
  llvm::Value* draw(graph::Distribution distribution, graph::DType dtype, llvm::Value* position,
                    std::array<llvm::Value*, 2> parameters);

 private:
  using Words = std::array<llvm::Value*, 4>;  // of 32 bits, each in 64
  Words block(llvm::Value* index);
  llvm::Value* draw32(llvm::Value* element);
  llvm::Value* draw64(llvm::Value* element);
  llvm::Value* uniform(graph::DType dtype, llvm::Value* element, llvm::Value* from,
                       llvm::Value* to);
  llvm::Value* normal(graph::DType dtype, llvm::Value* element);
  llvm::Value* exponential(graph::DType dtype, llvm::Value* element, llvm::Value* rate);
  llvm::Value* integer(llvm::Value* element, llvm::Value* from, llvm::Value* to);
  llvm::Value* open_unit(graph::DType dtype, llvm::Value* element);
  llvm::Value* function(graph::ScalarOp op, graph::DType dtype, llvm::Value* x);
  llvm::Value* real(llvm::Value* whole);  // f64
  llvm::Value* constant(llvm::Value* like, uint64_t value);
  llvm::Value* number(llvm::Value* like, double value);

  llvm::IRBuilder<>& b_;
  Scalars scalars_;
  llvm::Value* seed_;
  llvm::Value* offset_;
};

}  // namespace trireme::compile
