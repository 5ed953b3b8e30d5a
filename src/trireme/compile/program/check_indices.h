// SPDX-License-Identifier: Apache-2.0
// Indices of gathers and scatters, before a kernel goes by them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "trireme/compile/cluster/lower.h"

namespace trireme::compile {

// Throws std::out_of_range, with the first index that is out of bounds.
void check_indices(const IndexCheck& check, const std::byte* memory,
                   std::span<const int64_t> symbols);

}  // namespace trireme::compile
