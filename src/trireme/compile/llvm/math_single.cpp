// SPDX-License-Identifier: Apache-2.0
// Functions of f32 in f32, without a branch, for vectors and scalars alike: a result must not
// depend on its lane. Polynomials go through the function at Chebyshev nodes of the interval; the
// comments give the part of 2^-24 by which they miss it, as a share of the result. What else is
// lost is roundings.
#include <llvm/IR/Intrinsics.h>

#include <array>
#include <cmath>
#include <limits>

#include "trireme/compile/llvm/scalars.h"

namespace trireme::compile {

using graph::ScalarOp;
using llvm::Value;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr float kRound = 0x1.8p23F;  // a sum with it has no fraction, and its low bits are a number

// (exp r - 1 - r) / r^2 over |r| <= ln 2 / 2: 0.14
constexpr std::array kExp{0.5F, 0.166665733F, 0.0416665487F, 0.00836377405F, 0.00139269268F};
// (2^r - 1) / r over |r| <= 1/2: 0.06
constexpr std::array kExp2{0.693147182F,   0.240226507F,   0.0555035658F,
                           0.00961808208F, 0.00133910938F, 0.000154533613F};
// (log(1 + f) - f + f^2 / 2) / f^3 over [sqrt 1/2, sqrt 2] - 1: 0.05
constexpr std::array kLog{0.333333313F,  -0.24999997F, 0.200007156F,  -0.166678026F, 0.142490581F,
                          -0.124256872F, 0.116854198F, -0.114797339F, 0.0697161183F};
// erf(x) / x - 1 in x^2 over |x| <= 0.96: 0.01
constexpr std::array kErf{0.128379166F,   -0.376126319F,    0.11283657F,    -0.0268573016F,
                          0.00519594783F, -0.000808645913F, 8.13870502e-05F};
// -log erfc(x) in x - 2 over [0.94, 3.95]: 0.04, as a share of erf
constexpr std::array kErfc{5.36494112F,      4.41816092F,     0.923750818F,
                           0.016464809F,     -0.00357084745F, 0.000733180961F,
                           -0.000135322305F, 1.99306596e-05F, -1.66134009e-06F};

// ln 2 in two parts: products of the first with integers below 2^9 are exact.
constexpr float kLn2High = 0x1.62e4p-1F;
constexpr float kLn2Low = 0x1.7f7d1cp-20F;

}  // namespace

// exp x = 2^n (1 + r + r^2 q)
struct Scalars::ExpParts {
  Value* exponent;  // n, an integer
  Value* r;
  Value* q;
};

Value* Scalars::polynomial(Value* x, std::span<const float> coefficients) {
  Value* sum = number(x, coefficients.back());
  for (size_t i = coefficients.size() - 1; i-- > 0;)
    sum = fused(sum, x, number(x, coefficients[i]));
  return sum;
}

Value* Scalars::bits_of(Value* x) { return b_.CreateBitCast(x, shaped(b_.getInt32Ty(), x)); }

// Of an exponent in [-126, 127].
Value* Scalars::power_of_two(Value* exponent, Value* like) {
  Value* bits = b_.CreateShl(b_.CreateAdd(exponent, whole(exponent, 127)), whole(exponent, 23));
  return b_.CreateBitCast(bits, like->getType());
}

// NaN stays.
Value* Scalars::clamp(Value* x, double low, double high) {
  Value* above = b_.CreateSelect(b_.CreateFCmpOGT(number(x, low), x), number(x, low), x);
  return b_.CreateSelect(b_.CreateFCmpOLT(number(x, high), above), number(x, high), above);
}

Scalars::ExpParts Scalars::exp_parts(Value* x) {
  Value* moved = fused(x, number(x, 1.4426950408889634), number(x, kRound));
  Value* n = b_.CreateFSub(moved, number(x, kRound));
  Value* r = fused(n, number(x, -kLn2High), x);
  r = fused(n, number(x, -kLn2Low), r);
  Value* exponent = b_.CreateSub(bits_of(moved), whole(bits_of(moved), 0x4b400000));
  return {exponent, r, polynomial(r, kExp)};
}

