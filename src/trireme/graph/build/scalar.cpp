// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/build/scalar.h"

#include <cmath>
#include <stdexcept>
#include <string>

namespace trireme::graph {
namespace {

Scalar node(Expression& expression, ScalarOp op, DType dtype, std::array<ExprId, 3> args) {
  return {expression, expression.add({.op = op, .dtype = dtype, .args = args})};
}

bool gives_bool(ScalarOp op) {
  return is_comparison(op) || op == ScalarOp::IsNan || op == ScalarOp::IsInf;
}

bool gives_real(ScalarOp op) {
  return op == ScalarOp::Abs || op == ScalarOp::Real || op == ScalarOp::Imag;
}

DType real_part(DType dtype) {
  if (dtype == DType::Complex64) return DType::Float32;
  return dtype == DType::Complex128 ? DType::Float64 : dtype;
}

}  // namespace

Scalar Scalar::constant(double value) const {
  const DType type = dtype();
  ExprNode constant{.op = ScalarOp::Constant, .dtype = type};
  if (is_integral(type)) {
    constant.integer = static_cast<int64_t>(value);
    if (static_cast<double>(constant.integer) != value) {
      throw std::logic_error("constant " + std::to_string(value) + " of an integer expression");
    }
  } else {
    constant.value = value;
  }
  return {*expression_, expression_->add(constant)};
}

Scalar apply(ScalarOp op, Scalar a) {
  DType dtype = a.dtype();
  if (gives_bool(op)) dtype = DType::Bool;
  if (gives_real(op)) dtype = real_part(dtype);
  return node(a.expression(), op, dtype, {a.id()});
}

Scalar apply(ScalarOp op, Scalar a, Scalar b) {
  if (a.dtype() != b.dtype() || &a.expression() != &b.expression()) {
    throw std::logic_error(std::string(name_of(op)) + " of " + std::string(name_of(a.dtype())) +
                           " and " + std::string(name_of(b.dtype())));
  }
  DType dtype = a.dtype();
  if (gives_bool(op)) dtype = DType::Bool;
  if (op == ScalarOp::Complex) {
    dtype = dtype == DType::Float64 ? DType::Complex128 : DType::Complex64;
  }
  return node(a.expression(), op, dtype, {a.id(), b.id()});
}

Scalar cast(Scalar a, DType dtype) {
  return a.dtype() == dtype ? a : node(a.expression(), ScalarOp::Cast, dtype, {a.id()});
}

Scalar truth(Scalar a) { return cast(a, DType::Bool); }

Scalar select(Scalar condition, Scalar a, Scalar b) {
  if (condition.dtype() != DType::Bool || a.dtype() != b.dtype()) {
    throw std::logic_error("select of unlike types");
  }
  return node(a.expression(), ScalarOp::Select, a.dtype(), {condition.id(), a.id(), b.id()});
}

Scalar operator-(Scalar a) { return apply(ScalarOp::Neg, a); }
Scalar operator!(Scalar a) { return apply(ScalarOp::Not, a); }
Scalar operator+(Scalar a, Scalar b) { return apply(ScalarOp::Add, a, b); }
Scalar operator-(Scalar a, Scalar b) { return apply(ScalarOp::Sub, a, b); }
Scalar operator*(Scalar a, Scalar b) { return apply(ScalarOp::Mul, a, b); }
Scalar operator/(Scalar a, Scalar b) { return apply(ScalarOp::Div, a, b); }
Scalar operator<(Scalar a, Scalar b) { return apply(ScalarOp::Lt, a, b); }
Scalar operator<=(Scalar a, Scalar b) { return apply(ScalarOp::Le, a, b); }
Scalar operator>(Scalar a, Scalar b) { return apply(ScalarOp::Gt, a, b); }
Scalar operator>=(Scalar a, Scalar b) { return apply(ScalarOp::Ge, a, b); }
Scalar operator==(Scalar a, Scalar b) { return apply(ScalarOp::Eq, a, b); }
Scalar operator!=(Scalar a, Scalar b) { return apply(ScalarOp::Ne, a, b); }
Scalar operator&(Scalar a, Scalar b) { return apply(ScalarOp::And, a, b); }
Scalar operator|(Scalar a, Scalar b) { return apply(ScalarOp::Or, a, b); }

Scalar operator+(Scalar a, double b) { return a + a.constant(b); }
Scalar operator-(Scalar a, double b) { return a - a.constant(b); }
Scalar operator-(double a, Scalar b) { return b.constant(a) - b; }
Scalar operator*(Scalar a, double b) { return a * a.constant(b); }
Scalar operator/(Scalar a, double b) { return a / a.constant(b); }
Scalar operator/(double a, Scalar b) { return b.constant(a) / b; }
Scalar operator<(Scalar a, double b) { return a < a.constant(b); }
Scalar operator<=(Scalar a, double b) { return a <= a.constant(b); }
Scalar operator>(Scalar a, double b) { return a > a.constant(b); }
Scalar operator>=(Scalar a, double b) { return a >= a.constant(b); }
Scalar operator==(Scalar a, double b) { return a == a.constant(b); }
Scalar operator!=(Scalar a, double b) { return a != a.constant(b); }

Scalar abs(Scalar a) { return apply(ScalarOp::Abs, a); }
Scalar sqrt(Scalar a) { return apply(ScalarOp::Sqrt, a); }
Scalar rsqrt(Scalar a) { return apply(ScalarOp::Rsqrt, a); }
Scalar exp(Scalar a) { return apply(ScalarOp::Exp, a); }
Scalar log(Scalar a) { return apply(ScalarOp::Log, a); }
Scalar log1p(Scalar a) { return apply(ScalarOp::Log1p, a); }
Scalar tanh(Scalar a) { return apply(ScalarOp::Tanh, a); }
Scalar sigmoid(Scalar a) { return apply(ScalarOp::Sigmoid, a); }
Scalar minimum(Scalar a, Scalar b) { return apply(ScalarOp::Minimum, a, b); }
Scalar maximum(Scalar a, Scalar b) { return apply(ScalarOp::Maximum, a, b); }

}  // namespace trireme::graph
