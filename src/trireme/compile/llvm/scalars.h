// SPDX-License-Identifier: Apache-2.0
// Scalar operations as LLVM instructions, over scalars or vectors. Includes LLVM: for llvm/*.cpp
// alone.
#pragma once

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include <array>
#include <span>
#include <string>

#include "trireme/compile/llvm/module.h"
#include "trireme/graph/ir/dtype.h"
#include "trireme/graph/ir/expression.h"

namespace trireme::compile {

// A value in a register. Bool is i1, f16 and bf16 are f32 holding a value of theirs, the others
// are what they are; as a vector, one element per lane.
struct Typed {
  llvm::Value* value = nullptr;
  graph::DType dtype = graph::DType::Float32;
};

class Scalars {
 public:
  explicit Scalars(llvm::IRBuilder<>& builder) : b_(builder) {}

  llvm::Type* type(graph::DType dtype) const;         // in a register, one lane
  llvm::Type* memory_type(graph::DType dtype) const;  // in a buffer
  static unsigned lanes(const llvm::Value* value);    // 1: a scalar
  llvm::Value* widen(llvm::Value* value, unsigned lanes);

  llvm::Value* from_memory(llvm::Value* value, graph::DType dtype);
  llvm::Value* to_memory(llvm::Value* value, graph::DType dtype);   // rounds
  llvm::Value* store_form(llvm::Value* value, graph::DType dtype);  // of a register

  // Throws CompileError for what no kernel computes (complex numbers).
  llvm::Value* apply(graph::ScalarOp op, graph::DType dtype, std::array<Typed, 3> args);
  llvm::Value* cast(Typed from, graph::DType to);

  llvm::Value* maximum(llvm::Value* a, llvm::Value* b, graph::DType dtype, bool minimum);
  // Of f32 by vector code (math_single.cpp), of f64 by a library.
  llvm::Value* exp(llvm::Value* x);
  llvm::Value* log(llvm::Value* x);
  // Of f64: Log, Sin or Cos, exact enough for a result that is rounded to f32.
  llvm::Value* wide_math(graph::ScalarOp op, llvm::Value* x) {
    return op == graph::ScalarOp::Log ? log_wide(x) : sine_wide(op, x);
  }
  // Of f64, by the C library: its bits. `y`: null for functions of one number.
  llvm::Value* call_library(graph::ScalarOp op, llvm::Value* x, llvm::Value* y = nullptr);

 private:
  llvm::Value* unary(graph::ScalarOp op, graph::DType dtype, Typed arg);
  llvm::Value* integer(graph::ScalarOp op, graph::DType dtype, llvm::Value* x, llvm::Value* y);
  llvm::Value* real(graph::ScalarOp op, graph::DType dtype, llvm::Value* x, llvm::Value* y);
  llvm::Value* compare(graph::ScalarOp op, Typed x, Typed y);
  llvm::Value* divide(graph::ScalarOp op, graph::DType dtype, llvm::Value* x, llvm::Value* y);
  llvm::Value* power(llvm::Value* base, llvm::Value* exponent);
  llvm::Value* round_to(llvm::Value* value, graph::DType dtype);
  // --- math_single.cpp: f32, null where there is no vector code ---
  llvm::Value* single_math(graph::ScalarOp op, llvm::Value* x);
  struct ExpParts;
  ExpParts exp_parts(llvm::Value* x);
  llvm::Value* exp_single(llvm::Value* x, graph::ScalarOp base);
  llvm::Value* expm1_single(llvm::Value* x);
  llvm::Value* log_single(llvm::Value* x, graph::ScalarOp op);
  llvm::Value* erf_single(llvm::Value* x);
  llvm::Value* polynomial(llvm::Value* x, std::span<const float> coefficients);
  llvm::Value* bits_of(llvm::Value* x);
  llvm::Value* power_of_two(llvm::Value* exponent, llvm::Value* like);
  llvm::Value* clamp(llvm::Value* x, double low, double high);
  // --- math.cpp: f64 from f32, to be rounded to f32 ---
  llvm::Value* exp_wide(llvm::Value* x);
  llvm::Value* log_wide(llvm::Value* x);
  llvm::Value* pow_wide(llvm::Value* x, llvm::Value* y);
  llvm::Value* sine_wide(graph::ScalarOp op, llvm::Value* x);
  llvm::Value* fused(llvm::Value* x, llvm::Value* y, llvm::Value* z);
  // By vector functions where there are, else by the C library.
  llvm::Value* call(graph::ScalarOp op, llvm::Value* x, llvm::Value* y);
  llvm::Value* intrinsic(llvm::Intrinsic::ID id, llvm::Value* x);
  llvm::Value* is_nan(llvm::Value* x) { return b_.CreateFCmpUNO(x, x); }
  llvm::Value* number(llvm::Value* like, double value);
  llvm::Value* whole(llvm::Value* like, int64_t value);
  llvm::Type* shaped(llvm::Type* element, const llvm::Value* like);

  llvm::IRBuilder<>& b_;
};

}  // namespace trireme::compile