// 2^n in two factors, so that the last product rounds to a subnormal once, and overflows.
Value* Scalars::exp_single(Value* x, ScalarOp base) {
  Value* exponent = nullptr;
  Value* sum = nullptr;
  if (base == ScalarOp::Exp2) {
    x = clamp(x, -151, 129);
    Value* moved = b_.CreateFAdd(x, number(x, kRound));
    Value* r = b_.CreateFSub(x, b_.CreateFSub(moved, number(x, kRound)));
    exponent = b_.CreateSub(bits_of(moved), whole(bits_of(moved), 0x4b400000));
    sum = fused(polynomial(r, kExp2), r, number(x, 1));
  } else {
    const ExpParts parts = exp_parts(clamp(x, -104.5, 89));
    exponent = parts.exponent;
    sum = b_.CreateFAdd(fused(b_.CreateFMul(parts.r, parts.r), parts.q, parts.r), number(x, 1));
  }
  Value* half = b_.CreateAShr(exponent, whole(exponent, 1));
  Value* rest = b_.CreateSub(exponent, half);
  return b_.CreateFMul(b_.CreateFMul(sum, power_of_two(half, x)), power_of_two(rest, x));
}

// 2^(n-1) p + (2^(n-1) - 1/2), doubled, with p = exp r - 1: 2^n alone may overflow.
Value* Scalars::expm1_single(Value* x) {
  const ExpParts parts = exp_parts(clamp(x, -20, 89));
  Value* p = fused(b_.CreateFMul(parts.r, parts.r), parts.q, parts.r);
  Value* scale = power_of_two(b_.CreateSub(parts.exponent, whole(parts.exponent, 1)), x);
  Value* half = fused(scale, p, b_.CreateFSub(scale, number(x, 0.5)));
  // the sign of -0
  return b_.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, b_.CreateFAdd(half, half), x);
}

// x = m 2^e, m = 1 + f in [sqrt 1/2, sqrt 2). log1p: of the sum 1 + x, whose rounding error is
// added to f; where e = 0 that gives x itself.
Value* Scalars::log_single(Value* x, ScalarOp op) {
  Value* given = x;
  Value* lost = nullptr;
  if (op == ScalarOp::Log1p) {
    given = b_.CreateFAdd(x, number(x, 1));
    Value* part = b_.CreateFSub(given, x);  // Knuth's two-sum
    lost = b_.CreateFAdd(b_.CreateFSub(x, b_.CreateFSub(given, part)),
                         b_.CreateFSub(number(x, 1), part));
  }
  Value* scaled = given;
  Value* tiny = nullptr;
  if (lost == nullptr) {
    tiny = b_.CreateFCmpOLT(given, number(x, 0x1p-126));
    scaled = b_.CreateSelect(tiny, b_.CreateFMul(given, number(x, 0x1p23)), given);
  }
  Value* bits = bits_of(scaled);
  // adding the distance from sqrt 1/2 to 1 makes the exponent field that of m's interval
  Value* moved = b_.CreateAdd(bits, whole(bits, 0x3f800000 - 0x3f3504f3));
  Value* e = b_.CreateSub(b_.CreateLShr(moved, whole(bits, 23)), whole(bits, 127));
  Value* m = b_.CreateBitCast(b_.CreateSub(bits, b_.CreateShl(e, whole(bits, 23))), x->getType());
  Value* f = b_.CreateFSub(m, number(x, 1));
  if (lost != nullptr) {
    Value* held = b_.CreateSelect(b_.CreateICmpSLT(e, whole(e, 126)), e, whole(e, 126));
    f = fused(lost, power_of_two(b_.CreateNeg(held), x), f);
  } else {
    e = b_.CreateSelect(tiny, b_.CreateSub(e, whole(e, 23)), e);
  }
  Value* n = b_.CreateSIToFP(e, x->getType());
  Value* square = b_.CreateFMul(f, f);
  Value* rest =
      fused(b_.CreateFMul(square, f), polynomial(f, kLog), b_.CreateFMul(square, number(x, -0.5)));
  Value* result = nullptr;
  if (op == ScalarOp::Log2) {
    result = fused(rest, number(x, 0x1.715476p+0), b_.CreateFMul(f, number(x, 0x1.4ae0cp-26)));
    result = b_.CreateFAdd(n, fused(f, number(x, 0x1.715476p+0), result));
  } else if (op == ScalarOp::Log10) {
    result = fused(rest, number(x, 0x1.bcb7b2p-2), b_.CreateFMul(f, number(x, -0x1.5b235ep-27)));
    result = fused(n, number(x, 0x1.3509f8p-18), result);
    result = fused(f, number(x, 0x1.bcb7b2p-2), result);
    result = fused(n, number(x, 0x1.344p-2), result);
  } else {
    result = b_.CreateFAdd(f, fused(n, number(x, kLn2Low), rest));
    result = fused(n, number(x, kLn2High), result);
  }
  if (op == ScalarOp::Log1p) {  // also keeps -0
    Value* small = b_.CreateFCmpOLT(intrinsic(llvm::Intrinsic::fabs, x), number(x, 0x1p-25));
    result = b_.CreateSelect(small, x, result);
  }
  Value* infinity = number(x, kInfinity);
  result = b_.CreateSelect(b_.CreateFCmpOEQ(given, infinity), given, result);
  result = b_.CreateSelect(b_.CreateFCmpOEQ(given, number(x, 0)), b_.CreateFNeg(infinity), result);
  return b_.CreateSelect(b_.CreateFCmpULT(given, number(x, 0)), number(x, std::nan("")), result);
}

