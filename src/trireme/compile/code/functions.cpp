// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/code/functions.h"

#include <array>
#include <cmath>

#include "trireme/graph/interpret/special.h"

namespace trireme::compile {
namespace {

using graph::ScalarOp;

MathFunction one(ScalarOp op, const char* name, double (*function)(double)) {
  return {op, name, function, nullptr};
}

MathFunction two(ScalarOp op, const char* name, double (*function)(double, double)) {
  return {op, name, nullptr, function};
}

const auto& table() {
  static const std::array functions = {
      one(ScalarOp::Exp, "trireme_exp", std::exp),
      one(ScalarOp::Exp2, "trireme_exp2", std::exp2),
      one(ScalarOp::Expm1, "trireme_expm1", std::expm1),
      one(ScalarOp::Log, "trireme_log", std::log),
      one(ScalarOp::Log2, "trireme_log2", std::log2),
      one(ScalarOp::Log10, "trireme_log10", std::log10),
      one(ScalarOp::Log1p, "trireme_log1p", std::log1p),
      one(ScalarOp::Sin, "trireme_sin", std::sin),
      one(ScalarOp::Cos, "trireme_cos", std::cos),
      one(ScalarOp::Tan, "trireme_tan", std::tan),
      one(ScalarOp::Asin, "trireme_asin", std::asin),
      one(ScalarOp::Acos, "trireme_acos", std::acos),
      one(ScalarOp::Atan, "trireme_atan", std::atan),
      one(ScalarOp::Sinh, "trireme_sinh", std::sinh),
      one(ScalarOp::Cosh, "trireme_cosh", std::cosh),
      one(ScalarOp::Tanh, "trireme_tanh", std::tanh),
      one(ScalarOp::Asinh, "trireme_asinh", std::asinh),
      one(ScalarOp::Acosh, "trireme_acosh", std::acosh),
      one(ScalarOp::Atanh, "trireme_atanh", std::atanh),
      one(ScalarOp::Erf, "trireme_erf", std::erf),
      one(ScalarOp::Erfc, "trireme_erfc", std::erfc),
      one(ScalarOp::Erfinv, "trireme_erfinv", graph::erfinv),
      one(ScalarOp::Lgamma, "trireme_lgamma", std::lgamma),
      one(ScalarOp::Digamma, "trireme_digamma", graph::digamma),
      two(ScalarOp::Pow, "trireme_pow", std::pow),
      two(ScalarOp::Fmod, "trireme_fmod", std::fmod),
      two(ScalarOp::Atan2, "trireme_atan2", std::atan2),
      two(ScalarOp::Hypot, "trireme_hypot", std::hypot),
  };
  return functions;
}

}  // namespace

std::span<const MathFunction> math_functions() { return table(); }

const MathFunction* math_function(ScalarOp op) {
  for (const MathFunction& function : table()) {
    if (function.op == op) return &function;
  }
  return nullptr;
}

}  // namespace trireme::compile
