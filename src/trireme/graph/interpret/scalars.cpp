// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/interpret/scalars.h"

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "trireme/graph/interpret/special.h"
#include "trireme/graph/ir/half.h"

namespace trireme::graph {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t kLowest = std::numeric_limits<int64_t>::min();

[[noreturn]] void unknown(ScalarOp op, DType dtype) {
  throw std::logic_error("interpreter: " + std::string(name_of(op)) + " of " +
                         std::string(name_of(dtype)));
}

// As Python: the sign of the divisor.
double remainder_of(double a, double b) {
  const double rest = std::fmod(a, b);
  return rest != 0 && (b < 0) != (rest < 0) ? rest + b : rest;
}

// As CPython's float_floor_div: exact where a quotient rounds up to the next integer.
double floor_divide(double a, double b) {
  if (b == 0) return a / b;
  const double rest = std::fmod(a, b);
  double quotient = (a - rest) / b;
  if (rest != 0 && (b < 0) != (rest < 0)) quotient -= 1;
  if (quotient == 0) return std::copysign(0.0, a / b);
  const double below = std::floor(quotient);
  return quotient - below > 0.5 ? below + 1 : below;
}

double sign_of(double a) { return static_cast<double>(a > 0) - static_cast<double>(a < 0); }

uint64_t bits(int64_t value) { return static_cast<uint64_t>(value); }

int64_t power(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 1) return 1;
    if (base == -1) return exponent % 2 == 0 ? 1 : -1;
    return 0;
  }
  uint64_t result = 1;
  for (uint64_t factor = bits(base); exponent != 0; exponent /= 2, factor *= factor) {
    if (exponent % 2 != 0) result *= factor;
  }
  return static_cast<int64_t>(result);
}

int64_t divide(int64_t a, int64_t b) {
  if (b == 0) return 0;
  if (b == -1) return static_cast<int64_t>(-bits(a));
  return a / b;
}

int64_t modulo(int64_t a, int64_t b) { return b == 0 || b == -1 ? 0 : a % b; }

int64_t shift_left(DType dtype, int64_t a, int64_t b) {
  const auto width = static_cast<int64_t>(size_of(dtype)) * 8;
  return b < 0 || b >= width ? 0 : static_cast<int64_t>(bits(a) << bits(b));
}

int64_t shift_right(DType dtype, int64_t a, int64_t b) {
  const auto width = static_cast<int64_t>(size_of(dtype)) * 8;
  const int64_t most = is_signed(dtype) ? width - 1 : width;
  if (b >= 0 && b < most) return a >> b;
  return a < 0 ? -1 : 0;
}

}  // namespace

double round_to(DType dtype, double value) {
  switch (dtype) {
    case DType::Float64:
    case DType::Complex128:
      return value;
    case DType::Float16:
      return float16_to_float(float_to_float16(static_cast<float>(value)));
    case DType::BFloat16:
      return bfloat16_to_float(float_to_bfloat16(static_cast<float>(value)));
    default:
      return static_cast<float>(value);
  }
}

Complex round_to(DType dtype, Complex value) {
  return {round_to(dtype, value.real()), round_to(dtype, value.imag())};
}

int64_t wrap_to(DType dtype, int64_t value) {
  switch (dtype) {
    case DType::Bool:
      return value != 0 ? 1 : 0;
    case DType::UInt8:
      return static_cast<uint8_t>(value);
    case DType::Int8:
      return static_cast<int8_t>(value);
    case DType::Int16:
      return static_cast<int16_t>(value);
    case DType::Int32:
      return static_cast<int32_t>(value);
    default:
      return value;
  }
}

int64_t to_integer(DType dtype, double value) {
  if (dtype == DType::Bool) return value != 0 ? 1 : 0;
  const bool fits = value >= -0x1p63 && value < 0x1p63;
  return wrap_to(dtype, fits ? static_cast<int64_t>(value) : kLowest);
}

