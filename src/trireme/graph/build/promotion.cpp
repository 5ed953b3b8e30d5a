// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/build/promotion.h"

#include <algorithm>

#include "trireme/graph/build/lowering.h"

namespace trireme::graph {
namespace {

DType complex_of(DType real) {
  return real == DType::Float64 ? DType::Complex128 : DType::Complex64;
}
DType real_of(DType complex) {
  return complex == DType::Complex128 ? DType::Float64 : DType::Float32;
}

int category(DType dtype) {
  if (is_complex(dtype)) return 3;
  if (is_floating(dtype)) return 2;
  return dtype == DType::Bool ? 0 : 1;
}

// The next part counts only where its category is higher; a floating part keeps its precision
// where the next one makes it complex.
std::optional<DType> combine(std::optional<DType> higher, std::optional<DType> lower) {
  if (!higher) return lower;
  if (!lower || category(*higher) >= category(*lower)) return higher;
  if (is_floating(*higher)) {
    if (*higher == DType::Float16) decline("complex numbers of half precision");
    return complex_of(*higher);
  }
  return promote(*higher, *lower);
}

}  // namespace

DType promote(DType left, DType right) {
  if (left == right) return left;
  if (is_complex(left) || is_complex(right)) {
    const DType a = is_complex(left) ? real_of(left) : left;
    const DType b = is_complex(right) ? real_of(right) : right;
    return complex_of(promote(a, b) == DType::Float64 ? DType::Float64 : DType::Float32);
  }
  if (is_floating(left) && is_floating(right)) {
    const DType low = std::min(left, right);
    const DType high = std::max(left, right);
    return low == DType::Float16 && high == DType::BFloat16 ? DType::Float32 : high;
  }
  if (is_floating(left)) return left;
  if (is_floating(right)) return right;
  if (left == DType::Bool) return right;
  if (right == DType::Bool) return left;
  if (left != DType::UInt8 && right != DType::UInt8) return std::max(left, right);
  const DType other = left == DType::UInt8 ? right : left;
  return other == DType::Int8 ? DType::Int16 : other;
}

Promotion& Promotion::add(const Tensor& tensor) {
  if (!tensor.defined()) return *this;
  auto& part = tensor.wrapped ? wrapped_ : (tensor.rank() == 0 ? zero_dim_ : dimensioned_);
  DType dtype = tensor.dtype;
  if (tensor.wrapped && is_complex(dtype)) dtype = complex_of(default_dtype_);
  if (tensor.wrapped && is_floating(dtype)) dtype = default_dtype_;
  part = part ? promote(*part, dtype) : dtype;
  return *this;
}

Promotion& Promotion::add(const Number& number) {
  DType dtype = number.dtype;
  if (is_complex(dtype)) dtype = complex_of(default_dtype_);
  if (is_floating(dtype)) dtype = default_dtype_;
  wrapped_ = wrapped_ ? promote(*wrapped_, dtype) : dtype;
  return *this;
}

DType Promotion::result() const {
  return combine(dimensioned_, combine(zero_dim_, wrapped_)).value_or(default_dtype_);
}

DType Promotion::floating_result() const {
  const DType dtype = result();
  return is_integral(dtype) ? default_dtype_ : dtype;
}

}  // namespace trireme::graph
