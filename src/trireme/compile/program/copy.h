// SPDX-License-Identifier: Apache-2.0
// Plain moves of elements, where no kernel is worth while.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace trireme::compile {

// Copies elements of `element` bytes, read with strides (in elements), to a dense row-major array.
void copy_strided(const std::byte* from, std::byte* to, std::span<const int64_t> sizes,
                  std::span<const int64_t> strides, size_t element);

// Zeroes elements that lie with strides.
void fill_zero(std::byte* memory, std::span<const int64_t> sizes, std::span<const int64_t> strides,
               size_t element);

// Copies bytes with as many threads as that is worth.
void copy_dense(const std::byte* from, std::byte* to, size_t bytes);

}  // namespace trireme::compile
