// SPDX-License-Identifier: Apache-2.0
// PyTorch's global settings that a form was recorded under: a part of its signature's first word.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>

namespace trireme::record::stream {

struct GlobalState {
  c10::ScalarType default_dtype = c10::ScalarType::Float;
  bool deterministic = false;
  bool fill_uninitialized = false;

  bool operator==(const GlobalState&) const = default;

  // As build_signature packs it.
  static GlobalState unpack(uint64_t word) {
    return {static_cast<c10::ScalarType>((word >> 32U) & 0xffU), (word >> 41U & 1U) != 0,
            (word >> 42U & 1U) != 0};
  }
  uint64_t pack(bool grad_mode) const {
    return (static_cast<uint64_t>(default_dtype) | static_cast<uint64_t>(grad_mode) << 8U |
            static_cast<uint64_t>(deterministic) << 9U |
            static_cast<uint64_t>(fill_uninitialized) << 10U)
           << 32U;
  }
};

}  // namespace trireme::record::stream