double apply_real(ScalarOp op, DType dtype, double a, double b) {
  switch (op) {
    case ScalarOp::Neg:
      return -a;
    case ScalarOp::Abs:
      return std::abs(a);
    case ScalarOp::Sign:
      return sign_of(a);
    case ScalarOp::Ceil:
      return std::ceil(a);
    case ScalarOp::Floor:
      return std::floor(a);
    case ScalarOp::Round:
      return std::nearbyint(a);
    case ScalarOp::Trunc:
      return std::trunc(a);
    case ScalarOp::Sqrt:
      return std::sqrt(a);
    case ScalarOp::Rsqrt:
      return 1 / std::sqrt(a);
    case ScalarOp::Reciprocal:
      return 1 / a;
    case ScalarOp::Exp:
      return std::exp(a);
    case ScalarOp::Exp2:
      return std::exp2(a);
    case ScalarOp::Expm1:
      return std::expm1(a);
    case ScalarOp::Log:
      return std::log(a);
    case ScalarOp::Log2:
      return std::log2(a);
    case ScalarOp::Log10:
      return std::log10(a);
    case ScalarOp::Log1p:
      return std::log1p(a);
    case ScalarOp::Sin:
      return std::sin(a);
    case ScalarOp::Cos:
      return std::cos(a);
    case ScalarOp::Tan:
      return std::tan(a);
    case ScalarOp::Asin:
      return std::asin(a);
    case ScalarOp::Acos:
      return std::acos(a);
    case ScalarOp::Atan:
      return std::atan(a);
    case ScalarOp::Sinh:
      return std::sinh(a);
    case ScalarOp::Cosh:
      return std::cosh(a);
    case ScalarOp::Tanh:
      return std::tanh(a);
    case ScalarOp::Asinh:
      return std::asinh(a);
    case ScalarOp::Acosh:
      return std::acosh(a);
    case ScalarOp::Atanh:
      return std::atanh(a);
    case ScalarOp::Erf:
      return std::erf(a);
    case ScalarOp::Erfc:
      return std::erfc(a);
    case ScalarOp::Erfinv:
      return erfinv(a);
    case ScalarOp::Lgamma:
      return std::lgamma(a);
    case ScalarOp::Digamma:
      return digamma(a);
    case ScalarOp::Sigmoid:
      return 1 / (1 + std::exp(-a));
    case ScalarOp::Real:
    case ScalarOp::Conj:
      return a;
    case ScalarOp::Imag:
      return 0;
    case ScalarOp::Add:
      return a + b;
    case ScalarOp::Sub:
      return a - b;
    case ScalarOp::Mul:
      return a * b;
    case ScalarOp::Div:
      return a / b;
    case ScalarOp::FloorDiv:
      return floor_divide(a, b);
    case ScalarOp::Fmod:
      return std::fmod(a, b);
    case ScalarOp::Remainder:
      return remainder_of(a, b);
    case ScalarOp::Pow:
      return std::pow(a, b);
    case ScalarOp::Atan2:
      return std::atan2(a, b);
    case ScalarOp::Hypot:
      return std::hypot(a, b);
    case ScalarOp::Copysign:
      return std::copysign(a, b);
    case ScalarOp::Minimum:
      return std::isnan(a) || std::isnan(b) ? kNaN : std::min(a, b);
    case ScalarOp::Maximum:
      return std::isnan(a) || std::isnan(b) ? kNaN : std::max(a, b);
    case ScalarOp::Fmin:
      return std::fmin(a, b);
    case ScalarOp::Fmax:
      return std::fmax(a, b);
    default:
      unknown(op, dtype);
  }
}

int64_t apply_integer(ScalarOp op, DType dtype, int64_t a, int64_t b) {
  switch (op) {
    case ScalarOp::Neg:
      return static_cast<int64_t>(-bits(a));
    case ScalarOp::Abs:
      return a < 0 ? static_cast<int64_t>(-bits(a)) : a;
    case ScalarOp::Sign:
      return static_cast<int64_t>(a > 0) - static_cast<int64_t>(a < 0);
    case ScalarOp::Not:
      return dtype == DType::Bool ? static_cast<int64_t>(a == 0) : ~a;
    case ScalarOp::Ceil:
    case ScalarOp::Floor:
    case ScalarOp::Round:
    case ScalarOp::Trunc:
    case ScalarOp::Real:
    case ScalarOp::Conj:
      return a;
    case ScalarOp::Add:
      return static_cast<int64_t>(bits(a) + bits(b));
    case ScalarOp::Sub:
      return static_cast<int64_t>(bits(a) - bits(b));
    case ScalarOp::Mul:
      return static_cast<int64_t>(bits(a) * bits(b));
    case ScalarOp::Div:
      return divide(a, b);
    case ScalarOp::FloorDiv: {
      const int64_t rest = modulo(a, b);
      return divide(a, b) - (rest != 0 && (rest < 0) != (b < 0) ? 1 : 0);
    }
    case ScalarOp::Fmod:
      return modulo(a, b);
    case ScalarOp::Remainder: {
      const int64_t rest = modulo(a, b);
      return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
    }
    case ScalarOp::Pow:
      return power(a, b);
    case ScalarOp::Minimum:
    case ScalarOp::Fmin:
      return std::min(a, b);
    case ScalarOp::Maximum:
    case ScalarOp::Fmax:
      return std::max(a, b);
    case ScalarOp::And:
      return a & b;
    case ScalarOp::Or:
      return a | b;
    case ScalarOp::Xor:
      return a ^ b;
    case ScalarOp::ShiftLeft:
      return shift_left(dtype, a, b);
    case ScalarOp::ShiftRight:
      return shift_right(dtype, a, b);
    default:
      unknown(op, dtype);
  }
}

