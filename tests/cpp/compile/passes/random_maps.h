// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace trireme::compile::testing {

// Text of a well-formed graph: maps with views of all kinds, writes over parts of values, copies,
// sums, maxima, products with vectors, gathers. All numbers are multiples of a quarter between -8
// and 8, so that sums are exact and the order of additions does not matter. The inputs: f32[24]
// (set by quarters), f32[24], f32[4], i64[6] (indices below 4). The same for the same seed.
std::string random_maps(uint64_t seed);

}  // namespace trireme::compile::testing
