// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/ir/dtype.h"

#include <array>

namespace trireme::graph {
namespace {

struct Facts {
  std::string_view name;
  size_t size;
};

constexpr std::array<Facts, kDTypeCount> kFacts = {{{"bool", 1},
                                                    {"u8", 1},
                                                    {"i8", 1},
                                                    {"i16", 2},
                                                    {"i32", 4},
                                                    {"i64", 8},
                                                    {"f16", 2},
                                                    {"bf16", 2},
                                                    {"f32", 4},
                                                    {"f64", 8},
                                                    {"c64", 8},
                                                    {"c128", 16}}};

const Facts& facts(DType dtype) { return kFacts[static_cast<size_t>(dtype)]; }

}  // namespace

std::string_view name_of(DType dtype) { return facts(dtype).name; }

std::optional<DType> parse_dtype(std::string_view name) {
  for (size_t i = 0; i < kFacts.size(); ++i) {
    if (kFacts[i].name == name) return static_cast<DType>(i);
  }
  return std::nullopt;
}

size_t size_of(DType dtype) { return facts(dtype).size; }

bool is_floating(DType dtype) { return dtype >= DType::Float16 && dtype <= DType::Float64; }
bool is_complex(DType dtype) { return dtype >= DType::Complex64; }
bool is_integral(DType dtype) { return dtype <= DType::Int64; }
bool is_signed(DType dtype) { return dtype >= DType::Int8; }

DType compute_type(DType dtype) {
  return dtype == DType::Float16 || dtype == DType::BFloat16 ? DType::Float32 : dtype;
}

}  // namespace trireme::graph
