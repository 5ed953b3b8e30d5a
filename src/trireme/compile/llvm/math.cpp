// SPDX-License-Identifier: Apache-2.0
// Functions of real numbers. Those of f32 are computed in f64 from exp and log, so that what the
// formulas lose does not show in an f32.
#include <llvm/IR/Intrinsics.h>

#include <cmath>
#include <limits>

#include "trireme/compile/llvm/functions.h"
#include "trireme/compile/llvm/scalars.h"

namespace trireme::compile {

using graph::ScalarOp;
using llvm::Value;

Value* Scalars::fused(Value* x, Value* y, Value* z) {
  return b_.CreateIntrinsic(llvm::Intrinsic::fma, {x->getType()}, {x, y, z});
}

Value* Scalars::call(ScalarOp op, Value* x, Value* y) {
  const MathFunction* function = math_function(op);
  if (function == nullptr) {
    throw CompileError("kernel compiler: no function for " + std::string(graph::name_of(op)));
  }
  llvm::Type* real = b_.getDoubleTy();
  std::vector<llvm::Type*> types(function->unary != nullptr ? 1 : 2, real);
  llvm::Module* module = b_.GetInsertBlock()->getModule();
  llvm::FunctionCallee callee =
      module->getOrInsertFunction(function->name, llvm::FunctionType::get(real, types, false));
  auto* declared = llvm::cast<llvm::Function>(callee.getCallee());
  declared->setDoesNotThrow();
  declared->setDoesNotAccessMemory();
  declared->setWillReturn();
  const unsigned count = lanes(x);
  if (count == 1) {
    return types.size() == 1 ? b_.CreateCall(callee, {x}) : b_.CreateCall(callee, {x, y});
  }
  Value* result = llvm::PoisonValue::get(x->getType());
  for (unsigned i = 0; i < count; ++i) {
    std::vector<Value*> args{b_.CreateExtractElement(x, i)};
    if (types.size() == 2) args.push_back(b_.CreateExtractElement(y, i));
    result = b_.CreateInsertElement(result, b_.CreateCall(callee, args), i);
  }
  return result;
}

// x = n ln 2 + r, |r| <= ln 2 / 2; exp r by its Taylor series to r^10, whose rest is below 2^-41;
// 2^n by the exponent's bits.
Value* Scalars::exp(Value* x, bool single) {
  if (!single) return call(ScalarOp::Exp, x, nullptr);
  Value* low = b_.CreateSelect(b_.CreateFCmpOGT(x, number(x, -700)), x, number(x, -700));
  Value* held = b_.CreateSelect(b_.CreateFCmpOLT(low, number(x, 700)), low, number(x, 700));
  Value* n =
      intrinsic(llvm::Intrinsic::roundeven, b_.CreateFMul(held, number(x, 1.4426950408889634)));
  Value* r = fused(n, number(x, -0x1.62e42fefa39efp-1), held);
  Value* sum = number(x, 1.0 / 3628800);
  double factorial = 3628800;
  for (int k = 10; k > 0; --k) {
    factorial /= k;
    sum = fused(sum, r, number(x, 1 / factorial));
  }
  Value* whole_n = b_.CreateFPToSI(n, shaped(b_.getInt64Ty(), x));
  Value* bits = b_.CreateShl(b_.CreateAdd(whole_n, whole(whole_n, 1023)), whole(whole_n, 52));
  Value* result = b_.CreateFMul(sum, b_.CreateBitCast(bits, x->getType()));
  return b_.CreateSelect(is_nan(x), x, result);
}

// x = m 2^e, m in [sqrt 1/2, sqrt 2); log m = 2 artanh s, s = (m - 1) / (m + 1), by its series to
// s^15, whose rest is below 2^-43. Arguments: no subnormal f64 (they come from f32).
Value* Scalars::log(Value* x, bool single) {
  if (!single) return call(ScalarOp::Log, x, nullptr);
  Value* bits = b_.CreateBitCast(x, shaped(b_.getInt64Ty(), x));
  // adding the distance from sqrt 1/2 to 1 makes the exponent field that of m's interval
  Value* moved = b_.CreateAdd(bits, whole(bits, 0x3ff0000000000000 - 0x3fe6a09e667f3bcd));
  Value* e = b_.CreateSub(b_.CreateLShr(moved, whole(bits, 52)), whole(bits, 1023));
  Value* m = b_.CreateBitCast(b_.CreateSub(bits, b_.CreateShl(e, whole(bits, 52))), x->getType());
  Value* s = b_.CreateFDiv(b_.CreateFSub(m, number(x, 1)), b_.CreateFAdd(m, number(x, 1)));
  Value* square = b_.CreateFMul(s, s);
  Value* sum = number(x, 2.0 / 15);
  for (int k = 13; k > 0; k -= 2) sum = fused(sum, square, number(x, 2.0 / k));
  Value* result =
      fused(b_.CreateSIToFP(e, x->getType()), number(x, 0.6931471805599453), b_.CreateFMul(sum, s));
  Value* infinity = number(x, std::numeric_limits<double>::infinity());
  result = b_.CreateSelect(b_.CreateFCmpOEQ(x, infinity), x, result);
  result = b_.CreateSelect(b_.CreateFCmpOEQ(x, number(x, 0)), b_.CreateFNeg(infinity), result);
  return b_.CreateSelect(b_.CreateFCmpULT(x, number(x, 0)), number(x, std::nan("")), result);
}

// Null: no vector code. Scalars take it, too: a result must not depend on its lane.
Value* Scalars::vector_math(ScalarOp op, Value* x) {
  const auto near = [&](double bound) {
    return b_.CreateFCmpOLT(intrinsic(llvm::Intrinsic::fabs, x), number(x, bound));
  };
  switch (op) {
    case ScalarOp::Exp:
      return exp(x, true);
    case ScalarOp::Exp2:
      return exp(b_.CreateFMul(x, number(x, 0.6931471805599453)), true);
    case ScalarOp::Expm1: {
      Value* small = fused(b_.CreateFMul(x, x), number(x, 0.5), x);
      return b_.CreateSelect(near(1e-5), small, b_.CreateFSub(exp(x, true), number(x, 1)));
    }
    case ScalarOp::Log:
      return log(x, true);
    case ScalarOp::Log2:
      return b_.CreateFMul(log(x, true), number(x, 1.4426950408889634));
    case ScalarOp::Log10:
      return b_.CreateFMul(log(x, true), number(x, 0.4342944819032518));
    case ScalarOp::Log1p: {
      Value* small = fused(b_.CreateFMul(x, x), number(x, -0.5), x);
      return b_.CreateSelect(near(1e-5), small, log(b_.CreateFAdd(x, number(x, 1)), true));
    }
    case ScalarOp::Tanh: {
      Value* two = b_.CreateFMul(x, number(x, 2));
      Value* held = b_.CreateSelect(
          near(40), two, b_.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, number(x, 80), x));
      Value* e = exp(held, true);
      Value* large = b_.CreateFDiv(b_.CreateFSub(e, number(x, 1)), b_.CreateFAdd(e, number(x, 1)));
      Value* small = fused(b_.CreateFMul(b_.CreateFMul(x, x), x), number(x, -1.0 / 3), x);
      return b_.CreateSelect(is_nan(x), x, b_.CreateSelect(near(1e-3), small, large));
    }
    case ScalarOp::Sigmoid:
      return b_.CreateFDiv(number(x, 1), b_.CreateFAdd(number(x, 1), exp(b_.CreateFNeg(x), true)));
    default:
      return nullptr;
  }
}

}  // namespace trireme::compile
