// SPDX-License-Identifier: Apache-2.0
// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC11)
// and how Trireme's random stream maps onto its counter and key.
//
//   key     = the seed                                    (low word, high word)
//   counter = block index (low 64 bits), offset (high 64 bits), each low word first
//   block   = 4 words of 32 bits
//
// An element with logical (row-major) index i reads, in the call whose offset is `offset`,
//   a 32-bit draw: word i % 4 of block i / 4
//   a 64-bit draw: words 2 * (i % 2) (low) and 2 * (i % 2) + 1 (high) of block i / 2
// docs/random.md says which distribution uses which.
#pragma once

#include <array>
#include <cstdint>

namespace trireme::base {

// What a recorded random call carries. Two calls with the same state draw the same words.
struct PhiloxState {
  uint64_t seed = 0;
  uint64_t offset = 0;
  friend bool operator==(const PhiloxState&, const PhiloxState&) = default;
};

// How far one call advances the generator's offset, whatever its size. CUDA-like APIs demand a
// multiple of 4; a kernel may use the streams offset, offset + 1, .. offset + 3.
inline constexpr uint64_t kPhiloxStride = 4;

using PhiloxBlock = std::array<uint32_t, 4>;

namespace philox {

inline constexpr uint32_t kMultiplier0 = 0xD2511F53;
inline constexpr uint32_t kMultiplier1 = 0xCD9E8D57;
inline constexpr uint32_t kWeyl0 = 0x9E3779B9;  // golden ratio
inline constexpr uint32_t kWeyl1 = 0xBB67AE85;  // sqrt(3) - 1
inline constexpr int kRounds = 10;

// The bijection itself; the bulk generator (block_kernels_impl.h) is the same over many blocks.
constexpr PhiloxBlock philox4x32(PhiloxBlock counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t product0 = uint64_t{kMultiplier0} * counter[0];
    const uint64_t product1 = uint64_t{kMultiplier1} * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<uint32_t>(product0)};
    key = {key[0] + kWeyl0, key[1] + kWeyl1};
  }
  return counter;
}

constexpr uint32_t low_word(uint64_t value) { return static_cast<uint32_t>(value); }
constexpr uint32_t high_word(uint64_t value) { return static_cast<uint32_t>(value >> 32); }

// Block `index` of the stream of one call.
constexpr PhiloxBlock block(PhiloxState state, uint64_t index) {
  return philox4x32(
      {low_word(index), high_word(index), low_word(state.offset), high_word(state.offset)},
      {low_word(state.seed), high_word(state.seed)});
}

// Element draws, one at a time: the definition the bulk kernels are tested against.
constexpr uint32_t draw32(PhiloxState state, uint64_t element) {
  return block(state, element / 4)[element % 4];
}
constexpr uint64_t draw64(PhiloxState state, uint64_t element) {
  const PhiloxBlock words = block(state, element / 2);
  const uint64_t pair = element % 2;
  return words[2 * pair] | (uint64_t{words[2 * pair + 1]} << 32);
}

}  // namespace philox
}  // namespace trireme::base
