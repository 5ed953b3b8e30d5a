// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/build/pointwise.h"

#include <cmath>
#include <variant>

namespace trireme::graph {
namespace {

DType common_dtype(const Lowering& lowering, std::initializer_list<size_t> args,
                   Pointwise::Integers integers) {
  Promotion promotion = lowering.promotion();
  for (const size_t arg : args) {
    if (!lowering.given(arg)) continue;
    if (const auto* number = std::get_if<Number>(&lowering.call().args[arg])) {
      promotion.add(*number);
    } else {
      promotion.add(lowering.tensor(arg));
    }
  }
  return integers == Pointwise::Integers::Stay ? promotion.result() : promotion.floating_result();
}

// As a conversion between integer types does it.
int64_t wrapped(int64_t value, DType dtype) {
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

}  // namespace

Pointwise::Pointwise(Lowering& lowering, std::initializer_list<size_t> args, Integers integers)
    : lowering_(lowering),
      loop_(lowering, lowering.output(0).sizes),
      dtype_(common_dtype(lowering, args, integers)) {
  // Now, so that the order of the operands is that of the arguments, not of an expression in C++.
  for (const size_t arg : args) {
    if (!lowering.given(arg)) continue;
    if (const auto* tensor = std::get_if<Tensor>(&lowering.call().args[arg])) loop_.load(*tensor);
  }
}

Scalar Pointwise::number(const Number& number, DType dtype) {
  if (number.input || is_complex(number.dtype) || !is_integral(dtype)) {
    return loop_.number(number, dtype);
  }
  if (number.dtype == DType::Float64) {
    if (dtype == DType::Bool) return loop_.constant(int64_t{number.real != 0 ? 1 : 0}, dtype);
    require(std::abs(number.real) < 0x1p62, "a number out of an integer's range");
    return loop_.constant(wrapped(static_cast<int64_t>(number.real), dtype), dtype);
  }
  return loop_.constant(wrapped(number.integer, dtype), dtype);
}

Scalar Pointwise::argument(size_t arg, DType dtype) {
  const DType type = compute_type(dtype);
  if (arg < lowering_.call().args.size()) {
    if (const auto* item = std::get_if<Number>(&lowering_.call().args[arg])) {
      return cast(cast(number(*item, type), dtype), type);
    }
  }
  return cast(loop_.load(lowering_.tensor(arg), dtype), type);
}

Scalar Pointwise::exact(size_t arg) { return argument(arg, compute()); }

Scalar Pointwise::exact_or(size_t arg, double otherwise) {
  return given(arg) ? exact(arg) : constant(otherwise);
}

Scalar Pointwise::constant(double value) {
  if (is_integral(dtype_)) return loop_.constant(static_cast<int64_t>(value), dtype_);
  return loop_.constant(value, compute());
}

void Pointwise::store(const Tensor& target, Scalar value) {
  loop_.store(target, value.dtype() == compute() ? cast(value, dtype_) : value);
}

void Pointwise::finish(Scalar value) {
  store(lowering_.output(0), value);
  map();
}

std::optional<double> likely_value(const Number& number) {
  if (number.varies || is_complex(number.dtype)) return std::nullopt;
  return number.dtype == DType::Float64 ? number.real : static_cast<double>(number.integer);
}

bool is_fixed_at(Lowering& lowering, const Number& number, double value) {
  return likely_value(number) == value && lowering.fixed(number) == value;
}

bool is_fixed_at(Lowering& lowering, size_t arg, double value) {
  const auto& args = lowering.call().args;
  if (arg >= args.size()) return false;
  const auto* number = std::get_if<Number>(&args[arg]);
  return number != nullptr && is_fixed_at(lowering, *number, value);
}

}  // namespace trireme::graph
