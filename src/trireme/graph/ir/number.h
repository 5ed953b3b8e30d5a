// SPDX-License-Identifier: Apache-2.0
// A Python number, as a call was given it.
#pragma once

#include <cstdint>
#include <optional>

#include "trireme/graph/ir/dtype.h"

namespace trireme::graph {

// Int64, Float64, Bool or Complex128.
struct Number {
  DType dtype = DType::Int64;
  int64_t integer = 0;  // Int64, Bool
  double real = 0;      // Float64, Complex128
  double imag = 0;
  // Which scalar input of the graph it is; none: it has this value whenever the graph runs.
  std::optional<uint32_t> input;
  // It was seen with another value: nothing may be decided by the value.
  bool varies = false;
};

}  // namespace trireme::graph