Complex apply_complex(ScalarOp op, DType dtype, Complex a, Complex b) {
  switch (op) {
    case ScalarOp::Neg:
      return -a;
    case ScalarOp::Sign:
      return a == Complex() ? Complex() : a / std::abs(a);
    case ScalarOp::Conj:
      return std::conj(a);
    case ScalarOp::Sqrt:
      return std::sqrt(a);
    case ScalarOp::Rsqrt:
      return Complex(1) / std::sqrt(a);
    case ScalarOp::Reciprocal:
      return Complex(1) / a;
    case ScalarOp::Exp:
      return std::exp(a);
    case ScalarOp::Exp2:
      return std::exp(a * std::log(2.0));
    case ScalarOp::Expm1: {
      const double half_sine = std::sin(a.imag() / 2);
      return {std::expm1(a.real()) * std::cos(a.imag()) - 2 * half_sine * half_sine,
              std::exp(a.real()) * std::sin(a.imag())};
    }
    case ScalarOp::Log:
      return std::log(a);
    case ScalarOp::Log2:
      return std::log(a) / std::log(2.0);
    case ScalarOp::Log10:
      return std::log10(a);
    case ScalarOp::Log1p: {
      const Complex z = Complex(1) + a;
      return {std::log(std::abs(z)), std::arg(z)};
    }
    case ScalarOp::Sin:
      return std::sin(a);
    case ScalarOp::Cos:
      return std::cos(a);
    case ScalarOp::Tan:
      return std::tan(a);
    case ScalarOp::Asin:
      return std::asin(a);
    case ScalarOp::Acos:
      return std::acos(a);
    case ScalarOp::Atan:
      return std::atan(a);
    case ScalarOp::Sinh:
      return std::sinh(a);
    case ScalarOp::Cosh:
      return std::cosh(a);
    case ScalarOp::Tanh:
      return std::tanh(a);
    case ScalarOp::Asinh:
      return std::asinh(a);
    case ScalarOp::Acosh:
      return std::acosh(a);
    case ScalarOp::Atanh:
      return std::atanh(a);
    case ScalarOp::Sigmoid:
      return Complex(1) / (Complex(1) + std::exp(-a));
    case ScalarOp::Add:
      return a + b;
    case ScalarOp::Sub:
      return a - b;
    case ScalarOp::Mul:  // plainly: ATen's kernels do not mend infinities either
      return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
    case ScalarOp::Div:
      return a / b;
    case ScalarOp::Pow:
      return std::pow(a, b);
    default:
      unknown(op, dtype);
  }
}

bool test_real(ScalarOp op, double a, double b) {
  switch (op) {
    case ScalarOp::IsNan:
      return std::isnan(a);
    case ScalarOp::IsInf:
      return std::isinf(a);
    case ScalarOp::Eq:
      return a == b;
    case ScalarOp::Ne:
      return a != b;
    case ScalarOp::Lt:
      return a < b;
    case ScalarOp::Le:
      return a <= b;
    case ScalarOp::Gt:
      return a > b;
    case ScalarOp::Ge:
      return a >= b;
    default:
      unknown(op, DType::Float64);
  }
}

bool test_integer(ScalarOp op, int64_t a, int64_t b) {
  switch (op) {
    case ScalarOp::IsNan:
    case ScalarOp::IsInf:
      return false;
    case ScalarOp::Eq:
      return a == b;
    case ScalarOp::Ne:
      return a != b;
    case ScalarOp::Lt:
      return a < b;
    case ScalarOp::Le:
      return a <= b;
    case ScalarOp::Gt:
      return a > b;
    case ScalarOp::Ge:
      return a >= b;
    default:
      unknown(op, DType::Int64);
  }
}

bool test_complex(ScalarOp op, Complex a, Complex b) {
  switch (op) {
    case ScalarOp::IsNan:
      return std::isnan(a.real()) || std::isnan(a.imag());
    case ScalarOp::IsInf:
      return std::isinf(a.real()) || std::isinf(a.imag());
    case ScalarOp::Eq:
      return a == b;
    case ScalarOp::Ne:
      return a != b;
    default:
      unknown(op, DType::Complex128);
  }
}

}  // namespace trireme::graph