Value* Scalars::erf_single(Value* x) {
  Value* size = intrinsic(llvm::Intrinsic::fabs, x);
  Value* held = clamp(size, 0, 3.95);
  Value* near = fused(polynomial(b_.CreateFMul(x, x), kErf), x, x);
  Value* g = polynomial(b_.CreateFSub(held, number(x, 2)), kErfc);
  const ExpParts parts = exp_parts(b_.CreateFNeg(g));
  Value* sum =
      b_.CreateFAdd(fused(b_.CreateFMul(parts.r, parts.r), parts.q, parts.r), number(x, 1));
  Value* scale = power_of_two(parts.exponent, x);
  Value* far = fused(b_.CreateFNeg(sum), scale, number(x, 1));
  far = b_.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, far, x);
  return b_.CreateSelect(b_.CreateFCmpOLT(size, number(x, 0.95)), near, far);
}

Value* Scalars::single_math(ScalarOp op, Value* x) {
  switch (op) {
    case ScalarOp::Exp:
    case ScalarOp::Exp2:
      return exp_single(x, op);
    case ScalarOp::Expm1:
      return expm1_single(x);
    case ScalarOp::Log:
    case ScalarOp::Log2:
    case ScalarOp::Log10:
    case ScalarOp::Log1p:
      return log_single(x, op);
    case ScalarOp::Tanh: {  // of d = exp(-2 |x|) - 1: -d / (d + 2), nowhere a cancellation
      Value* size = intrinsic(llvm::Intrinsic::fabs, x);
      const ExpParts parts = exp_parts(b_.CreateFMul(clamp(size, 0, 10), number(x, -2)));
      Value* p = fused(b_.CreateFMul(parts.r, parts.r), parts.q, parts.r);
      Value* scale = power_of_two(parts.exponent, x);
      Value* d = fused(scale, p, b_.CreateFSub(scale, number(x, 1)));
      Value* result = b_.CreateFDiv(d, b_.CreateFAdd(d, number(x, 2)));
      return b_.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, result, x);
    }
    case ScalarOp::Sigmoid: {
      Value* e = exp_single(b_.CreateFNeg(intrinsic(llvm::Intrinsic::fabs, x)), ScalarOp::Exp);
      Value* above = b_.CreateSelect(b_.CreateFCmpOLT(x, number(x, 0)), e, number(x, 1));
      return b_.CreateFDiv(above, b_.CreateFAdd(e, number(x, 1)));
    }
    case ScalarOp::Erf:
      return erf_single(x);
    default:
      return nullptr;
  }
}

}  // namespace trireme::compile
