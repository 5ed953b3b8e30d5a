// SPDX-License-Identifier: Apache-2.0
// Element types of values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace trireme::graph {

enum class DType : uint8_t {
  Bool,
  UInt8,
  Int8,
  Int16,
  Int32,
  Int64,
  Float16,
  BFloat16,
  Float32,
  Float64,
  Complex64,
  Complex128,
};

inline constexpr size_t kDTypeCount = 12;

// bool, u8, i8, i16, i32, i64, f16, bf16, f32, f64, c64, c128
std::string_view name_of(DType dtype);
std::optional<DType> parse_dtype(std::string_view name);

// In bytes.
size_t size_of(DType dtype);

bool is_floating(DType dtype);  // real: f16, bf16, f32, f64
bool is_complex(DType dtype);
bool is_integral(DType dtype);  // integers and bool
bool is_signed(DType dtype);

// The type a scalar computation of this type is done in: f32 for f16 and bf16, else itself.
DType compute_type(DType dtype);

}  // namespace trireme::graph
