// SPDX-License-Identifier: Apache-2.0
// Arithmetic of two and three arguments.
#include <cmath>
#include <limits>
#include <numbers>

#include "trireme/graph/build/op_table.h"
#include "trireme/graph/build/pointwise.h"

namespace trireme::graph {
namespace {

using Integers = Pointwise::Integers;

// --- add, sub, mul ---

// alpha times argument `arg`. ATen rounds alpha to f16 or bf16, but not the product.
Scalar times_alpha(Lowering& lowering, Pointwise& p, size_t arg) {
  return is_fixed_at(lowering, 2, 1) ? p[arg] : p[2] * p[arg];
}

void add(Lowering& lowering) {
  Pointwise p(lowering, {0, 1});
  p.finish(p[0] + times_alpha(lowering, p, 1));
}

void sub(Lowering& lowering) {
  Pointwise p(lowering, {0, 1});
  require(p.dtype() != DType::Bool, "subtraction of bools");
  p.finish(p[0] - times_alpha(lowering, p, 1));
}

void rsub(Lowering& lowering) {
  Pointwise p(lowering, {0, 1});
  require(p.dtype() != DType::Bool, "subtraction of bools");
  p.finish(p[1] - times_alpha(lowering, p, 0));
}

// ATen takes the second factor or divisor as it is, not rounded to f16 or bf16, where it is one
// number.
bool second_is_single(const Lowering& lowering) {
  const auto* tensor = std::get_if<Tensor>(&lowering.call().args[1]);
  return tensor == nullptr || tensor->host || product(tensor->sizes).is(1);
}

Scalar second(const Lowering& lowering, Pointwise& p) {
  return second_is_single(lowering) ? p.exact(1) : p[1];
}

void mul(Lowering& lowering) {
  Pointwise p(lowering, {0, 1});
  p.finish(p[0] * second(lowering, p));
}

// --- division ---

enum class Rounding : uint8_t { None, Trunc, Floor };

void divide(Lowering& lowering, Rounding rounding) {
  Pointwise p(lowering, {0, 1},
              rounding == Rounding::None ? Integers::BecomeFloating : Integers::Stay);
  const Scalar a = p[0];
  const Scalar b = second(lowering, p);
  if (rounding == Rounding::None) return p.finish(a / b);
  require(!is_complex(p.dtype()) && p.dtype() != DType::Bool, "rounded division of this dtype");
  if (rounding == Rounding::Floor) return p.finish(apply(ScalarOp::FloorDiv, a, b));
  const Scalar quotient = a / b;
  // Integers are rounded towards zero as they are divided.
  if (is_integral(p.dtype())) return p.finish(quotient);
  // ATen's quotient has the type of the arguments, and may be rounded up to a whole number.
  p.finish(apply(ScalarOp::Trunc, second_is_single(lowering) ? quotient : p.rounded(quotient)));
}

void div(Lowering& lowering) { divide(lowering, Rounding::None); }
void floor_divide(Lowering& lowering) { divide(lowering, Rounding::Floor); }

void div_mode(Lowering& lowering) {
  if (!lowering.given(2)) return divide(lowering, Rounding::None);
  const std::string_view mode = lowering.text(2);
  require(mode == "trunc" || mode == "floor", "an unknown rounding mode");
  divide(lowering, mode == "trunc" ? Rounding::Trunc : Rounding::Floor);
}

// --- plain binary functions ---

template <ScalarOp op, Integers integers = Integers::Stay>
void real_binary(Lowering& lowering) {
  Pointwise p(lowering, {0, 1}, integers);
  require(!is_complex(p.dtype()) && p.dtype() != DType::Bool, "a function of real numbers only");
  p.finish(apply(op, p[0], p[1]));
}

template <ScalarOp op>
void extremum(Lowering& lowering) {
  Pointwise p(lowering, {0, 1});
  require(!is_complex(p.dtype()), "an order of complex numbers");
  constexpr bool least = op == ScalarOp::Minimum || op == ScalarOp::Fmin;
  if (p.dtype() == DType::Bool) return p.finish(least ? p[0] & p[1] : p[0] | p[1]);
  constexpr ScalarOp of_integers = least ? ScalarOp::Minimum : ScalarOp::Maximum;
  p.finish(apply(is_integral(p.dtype()) ? of_integers : op, p[0], p[1]));
}

// --- pow ---

// As ATen's kernel takes these exponents of floating and complex bases, but f16. sqrt and pow
// differ at -0 and -inf.
std::optional<Scalar> special_power(Scalar base, double exponent) {
  if (exponent == 0.5) return sqrt(base);
  if (exponent == -0.5) return rsqrt(base);
  if (exponent == -1) return apply(ScalarOp::Reciprocal, base);
  if (exponent == -2) return apply(ScalarOp::Reciprocal, base * base);
  return std::nullopt;
}

std::optional<Scalar> small_power(Scalar base, double exponent) {
  if (exponent == 0) return base.constant(1);
  if (exponent == 1) return base;
  if (exponent == 2) return base * base;
  if (exponent == 3) return base * base * base;
  return std::nullopt;
}

void pow(Lowering& lowering) {
  Pointwise p(lowering, {0, 1});
  require(p.dtype() != DType::Bool, "a power of bools");
  const Scalar base = p[0];
  if (const auto* number = std::get_if<Number>(&lowering.call().args[1])) {
    if (const auto exponent = likely_value(*number)) {
      auto value = small_power(base, *exponent);
      if (!value && !is_integral(p.dtype()) && p.dtype() != DType::Float16) {
        value = special_power(base, *exponent);
      }
      if (value) {
        lowering.fixed(*number);
        return p.finish(*value);
      }
    }
  }
  p.finish(apply(ScalarOp::Pow, base, p[1]));
}

// --- clamp ---

Scalar at_least(Scalar value, Scalar bound) {
  return value.dtype() == DType::Bool ? value | bound : maximum(value, bound);
}

Scalar at_most(Scalar value, Scalar bound) {
  return value.dtype() == DType::Bool ? value & bound : minimum(value, bound);
}

void clamp(Lowering& lowering) {
  Pointwise p(lowering, {0, 1, 2});
  require(!is_complex(p.dtype()), "an order of complex numbers");
  Scalar value = p[0];
  if (p.given(1)) value = at_least(value, p[1]);
  if (p.given(2)) value = at_most(value, p[2]);
  p.finish(value);
}

void clamp_min(Lowering& lowering) {
  Pointwise p(lowering, {0, 1});
  require(!is_complex(p.dtype()), "an order of complex numbers");
  p.finish(at_least(p[0], p[1]));
}

void clamp_max(Lowering& lowering) {
  Pointwise p(lowering, {0, 1});
  require(!is_complex(p.dtype()), "an order of complex numbers");
  p.finish(at_most(p[0], p[1]));
}

// --- functions of three arguments ---

// Argument 3 times argument 1.
Scalar times_value(Lowering& lowering, Pointwise& p) {
  return is_fixed_at(lowering, 3, 1) ? p[1] : p.exact(3) * p[1];
}

void addcmul(Lowering& lowering) {
  Pointwise p(lowering, {0, 1, 2});
  require(p.dtype() != DType::Bool, "addcmul of bools");
  p.finish(p[0] + times_value(lowering, p) * p[2]);
}

void addcdiv(Lowering& lowering) {
  Pointwise p(lowering, {0, 1, 2});
  require(!is_integral(p.dtype()), "addcdiv of integers");
  p.finish(p[0] + times_value(lowering, p) / p[2]);
}

// The formula is exact at both ends: see ATen/native/Lerp.h.
Scalar lerp_value(Scalar start, Scalar end, Scalar weight) {
  const Scalar small = apply(ScalarOp::Abs, weight) < 0.5;
  const Scalar difference = end - start;
  return select(small, start + weight * difference, end - difference * (1.0 - weight));
}

void lerp_number(Lowering& lowering) {
  Pointwise p(lowering, {0, 1});
  require(!is_integral(p.dtype()), "lerp of integers");
  p.finish(lerp_value(p[0], p[1], p.exact(2)));
}

void lerp_tensor(Lowering& lowering) {
  Pointwise p(lowering, {0, 1, 2});
  require(!is_integral(p.dtype()), "lerp of integers");
  p.finish(lerp_value(p[0], p[1], p[2]));
}

// --- other functions of two arguments ---

void heaviside(Lowering& lowering) {
  Pointwise p(lowering, {0, 1});
  require(!is_complex(p.dtype()), "an order of complex numbers");
  const Scalar a = p[0];
  const Scalar zero = p.constant(0);
  p.finish(select(a == zero, p[1], cast(a > zero, a.dtype())));
}

// log(exp(a) + exp(b)) without overflow; with `two`, of powers of two.
void logaddexp_of(Lowering& lowering, bool two) {
  Pointwise p(lowering, {0, 1});
  require(is_floating(p.dtype()), "logaddexp of this dtype");
  const Scalar a = p[0];
  const Scalar b = p[1];
  const Scalar gap = -abs(a - b);
  const Scalar rest =
      two ? log1p(apply(ScalarOp::Exp2, gap)) * (1 / std::numbers::ln2) : log1p(exp(gap));
  const Scalar same_infinity = (a == b) & apply(ScalarOp::IsInf, a);
  p.finish(select(same_infinity, a, maximum(a, b) + rest));
}

void logaddexp(Lowering& lowering) { logaddexp_of(lowering, false); }
void logaddexp2(Lowering& lowering) { logaddexp_of(lowering, true); }

// x * log(y), 0 for x = 0 unless y is NaN.
template <ScalarOp logarithm>
void x_log_y(Lowering& lowering) {
  Pointwise p(lowering, {0, 1}, Integers::BecomeFloating);
  require(is_floating(p.dtype()), "xlogy of this dtype");
  const Scalar x = p[0];
  const Scalar y = p[1];
  const Scalar value = select(x == 0.0, p.constant(0), x * apply(logarithm, y));
  p.finish(select(apply(ScalarOp::IsNan, y), y, value));
}

void complex_of_parts(Lowering& lowering) {
  Pointwise p(lowering, {0, 1});
  require(p.compute() == p.dtype() && is_floating(p.dtype()), "complex of this dtype");
  p.finish(apply(ScalarOp::Complex, p[0], p[1]));
}

void polar(Lowering& lowering) {
  Pointwise p(lowering, {0, 1});
  require(p.compute() == p.dtype() && is_floating(p.dtype()), "polar of this dtype");
  const Scalar angle = p[1];
  p.finish(apply(ScalarOp::Complex, p[0] * apply(ScalarOp::Cos, angle),
                 p[0] * apply(ScalarOp::Sin, angle)));
}

}  // namespace

void add_pointwise_rows(OpTable& table) {
  table.add({"add.Tensor", "add_.Tensor", "add.out", "add.Scalar", "add_.Scalar", "add.Scalar_out"},
            add);
  table.add({"sub.Tensor", "sub_.Tensor", "sub.out", "sub.Scalar", "sub_.Scalar", "sub.Scalar_out"},
            sub);
  table.add({"rsub.Tensor", "rsub.Tensor_out", "rsub.Scalar", "rsub.Scalar_out"}, rsub);
  table.add({"mul.Tensor", "mul_.Tensor", "mul.out", "mul.Scalar", "mul_.Scalar", "mul.Scalar_out"},
            mul);
  table.add({"div.Tensor", "div_.Tensor", "div.out", "div.Scalar", "div_.Scalar", "div.Scalar_out"},
            div);
  table.add({"div.Tensor_mode", "div_.Tensor_mode", "div.out_mode", "div.Scalar_mode",
             "div_.Scalar_mode", "div.Scalar_mode_out"},
            div_mode);
  table.add({"floor_divide", "floor_divide_.Tensor", "floor_divide.out", "floor_divide.Scalar",
             "floor_divide_.Scalar", "floor_divide.Scalar_out"},
            floor_divide);
  table.add({"remainder.Tensor", "remainder_.Tensor", "remainder.Tensor_out", "remainder.Scalar",
             "remainder_.Scalar", "remainder.Scalar_out", "remainder.Scalar_Tensor",
             "remainder.Scalar_Tensor_out"},
            real_binary<ScalarOp::Remainder>);
  table.add({"fmod.Tensor", "fmod_.Tensor", "fmod.Tensor_out", "fmod.Scalar", "fmod_.Scalar",
             "fmod.Scalar_out"},
            real_binary<ScalarOp::Fmod>);
  table.add({"atan2", "atan2_", "atan2.out"},
            real_binary<ScalarOp::Atan2, Integers::BecomeFloating>);
  table.add({"hypot", "hypot_", "hypot.out"}, real_binary<ScalarOp::Hypot>);
  table.add({"copysign.Tensor", "copysign_.Tensor", "copysign.out", "copysign.Scalar",
             "copysign_.Scalar", "copysign.Scalar_out"},
            real_binary<ScalarOp::Copysign, Integers::BecomeFloating>);
  table.add({"minimum", "minimum.out"}, extremum<ScalarOp::Minimum>);
  table.add({"maximum", "maximum.out"}, extremum<ScalarOp::Maximum>);
  table.add({"fmin", "fmin.out"}, extremum<ScalarOp::Fmin>);
  table.add({"fmax", "fmax.out"}, extremum<ScalarOp::Fmax>);
  table.add({"pow.Tensor_Tensor", "pow.Tensor_Tensor_out", "pow.Tensor_Scalar",
             "pow.Tensor_Scalar_out", "pow.Scalar", "pow.Scalar_out", "pow_.Scalar", "pow_.Tensor"},
            pow);
  table.add({"clamp", "clamp_", "clamp.out", "clamp.Tensor", "clamp_.Tensor", "clamp.Tensor_out"},
            clamp);
  table.add({"clamp_min", "clamp_min_", "clamp_min.out", "clamp_min.Tensor", "clamp_min_.Tensor",
             "clamp_min.Tensor_out"},
            clamp_min);
  table.add({"clamp_max", "clamp_max_", "clamp_max.out", "clamp_max.Tensor", "clamp_max_.Tensor",
             "clamp_max.Tensor_out"},
            clamp_max);
  table.add({"addcmul", "addcmul_", "addcmul.out"}, addcmul);
  table.add({"addcdiv", "addcdiv_", "addcdiv.out"}, addcdiv);
  table.add({"lerp.Scalar", "lerp_.Scalar", "lerp.Scalar_out"}, lerp_number);
  table.add({"lerp.Tensor", "lerp_.Tensor", "lerp.Tensor_out"}, lerp_tensor);
  table.add({"heaviside", "heaviside_", "heaviside.out"}, heaviside);
  table.add({"logaddexp", "logaddexp.out"}, logaddexp);
  table.add({"logaddexp2", "logaddexp2.out"}, logaddexp2);
  table.add({"xlogy.Tensor", "xlogy_.Tensor", "xlogy.OutTensor", "xlogy.Scalar_Self",
             "xlogy.OutScalar_Self", "xlogy.Scalar_Other", "xlogy_.Scalar_Other",
             "xlogy.OutScalar_Other"},
            x_log_y<ScalarOp::Log>);
  table.add({"special_xlog1py", "special_xlog1py.out", "special_xlog1py.self_scalar",
             "special_xlog1py.self_scalar_out", "special_xlog1py.other_scalar",
             "special_xlog1py.other_scalar_out"},
            x_log_y<ScalarOp::Log1p>);
  table.add({"complex", "complex.out"}, complex_of_parts);
  table.add({"polar", "polar.out"}, polar);
}

}  // namespace trireme::graph
