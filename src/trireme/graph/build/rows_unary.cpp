// SPDX-License-Identifier: Apache-2.0
// Functions of one argument.
#include <cmath>
#include <limits>
#include <numbers>

#include "trireme/graph/build/op_table.h"
#include "trireme/graph/build/pointwise.h"

namespace trireme::graph {
namespace {

using Integers = Pointwise::Integers;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Of integers, in the default dtype.
template <ScalarOp op>
void floating(Lowering& lowering) {
  Pointwise p(lowering, {0}, Integers::BecomeFloating);
  p.finish(apply(op, p[0]));
}

// ATen has these for real numbers only.
template <ScalarOp op>
void real_floating(Lowering& lowering) {
  Pointwise p(lowering, {0}, Integers::BecomeFloating);
  require(is_floating(p.dtype()), "a function of real numbers only");
  p.finish(apply(op, p[0]));
}

// Integers are integral already.
template <ScalarOp op>
void integral_part(Lowering& lowering) {
  Pointwise p(lowering, {0});
  require(!is_complex(p.dtype()), "a function of real numbers only");
  p.finish(is_integral(p.dtype()) ? p[0] : apply(op, p[0]));
}

void neg(Lowering& lowering) {
  Pointwise p(lowering, {0});
  require(p.dtype() != DType::Bool, "negation of bools");
  p.finish(-p[0]);
}

void abs_value(Lowering& lowering) {
  Pointwise p(lowering, {0});
  const bool unsigned_type = p.dtype() == DType::Bool || p.dtype() == DType::UInt8;
  p.finish(unsigned_type ? p[0] : abs(p[0]));
}

void sign(Lowering& lowering) {
  Pointwise p(lowering, {0});
  const Scalar a = p[0];
  if (p.dtype() == DType::Bool) return p.finish(a);
  if (!is_complex(p.dtype())) return p.finish(apply(ScalarOp::Sign, a));
  const Scalar size = abs(a);
  const Scalar unit =
      apply(ScalarOp::Complex, apply(ScalarOp::Real, a) / size, apply(ScalarOp::Imag, a) / size);
  p.finish(select(size == 0.0, p.constant(0), unit));
}

void frac(Lowering& lowering) {
  Pointwise p(lowering, {0});
  require(is_floating(p.dtype()), "the fraction of this dtype");
  p.finish(p[0] - apply(ScalarOp::Trunc, p[0]));
}

void round_decimals(Lowering& lowering) {
  Pointwise p(lowering, {0});
  const int64_t decimals = lowering.integer(1);
  require(!is_complex(p.dtype()) && std::abs(decimals) < 300, "a function of real numbers only");
  const Scalar a = p[0];
  if (is_integral(p.dtype())) {
    require(decimals == 0, "decimals of integers");
    return p.finish(a);
  }
  if (decimals == 0) return p.finish(apply(ScalarOp::Round, a));
  const double scale = std::pow(10.0, static_cast<double>(std::abs(decimals)));
  p.finish(decimals > 0 ? apply(ScalarOp::Round, a * scale) / scale
                        : apply(ScalarOp::Round, a / scale) * scale);
}

template <ScalarOp op>
void predicate(Lowering& lowering) {
  Pointwise p(lowering, {0});
  p.finish(is_integral(p.dtype()) ? p.loop().constant(int64_t{0}, DType::Bool) : apply(op, p[0]));
}

template <bool positive>
void is_infinity(Lowering& lowering) {
  Pointwise p(lowering, {0});
  require(!is_complex(p.dtype()), "an order of complex numbers");
  if (is_integral(p.dtype())) return p.finish(p.loop().constant(int64_t{0}, DType::Bool));
  p.finish(p[0] == (positive ? kInfinity : -kInfinity));
}

void signbit(Lowering& lowering) {
  Pointwise p(lowering, {0});
  require(!is_complex(p.dtype()), "an order of complex numbers");
  if (p.dtype() == DType::Bool) return p.finish(p.loop().constant(int64_t{0}, DType::Bool));
  if (is_integral(p.dtype())) return p.finish(p[0] < p.constant(0));
  p.finish(apply(ScalarOp::Copysign, p.constant(1), p[0]) < 0.0);  // tells -0 from 0
}

void sinc(Lowering& lowering) {
  Pointwise p(lowering, {0}, Integers::BecomeFloating);
  const Scalar a = p[0];
  const Scalar angle = a * std::numbers::pi;
  p.finish(select(a == 0.0, p.constant(1), apply(ScalarOp::Sin, angle) / angle));
}

// -x log(x)
void entropy(Lowering& lowering) {
  Pointwise p(lowering, {0}, Integers::BecomeFloating);
  require(is_floating(p.dtype()), "entr of this dtype");
  const Scalar x = p[0];
  const Scalar otherwise = select(x == 0.0, p.constant(0), p.constant(-kInfinity));
  p.finish(select(apply(ScalarOp::IsNan, x), x, select(x > 0.0, -x * log(x), otherwise)));
}

void deg2rad(Lowering& lowering) {
  Pointwise p(lowering, {0}, Integers::BecomeFloating);
  require(is_floating(p.dtype()), "deg2rad of this dtype");
  p.finish(p[0] * (std::numbers::pi / 180));
}

void rad2deg(Lowering& lowering) {
  Pointwise p(lowering, {0}, Integers::BecomeFloating);
  require(is_floating(p.dtype()), "rad2deg of this dtype");
  p.finish(p[0] * (180 / std::numbers::pi));
}

// Without eps, log(x / (1 - x)); with it, of x clamped to [eps, 1 - eps].
void logit(Lowering& lowering) {
  Pointwise p(lowering, {0}, Integers::BecomeFloating);
  require(is_floating(p.dtype()), "logit of this dtype");
  Scalar x = p[0];
  if (p.given(1) && lowering.fixed(lowering.number(1)) >= 0) {
    const Scalar low = p[1];
    const Scalar high = 1.0 - low;
    x = select(x < low, low, select(x > high, high, x));
  }
  p.finish(log(x / (1.0 - x)));
}

double largest(DType dtype) {
  switch (dtype) {
    case DType::Float16:
      return 65504;
    case DType::BFloat16:
      return 0x1.fep127;
    case DType::Float32:
    case DType::Complex64:
      return std::numeric_limits<float>::max();
    default:
      return std::numeric_limits<double>::max();
  }
}

void nan_to_num(Lowering& lowering) {
  Pointwise p(lowering, {0});
  if (is_integral(p.dtype())) return p.finish(p[0]);
  const auto replaced = [&](Scalar part) {
    const auto bound = [&](size_t arg, double otherwise) {
      return p.given(arg) ? p.loop().number(lowering.number(arg), part.dtype())
                          : p.loop().constant(otherwise, part.dtype());
    };
    Scalar value = select(apply(ScalarOp::IsNan, part), bound(1, 0), part);
    value = select(part == kInfinity, bound(2, largest(p.dtype())), value);
    return select(part == -kInfinity, bound(3, -largest(p.dtype())), value);
  };
  const Scalar a = p[0];
  if (!is_complex(p.dtype())) return p.finish(replaced(a));
  p.finish(apply(ScalarOp::Complex, replaced(apply(ScalarOp::Real, a)),
                 replaced(apply(ScalarOp::Imag, a))));
}

// --- complex numbers ---

void angle(Lowering& lowering) {
  Pointwise p(lowering, {0}, Integers::BecomeFloating);
  const Scalar a = p[0];
  if (is_complex(p.dtype())) {
    return p.finish(apply(ScalarOp::Atan2, apply(ScalarOp::Imag, a), apply(ScalarOp::Real, a)));
  }
  const Scalar value = select(a < 0.0, p.constant(std::numbers::pi), p.constant(0));
  p.finish(select(apply(ScalarOp::IsNan, a), a, value));
}

}  // namespace

void add_unary_rows(OpTable& table) {
  table.add({"reciprocal", "reciprocal_", "reciprocal.out"}, floating<ScalarOp::Reciprocal>);
  table.add({"sqrt", "sqrt_", "sqrt.out"}, floating<ScalarOp::Sqrt>);
  table.add({"rsqrt", "rsqrt_", "rsqrt.out"}, floating<ScalarOp::Rsqrt>);
  table.add({"exp", "exp_", "exp.out"}, floating<ScalarOp::Exp>);
  table.add({"exp2", "exp2_", "exp2.out"}, floating<ScalarOp::Exp2>);
  table.add({"expm1", "expm1_", "expm1.out"}, floating<ScalarOp::Expm1>);
  table.add({"log", "log_", "log.out"}, floating<ScalarOp::Log>);
  table.add({"log2", "log2_", "log2.out"}, floating<ScalarOp::Log2>);
  table.add({"log10", "log10_", "log10.out"}, floating<ScalarOp::Log10>);
  table.add({"log1p", "log1p_", "log1p.out"}, floating<ScalarOp::Log1p>);
  table.add({"sin", "sin_", "sin.out"}, floating<ScalarOp::Sin>);
  table.add({"cos", "cos_", "cos.out"}, floating<ScalarOp::Cos>);
  table.add({"tan", "tan_", "tan.out"}, floating<ScalarOp::Tan>);
  table.add({"asin", "asin_", "asin.out"}, floating<ScalarOp::Asin>);
  table.add({"acos", "acos_", "acos.out"}, floating<ScalarOp::Acos>);
  table.add({"atan", "atan_", "atan.out"}, floating<ScalarOp::Atan>);
  table.add({"sinh", "sinh_", "sinh.out"}, floating<ScalarOp::Sinh>);
  table.add({"cosh", "cosh_", "cosh.out"}, floating<ScalarOp::Cosh>);
  table.add({"tanh", "tanh_", "tanh.out"}, floating<ScalarOp::Tanh>);
  table.add({"asinh", "asinh_", "asinh.out"}, floating<ScalarOp::Asinh>);
  table.add({"acosh", "acosh_", "acosh.out"}, floating<ScalarOp::Acosh>);
  table.add({"atanh", "atanh_", "atanh.out"}, floating<ScalarOp::Atanh>);
  table.add({"sigmoid", "sigmoid_", "sigmoid.out"}, floating<ScalarOp::Sigmoid>);
  table.add({"erf", "erf_", "erf.out"}, real_floating<ScalarOp::Erf>);
  table.add({"erfc", "erfc_", "erfc.out"}, real_floating<ScalarOp::Erfc>);
  table.add({"erfinv", "erfinv_", "erfinv.out"}, real_floating<ScalarOp::Erfinv>);
  table.add({"lgamma", "lgamma_", "lgamma.out"}, real_floating<ScalarOp::Lgamma>);
  table.add({"digamma", "digamma_", "digamma.out"}, real_floating<ScalarOp::Digamma>);
  table.add({"ceil", "ceil_", "ceil.out"}, integral_part<ScalarOp::Ceil>);
  table.add({"floor", "floor_", "floor.out"}, integral_part<ScalarOp::Floor>);
  table.add({"round", "round_", "round.out"}, integral_part<ScalarOp::Round>);
  table.add({"trunc", "trunc_", "trunc.out"}, integral_part<ScalarOp::Trunc>);
  table.add({"round.decimals", "round_.decimals", "round.decimals_out"}, round_decimals);
  table.add({"neg", "neg_", "neg.out"}, neg);
  table.add({"abs", "abs_", "abs.out"}, abs_value);
  table.add({"sign", "sign_", "sign.out", "sgn", "sgn_", "sgn.out"}, sign);
  table.add({"frac", "frac_", "frac.out"}, frac);
  table.add({"isnan", "isnan.out"}, predicate<ScalarOp::IsNan>);
  table.add({"isinf", "isinf.out"}, predicate<ScalarOp::IsInf>);
  table.add({"isposinf", "isposinf.out"}, is_infinity<true>);
  table.add({"isneginf", "isneginf.out"}, is_infinity<false>);
  table.add({"signbit", "signbit.out"}, signbit);
  table.add({"sinc", "sinc_", "sinc.out"}, sinc);
  table.add({"special_entr", "special_entr.out"}, entropy);
  table.add({"deg2rad", "deg2rad_", "deg2rad.out"}, deg2rad);
  table.add({"rad2deg", "rad2deg_", "rad2deg.out"}, rad2deg);
  table.add({"logit", "logit_", "logit.out"}, logit);
  table.add({"nan_to_num", "nan_to_num_", "nan_to_num.out"}, nan_to_num);
  table.add({"angle", "angle.out"}, angle);
}

}  // namespace trireme::graph
