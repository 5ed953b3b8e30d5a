// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/llvm/scalars.h"

#include <llvm/IR/Intrinsics.h>

#include <algorithm>

#include "trireme/compile/llvm/vector_calls.h"

namespace trireme::compile {

using graph::DType;
using graph::ScalarOp;
using llvm::Value;

namespace {

[[noreturn]] void unknown(ScalarOp op, DType dtype) {
  throw CompileError("kernel compiler: no code for " + std::string(graph::name_of(op)) + " of " +
                     std::string(graph::name_of(dtype)) + "; run the node as a library call");
}

}  // namespace

llvm::Type* Scalars::type(DType dtype) const {
  switch (dtype) {
    case DType::Bool:
      return b_.getInt1Ty();
    case DType::Float16:
    case DType::BFloat16:
    case DType::Float32:
      return b_.getFloatTy();
    default:
      return memory_type(dtype);
  }
}

llvm::Type* Scalars::memory_type(DType dtype) const {
  switch (dtype) {
    case DType::Bool:
    case DType::UInt8:
    case DType::Int8:
      return b_.getInt8Ty();
    case DType::Int16:
    case DType::BFloat16:
      return b_.getInt16Ty();
    case DType::Int32:
      return b_.getInt32Ty();
    case DType::Int64:
      return b_.getInt64Ty();
    case DType::Float16:
      return b_.getHalfTy();
    case DType::Float32:
      return b_.getFloatTy();
    case DType::Float64:
      return b_.getDoubleTy();
    default:
      throw CompileError("kernel compiler: no code for complex numbers");
  }
}

unsigned Scalars::lanes(const Value* value) {
  const auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(value->getType());
  return vector == nullptr ? 1 : vector->getNumElements();
}

Value* Scalars::widen(Value* value, unsigned count) {
  return lanes(value) == count ? value : b_.CreateVectorSplat(count, value);
}

llvm::Type* Scalars::shaped(llvm::Type* element, const Value* like) {
  const unsigned count = lanes(like);
  return count == 1 ? element : llvm::FixedVectorType::get(element, count);
}

Value* Scalars::number(Value* like, double value) {
  return llvm::ConstantFP::get(like->getType(), value);
}

Value* Scalars::whole(Value* like, int64_t value) {
  return llvm::ConstantInt::get(like->getType(), static_cast<uint64_t>(value), true);
}

Value* Scalars::intrinsic(llvm::Intrinsic::ID id, Value* x) {
  return b_.CreateUnaryIntrinsic(id, x);
}

Value* Scalars::from_memory(Value* value, DType dtype) {
  switch (dtype) {
    case DType::Bool:
      return b_.CreateICmpNE(value, whole(value, 0));
    case DType::Float16:
      return b_.CreateFPExt(value, shaped(b_.getFloatTy(), value));
    case DType::BFloat16: {
      Value* bits = b_.CreateZExt(value, shaped(b_.getInt32Ty(), value));
      return b_.CreateBitCast(b_.CreateShl(bits, whole(bits, 16)), shaped(b_.getFloatTy(), value));
    }
    default:
      return value;
  }
}

// bf16 by integers: the instruction of x86 takes subnormal numbers for zero.
Value* Scalars::to_memory(Value* value, DType dtype) {
  switch (dtype) {
    case DType::Bool:
      return b_.CreateZExt(value, shaped(b_.getInt8Ty(), value));
    case DType::Float16:
      return b_.CreateFPTrunc(value, shaped(b_.getHalfTy(), value));
    case DType::BFloat16: {
      Value* bits = b_.CreateBitCast(value, shaped(b_.getInt32Ty(), value));
      Value* odd = b_.CreateAnd(b_.CreateLShr(bits, whole(bits, 16)), whole(bits, 1));
      Value* up = b_.CreateAdd(bits, b_.CreateAdd(odd, whole(bits, 0x7fff)));
      Value* quiet = b_.CreateOr(bits, whole(bits, 0x400000));
      Value* wide = b_.CreateSelect(is_nan(value), quiet, up);
      return b_.CreateTrunc(b_.CreateLShr(wide, whole(wide, 16)), shaped(b_.getInt16Ty(), value));
    }
    default:
      return value;
  }
}

// A register holds a value of its dtype: what a bf16 leaves out is 0.
Value* Scalars::store_form(Value* value, DType dtype) {
  if (dtype != DType::BFloat16) return to_memory(value, dtype);
  Value* bits = b_.CreateBitCast(value, shaped(b_.getInt32Ty(), value));
  return b_.CreateTrunc(b_.CreateLShr(bits, whole(bits, 16)), shaped(b_.getInt16Ty(), value));
}

Value* Scalars::round_to(Value* value, DType dtype) {
  if (dtype != DType::Float16 && dtype != DType::BFloat16) return value;
  return from_memory(to_memory(value, dtype), dtype);
}

// Out of range: as x86's conversion to 64 bits, wrapped.
Value* Scalars::cast(Typed from, DType to) {
  Value* x = from.value;
  llvm::Type* target = shaped(type(to), x);
  if (from.dtype == to) return x;
  const bool floating = graph::is_floating(from.dtype);
  if (to == DType::Bool) {
    return floating ? b_.CreateFCmpUNE(x, number(x, 0)) : b_.CreateICmpNE(x, whole(x, 0));
  }
  if (graph::is_integral(to)) {
    if (!floating) {
      const bool extends = graph::is_signed(from.dtype);
      return b_.CreateIntCast(x, target, extends);
    }
    llvm::Type* wide = shaped(b_.getInt64Ty(), x);
    Value* fits = b_.CreateAnd(b_.CreateFCmpOGE(x, number(x, -0x1p63)),
                               b_.CreateFCmpOLT(x, number(x, 0x1p63)));
    Value* safe = b_.CreateSelect(fits, x, number(x, -0x1p63));
    return b_.CreateTrunc(b_.CreateFPToSI(safe, wide), target);
  }
  if (!floating) {
    Value* real =
        graph::is_signed(from.dtype) ? b_.CreateSIToFP(x, target) : b_.CreateUIToFP(x, target);
    return round_to(real, to);
  }
  return round_to(b_.CreateFPCast(x, target), to);
}

Value* Scalars::maximum(Value* a, Value* b, DType dtype, bool minimum) {
  if (graph::is_floating(dtype)) {
    Value* wins = minimum ? b_.CreateFCmpOLT(a, b) : b_.CreateFCmpOGT(a, b);
    return b_.CreateSelect(b_.CreateOr(wins, is_nan(a)), a, b);
  }
  const bool negative = graph::is_signed(dtype);
  Value* less = negative ? b_.CreateICmpSLT(a, b) : b_.CreateICmpULT(a, b);
  return minimum ? b_.CreateSelect(less, a, b) : b_.CreateSelect(less, b, a);
}

Value* Scalars::compare(ScalarOp op, Typed x, Typed y) {
  using P = llvm::CmpInst;
  if (graph::is_floating(x.dtype)) {
    const auto predicate = op == ScalarOp::Eq   ? P::FCMP_OEQ
                           : op == ScalarOp::Ne ? P::FCMP_UNE
                           : op == ScalarOp::Lt ? P::FCMP_OLT
                           : op == ScalarOp::Le ? P::FCMP_OLE
                           : op == ScalarOp::Gt ? P::FCMP_OGT
                                                : P::FCMP_OGE;
    return b_.CreateFCmp(predicate, x.value, y.value);
  }
  const bool negative = graph::is_signed(x.dtype);
  const auto predicate = op == ScalarOp::Eq   ? P::ICMP_EQ
                         : op == ScalarOp::Ne ? P::ICMP_NE
                         : op == ScalarOp::Lt ? (negative ? P::ICMP_SLT : P::ICMP_ULT)
                         : op == ScalarOp::Le ? (negative ? P::ICMP_SLE : P::ICMP_ULE)
                         : op == ScalarOp::Gt ? (negative ? P::ICMP_SGT : P::ICMP_UGT)
                                              : (negative ? P::ICMP_SGE : P::ICMP_UGE);
  return b_.CreateICmp(predicate, x.value, y.value);
}

Value* Scalars::apply(ScalarOp op, DType dtype, std::array<Typed, 3> args) {
  unsigned count = 1;
  const size_t arity = graph::arity(op);
  for (size_t i = 0; i < arity; ++i) count = std::max(count, lanes(args[i].value));
  for (size_t i = 0; i < arity; ++i) args[i].value = widen(args[i].value, count);
  if (op == ScalarOp::Cast) return cast(args[0], dtype);
  if (op == ScalarOp::Select) {
    return b_.CreateSelect(args[0].value, args[1].value, args[2].value);
  }
  if (graph::is_comparison(op)) return compare(op, args[0], args[1]);
  if (op == ScalarOp::IsNan || op == ScalarOp::IsInf) {
    Value* x = args[0].value;
    if (!graph::is_floating(args[0].dtype)) {
      return llvm::Constant::getNullValue(shaped(b_.getInt1Ty(), x));
    }
    if (op == ScalarOp::IsNan) return is_nan(x);
    Value* size = intrinsic(llvm::Intrinsic::fabs, x);
    return b_.CreateFCmpOEQ(size, llvm::ConstantFP::getInfinity(x->getType()));
  }
  Value* second = arity > 1 ? args[1].value : nullptr;
  if (graph::is_integral(dtype)) return integer(op, dtype, args[0].value, second);
  if (!graph::is_floating(dtype)) unknown(op, dtype);
  return round_to(real(op, dtype, args[0].value, second), dtype);
}

// A divisor 0 gives 0, and -1 negates: the instruction would trap on either.
Value* Scalars::divide(ScalarOp op, DType dtype, Value* x, Value* y) {
  const bool negative = graph::is_signed(dtype);
  Value* none = b_.CreateICmpEQ(y, whole(y, 0));
  Value* minus = negative ? b_.CreateICmpEQ(y, whole(y, -1)) : nullptr;
  Value* unsafe = negative ? b_.CreateOr(none, minus) : none;
  Value* safe = b_.CreateSelect(unsafe, whole(y, 1), y);
  Value* quotient = negative ? b_.CreateSDiv(x, safe) : b_.CreateUDiv(x, safe);
  Value* rest = b_.CreateSub(x, b_.CreateMul(quotient, safe));
  quotient = b_.CreateSelect(none, whole(x, 0), quotient);
  rest = b_.CreateSelect(unsafe, whole(x, 0), rest);
  if (negative) quotient = b_.CreateSelect(minus, b_.CreateNeg(x), quotient);
  if (op == ScalarOp::Div) return quotient;
  if (op == ScalarOp::Fmod) return rest;
  Value* adjust = llvm::Constant::getNullValue(shaped(b_.getInt1Ty(), x));
  if (negative) {
    Value* differ = b_.CreateICmpSLT(b_.CreateXor(rest, y), whole(y, 0));
    adjust = b_.CreateAnd(differ, b_.CreateICmpNE(rest, whole(rest, 0)));
  }
  if (op == ScalarOp::FloorDiv) {
    return b_.CreateSelect(adjust, b_.CreateSub(quotient, whole(x, 1)), quotient);
  }
  return b_.CreateSelect(adjust, b_.CreateAdd(rest, y), rest);
}

// By squaring, one step per bit. A negative exponent: 1 and -1 have powers, others give 0.
Value* Scalars::power(Value* base, Value* exponent) {
  const unsigned bits = base->getType()->getScalarSizeInBits();
  Value* negative = b_.CreateICmpSLT(exponent, whole(exponent, 0));
  Value* result = whole(base, 1);
  Value* factor = base;
  Value* left = exponent;
  for (unsigned i = 0; i < bits; ++i) {
    Value* odd = b_.CreateTrunc(left, shaped(b_.getInt1Ty(), left));
    result = b_.CreateSelect(odd, b_.CreateMul(result, factor), result);
    factor = b_.CreateMul(factor, factor);
    left = b_.CreateLShr(left, whole(left, 1));
  }
  Value* odd = b_.CreateTrunc(exponent, shaped(b_.getInt1Ty(), exponent));
  Value* minus = b_.CreateICmpEQ(base, whole(base, -1));
  Value* unit = b_.CreateOr(minus, b_.CreateICmpEQ(base, whole(base, 1)));
  Value* small = b_.CreateSelect(b_.CreateAnd(minus, odd), whole(base, -1), whole(base, 1));
  small = b_.CreateSelect(unit, small, whole(base, 0));
  return b_.CreateSelect(negative, small, result);
}

Value* Scalars::integer(ScalarOp op, DType dtype, Value* x, Value* y) {
  const bool truth = dtype == DType::Bool;
  const bool negative = graph::is_signed(dtype);
  switch (op) {
    case ScalarOp::Neg:
      return b_.CreateNeg(x);
    case ScalarOp::Abs:
      return negative ? b_.CreateBinaryIntrinsic(llvm::Intrinsic::abs, x, b_.getFalse()) : x;
    case ScalarOp::Sign: {
      if (truth) return x;
      Value* up = b_.CreateZExt(b_.CreateICmpNE(x, whole(x, 0)), x->getType());
      if (!negative) return up;
      return b_.CreateSelect(b_.CreateICmpSLT(x, whole(x, 0)), whole(x, -1), up);
    }
    case ScalarOp::Not:
      return b_.CreateNot(x);
    case ScalarOp::Ceil:
    case ScalarOp::Floor:
    case ScalarOp::Round:
    case ScalarOp::Trunc:
    case ScalarOp::Real:
    case ScalarOp::Conj:
      return x;
    case ScalarOp::Add:
      return truth ? b_.CreateOr(x, y) : b_.CreateAdd(x, y);
    case ScalarOp::Sub:
      return b_.CreateSub(x, y);
    case ScalarOp::Mul:
      return truth ? b_.CreateAnd(x, y) : b_.CreateMul(x, y);
    case ScalarOp::Div:
    case ScalarOp::FloorDiv:
    case ScalarOp::Fmod:
    case ScalarOp::Remainder:
      if (truth) {  // 0 and 1 as numbers
        const bool quotient = op == ScalarOp::Div || op == ScalarOp::FloorDiv;
        return quotient ? b_.CreateAnd(x, y) : whole(x, 0);
      }
      return divide(op, dtype, x, y);
    case ScalarOp::Pow: {
      if (truth) return b_.CreateOr(x, b_.CreateNot(y));
      if (negative) return power(x, y);
      llvm::Type* wide = shaped(b_.getInt64Ty(), x);
      return b_.CreateTrunc(power(b_.CreateZExt(x, wide), b_.CreateZExt(y, wide)), x->getType());
    }
    case ScalarOp::Minimum:
    case ScalarOp::Fmin:
      return maximum(x, y, dtype, true);
    case ScalarOp::Maximum:
    case ScalarOp::Fmax:
      return maximum(x, y, dtype, false);
    case ScalarOp::And:
      return b_.CreateAnd(x, y);
    case ScalarOp::Or:
      return b_.CreateOr(x, y);
    case ScalarOp::Xor:
      return b_.CreateXor(x, y);
    case ScalarOp::ShiftLeft:
    case ScalarOp::ShiftRight: {
      if (truth) unknown(op, dtype);
      const auto width = static_cast<int64_t>(graph::size_of(dtype)) * 8;
      Value* fits = b_.CreateICmpULT(y, whole(y, width));
      if (op == ScalarOp::ShiftLeft) {
        Value* safe = b_.CreateSelect(fits, y, whole(y, 0));
        return b_.CreateSelect(fits, b_.CreateShl(x, safe), whole(x, 0));
      }
      if (!negative) {
        Value* safe = b_.CreateSelect(fits, y, whole(y, 0));
        return b_.CreateSelect(fits, b_.CreateLShr(x, safe), whole(x, 0));
      }
      return b_.CreateAShr(x, b_.CreateSelect(fits, y, whole(y, width - 1)));
    }
    default:
      unknown(op, dtype);
  }
}

Value* Scalars::real(ScalarOp op, DType dtype, Value* x, Value* y) {
  switch (op) {
    case ScalarOp::Neg:
      return b_.CreateFNeg(x);
    case ScalarOp::Abs:
      return intrinsic(llvm::Intrinsic::fabs, x);
    case ScalarOp::Sign: {
      Value* up = b_.CreateSelect(b_.CreateFCmpOGT(x, number(x, 0)), number(x, 1), number(x, 0));
      return b_.CreateSelect(b_.CreateFCmpOLT(x, number(x, 0)), number(x, -1), up);
    }
    case ScalarOp::Ceil:
      return intrinsic(llvm::Intrinsic::ceil, x);
    case ScalarOp::Floor:
      return intrinsic(llvm::Intrinsic::floor, x);
    case ScalarOp::Round:
      return intrinsic(llvm::Intrinsic::roundeven, x);
    case ScalarOp::Trunc:
      return intrinsic(llvm::Intrinsic::trunc, x);
    case ScalarOp::Sqrt:
      return intrinsic(llvm::Intrinsic::sqrt, x);
    case ScalarOp::Rsqrt:
      return b_.CreateFDiv(number(x, 1), intrinsic(llvm::Intrinsic::sqrt, x));
    case ScalarOp::Reciprocal:
      return b_.CreateFDiv(number(x, 1), x);
    case ScalarOp::Real:
    case ScalarOp::Conj:
      return x;
    case ScalarOp::Imag:
      return number(x, 0);
    case ScalarOp::Add:
      return b_.CreateFAdd(x, y);
    case ScalarOp::Sub:
      return b_.CreateFSub(x, y);
    case ScalarOp::Mul:
      return b_.CreateFMul(x, y);
    case ScalarOp::Div:
      return b_.CreateFDiv(x, y);
    case ScalarOp::Copysign:
      return b_.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, x, y);
    case ScalarOp::Minimum:
      return b_.CreateSelect(is_nan(x), x, maximum(y, x, dtype, true));
    case ScalarOp::Maximum:
      return b_.CreateSelect(is_nan(x), x, maximum(y, x, dtype, false));
    case ScalarOp::Fmin:
    case ScalarOp::Fmax: {
      const bool minimum = op == ScalarOp::Fmin;
      return b_.CreateSelect(is_nan(x), y,
                             b_.CreateSelect(is_nan(y), x, maximum(x, y, dtype, minimum)));
    }
    default:
      break;
  }
  const bool single = dtype != DType::Float64;
  if (single) {
    Value* own = y == nullptr ? single_math(op, x) : nullptr;
    if (own != nullptr) return own;
    if (Value* result = call_vector_function(b_, op, x, y)) return result;
  }
  // the others in f64
  llvm::Type* wide = shaped(b_.getDoubleTy(), x);
  llvm::Type* narrow = x->getType();
  Value* a = b_.CreateFPCast(x, wide);
  Value* b = y == nullptr ? nullptr : b_.CreateFPCast(y, wide);
  Value* result = nullptr;
  if (op == ScalarOp::Sigmoid) {
    result = b_.CreateFDiv(number(a, 1), b_.CreateFAdd(number(a, 1), exp(b_.CreateFNeg(a))));
  } else if (single && op == ScalarOp::Pow) {
    result = pow_wide(a, b);
  } else if (single && (op == ScalarOp::Sin || op == ScalarOp::Cos)) {
    result = sine_wide(op, a);
  }
  if (result == nullptr && (op == ScalarOp::Remainder || op == ScalarOp::FloorDiv)) {
    Value* rest = call(ScalarOp::Fmod, a, b);
    Value* differ =
        b_.CreateXor(b_.CreateFCmpOLT(b, number(b, 0)), b_.CreateFCmpOLT(rest, number(b, 0)));
    Value* adjust = b_.CreateAnd(differ, b_.CreateFCmpUNE(rest, number(b, 0)));
    if (op == ScalarOp::Remainder) {
      result = b_.CreateSelect(adjust, b_.CreateFAdd(rest, b), rest);
    } else {
      // As CPython's float_floor_div: exact where a quotient rounds up to the next integer.
      Value* plain = b_.CreateFDiv(a, b);
      Value* quotient = b_.CreateFDiv(b_.CreateFSub(a, rest), b);
      quotient = b_.CreateSelect(adjust, b_.CreateFSub(quotient, number(b, 1)), quotient);
      Value* below = intrinsic(llvm::Intrinsic::floor, quotient);
      Value* up = b_.CreateFCmpOGT(b_.CreateFSub(quotient, below), number(b, 0.5));
      Value* near = b_.CreateSelect(up, b_.CreateFAdd(below, number(b, 1)), below);
      Value* zero = b_.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, number(b, 0), plain);
      result = b_.CreateSelect(b_.CreateFCmpOEQ(quotient, number(b, 0)), zero, near);
      result = b_.CreateSelect(b_.CreateFCmpOEQ(b, number(b, 0)), plain, result);
    }
  }
  if (result == nullptr) result = call(op, a, b);
  return b_.CreateFPCast(result, narrow);
}

}  // namespace trireme::compile
