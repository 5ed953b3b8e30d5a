// SPDX-License-Identifier: Apache-2.0
// SipHash-2-4 with 128 bits of output: J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast
// short-input PRF", 2012; the 128-bit finish is that of the authors' reference implementation.
#pragma once

#include <cstdint>
#include <span>

namespace trireme::base {

struct Hash128 {
  uint64_t first = 0;  // of the reference's 16 bytes of output, each little-endian
  uint64_t second = 0;
  bool operator==(const Hash128&) const = default;
};

// Of the bytes under the key (two words, little-endian).
Hash128 siphash128(std::span<const uint8_t> bytes, uint64_t key0, uint64_t key1);

}  // namespace trireme::base
