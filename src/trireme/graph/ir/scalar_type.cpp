// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/ir/scalar_type.h"

namespace trireme::graph {
namespace {

// Which dtypes an operator that keeps its arguments' dtype takes.
bool takes(ScalarOp op, DType dtype) {
  switch (op) {
    case ScalarOp::Neg:
    case ScalarOp::Add:
    case ScalarOp::Sub:
    case ScalarOp::Mul:
    case ScalarOp::Div:
    case ScalarOp::Pow:
      return true;
    case ScalarOp::Conj:
      return is_complex(dtype);
    case ScalarOp::Not:
    case ScalarOp::And:
    case ScalarOp::Or:
    case ScalarOp::Xor:
      return is_integral(dtype);
    case ScalarOp::ShiftLeft:
    case ScalarOp::ShiftRight:
      return is_integral(dtype) && dtype != DType::Bool;
    case ScalarOp::Erf:
    case ScalarOp::Erfc:
    case ScalarOp::Erfinv:
    case ScalarOp::Lgamma:
    case ScalarOp::Digamma:
    case ScalarOp::Atan2:
    case ScalarOp::Hypot:
    case ScalarOp::Copysign:
      return is_floating(dtype);
    case ScalarOp::Sign:
    case ScalarOp::Ceil:
    case ScalarOp::Floor:
    case ScalarOp::Round:
    case ScalarOp::Trunc:
    case ScalarOp::FloorDiv:
    case ScalarOp::Fmod:
    case ScalarOp::Remainder:
    case ScalarOp::Minimum:
    case ScalarOp::Maximum:
    case ScalarOp::Fmin:
    case ScalarOp::Fmax:
      return !is_complex(dtype);
    default:  // functions of one argument: roots, exponentials, trigonometry
      return is_floating(dtype) || is_complex(dtype);
  }
}

std::optional<DType> if_holds(bool holds, DType dtype) {
  return holds ? std::optional(dtype) : std::nullopt;
}

std::optional<DType> complex_of(DType part) {
  if (part == DType::Float32) return DType::Complex64;
  return if_holds(part == DType::Float64, DType::Complex128);
}

}  // namespace

DType real_type(DType dtype) {
  if (dtype == DType::Complex64) return DType::Float32;
  return dtype == DType::Complex128 ? DType::Float64 : dtype;
}

std::optional<DType> result_type(ScalarOp op, std::span<const DType> args) {
  if (arity(op) == 0 || op == ScalarOp::Cast || args.size() != arity(op)) return std::nullopt;
  const DType first = args[0];
  if (op == ScalarOp::Select) return if_holds(first == DType::Bool && args[1] == args[2], args[1]);
  if (args.size() == 2 && args[1] != first) return std::nullopt;
  if (is_comparison(op)) {
    const bool ordered = op != ScalarOp::Eq && op != ScalarOp::Ne;
    return if_holds(!ordered || !is_complex(first), DType::Bool);
  }
  switch (op) {
    case ScalarOp::IsNan:
    case ScalarOp::IsInf:
      return DType::Bool;
    case ScalarOp::Abs:
      return real_type(first);
    case ScalarOp::Real:
    case ScalarOp::Imag:
      return if_holds(is_complex(first), real_type(first));
    case ScalarOp::Complex:
      return complex_of(first);
    default:
      return if_holds(takes(op, first), first);
  }
}

}  // namespace trireme::graph
