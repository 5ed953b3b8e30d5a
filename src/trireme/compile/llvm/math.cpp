// SPDX-License-Identifier: Apache-2.0
// Functions of real numbers by libraries, and those of f32 that are computed in f64.
#include <llvm/IR/Intrinsics.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "trireme/compile/code/functions.h"
#include "trireme/compile/llvm/scalars.h"
#include "trireme/compile/llvm/vector_calls.h"

namespace trireme::compile {

using graph::ScalarOp;
using llvm::Value;

Value* Scalars::fused(Value* x, Value* y, Value* z) {
  return b_.CreateIntrinsic(llvm::Intrinsic::fma, {x->getType()}, {x, y, z});
}

Value* Scalars::call(ScalarOp op, Value* x, Value* y) {
  Value* result = call_vector_function(b_, op, x, y);
  return result != nullptr ? result : call_library(op, x, y);
}

Value* Scalars::call_library(ScalarOp op, Value* x, Value* y) {
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

Value* Scalars::exp(Value* x) {
  return x->getType()->getScalarType()->isFloatTy() ? exp_single(x, ScalarOp::Exp)
                                                    : call(ScalarOp::Exp, x, nullptr);
}

Value* Scalars::log(Value* x) {
  return x->getType()->getScalarType()->isFloatTy() ? log_single(x, ScalarOp::Log)
                                                    : call(ScalarOp::Log, x, nullptr);
}

// x = n ln 2 + r, |r| <= ln 2 / 2; exp r by its Taylor series to r^10, whose rest is below 2^-41;
// 2^n by the exponent's bits.
Value* Scalars::exp_wide(Value* x) {
  Value* held = clamp(x, -700, 700);
  constexpr double kRound = 0x1.8p52;  // leaves n in the low bits
  Value* moved = fused(held, number(x, std::numbers::log2e), number(x, kRound));
  Value* n = b_.CreateFSub(moved, number(x, kRound));
  Value* r = fused(n, number(x, -std::numbers::ln2), held);
  Value* sum = number(x, 1.0 / 3628800);
  double factorial = 3628800;
  for (int k = 10; k > 0; --k) {
    factorial /= k;
    sum = fused(sum, r, number(x, 1 / factorial));
  }
  Value* bits = b_.CreateBitCast(moved, shaped(b_.getInt64Ty(), x));
  bits = b_.CreateShl(b_.CreateAdd(bits, whole(bits, 1023)), whole(bits, 52));
  return b_.CreateFMul(sum, b_.CreateBitCast(bits, x->getType()));
}

// x = m 2^e, m in [sqrt 1/2, sqrt 2); log m = 2 artanh s, s = (m - 1) / (m + 1), by its series to
// s^15, whose rest is below 2^-43. Arguments: not negative, no subnormal f64 (they come from f32).
Value* Scalars::log_wide(Value* x) {
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
      fused(b_.CreateSIToFP(e, x->getType()), number(x, std::numbers::ln2), b_.CreateFMul(sum, s));
  Value* infinity = number(x, std::numeric_limits<double>::infinity());
  result = b_.CreateSelect(b_.CreateFCmpULT(x, infinity), result, x);  // infinity and NaN
  result = b_.CreateSelect(is_nan(x), x, result);
  return b_.CreateSelect(b_.CreateFCmpOEQ(x, number(x, 0)), b_.CreateFNeg(infinity), result);
}

// exp(y log |x|), with C's special cases.
Value* Scalars::pow_wide(Value* x, Value* y) {
  const double inf = std::numeric_limits<double>::infinity();
  Value* size = intrinsic(llvm::Intrinsic::fabs, x);
  Value* result = exp_wide(b_.CreateFMul(y, log_wide(size)));
  Value* half = b_.CreateFMul(y, number(y, 0.5));
  Value* integral = b_.CreateFCmpOEQ(intrinsic(llvm::Intrinsic::trunc, y), y);
  Value* even = b_.CreateFCmpOEQ(intrinsic(llvm::Intrinsic::trunc, half), half);
  Value* odd = b_.CreateAnd(integral, b_.CreateNot(even));
  Value* negative = b_.CreateICmpSLT(b_.CreateBitCast(x, shaped(b_.getInt64Ty(), x)),
                                     llvm::Constant::getNullValue(shaped(b_.getInt64Ty(), x)));
  result = b_.CreateSelect(b_.CreateAnd(odd, negative), b_.CreateFNeg(result), result);
  Value* inside =
      b_.CreateAnd(b_.CreateFCmpOLT(x, number(x, 0)), b_.CreateFCmpOGT(x, number(x, -inf)));
  result = b_.CreateSelect(b_.CreateAnd(inside, b_.CreateNot(integral)), number(x, std::nan("")),
                           result);
  result = b_.CreateSelect(b_.CreateOr(is_nan(x), is_nan(y)), b_.CreateFAdd(x, y), result);
  Value* endless = b_.CreateFCmpOEQ(intrinsic(llvm::Intrinsic::fabs, y), number(y, inf));
  Value* one = b_.CreateOr(b_.CreateFCmpOEQ(y, number(y, 0)), b_.CreateFCmpOEQ(x, number(x, 1)));
  one = b_.CreateOr(one, b_.CreateAnd(endless, b_.CreateFCmpOEQ(size, number(x, 1))));
  return b_.CreateSelect(one, number(x, 1), result);
}

// x = n pi/2 + r by two parts of pi/2, whose error is below n 2^-106 (Cody and Waite, 1980); Taylor
// series to r^13 and r^14, whose rests are below 2^-40. Where a lane is beyond 2^30: the C library.
Value* Scalars::sine_wide(ScalarOp op, Value* x) {
  llvm::Function* function = b_.GetInsertBlock()->getParent();
  llvm::LLVMContext& context = function->getContext();
  Value* near = b_.CreateFCmpOLT(intrinsic(llvm::Intrinsic::fabs, x), number(x, 0x1p30));
  if (lanes(x) > 1) near = b_.CreateAndReduce(near);
  auto* fast = llvm::BasicBlock::Create(context, "near", function);
  auto* slow = llvm::BasicBlock::Create(context, "far", function);
  auto* after = llvm::BasicBlock::Create(context, "known", function);
  b_.CreateCondBr(near, fast, slow);
  b_.SetInsertPoint(slow);
  Value* far = call(op, x, nullptr);
  b_.CreateBr(after);
  b_.SetInsertPoint(fast);
  constexpr double kRound = 0x1.8p52;
  Value* moved = fused(x, number(x, 2 * std::numbers::inv_pi), number(x, kRound));
  Value* n = b_.CreateFSub(moved, number(x, kRound));
  Value* r = fused(n, number(x, -0x1.921fb54442d18p0), x);
  r = fused(n, number(x, -0x1.1a62633145c07p-54), r);
  Value* square = b_.CreateFMul(r, r);
  const auto series = [&](int last) {  // sum of (-1)^k r^(2k) / ...!, the constant term 1
    double factorial = 1;
    for (int k = 2; k <= last; ++k) factorial *= k;
    Value* sum = nullptr;
    for (int k = last; k >= 0; k -= 2) {
      const double term = (k / 2 % 2 == 0 ? 1 : -1) / factorial;
      sum = sum == nullptr ? number(x, term) : fused(sum, square, number(x, term));
      factorial /= k > 1 ? k * (k - 1) : 1;
    }
    return sum;
  };
  Value* sine = b_.CreateFMul(series(13), r);
  Value* cosine = series(14);
  Value* quarter = b_.CreateBitCast(moved, shaped(b_.getInt64Ty(), x));
  if (op == ScalarOp::Cos) quarter = b_.CreateAdd(quarter, whole(quarter, 1));
  Value* swaps = b_.CreateTrunc(quarter, shaped(b_.getInt1Ty(), x));
  Value* result = b_.CreateSelect(swaps, cosine, sine);
  Value* sign = b_.CreateShl(b_.CreateLShr(quarter, whole(quarter, 1)), whole(quarter, 63));
  result =
      b_.CreateBitCast(b_.CreateXor(b_.CreateBitCast(result, sign->getType()), sign), x->getType());
  // sin of -0: all the steps keep it but for this
  if (op == ScalarOp::Sin) {
    result = b_.CreateSelect(b_.CreateFCmpOEQ(x, number(x, 0)), x, result);
  }
  b_.CreateBr(after);
  b_.SetInsertPoint(after);
  llvm::PHINode* joined = b_.CreatePHI(x->getType(), 2);
  joined->addIncoming(result, fast);
  joined->addIncoming(far, slow);
  return joined;
}

}  // namespace trireme::compile
