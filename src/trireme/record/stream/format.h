// SPDX-License-Identifier: Apache-2.0
// The stream file: magic, version, then frames. docs/stream.md describes it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>

namespace trireme::record::stream {

inline constexpr std::array<uint8_t, 8> kMagic = {'T', 'R', 'I', 'R', 'E', 'M', 'E', 0x1a};
inline constexpr uint32_t kFormatVersion = 2;

// Each frame: length and checksum (both little-endian uint32), then a FlatBuffer of that length.
inline constexpr size_t kFrameHeader = 8;
inline constexpr uint32_t kLargestFrame = 64U << 20U;

inline constexpr size_t kBatchBytes =
    64U << 10U;  // events are gathered into a frame of about this size
inline constexpr size_t kInlineBytes = 64U << 10U;  // a larger payload follows its event in chunks
inline constexpr size_t kChunkBytes = 1U << 20U;

// Of the frame's place in the file, its length and its contents: so that no frame can be lost,
// doubled or moved.
uint32_t frame_checksum(uint64_t index, std::span<const uint8_t> contents);

// What is wrong with a file's contents; the reader adds file and place.
class Invalid : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace trireme::record::stream
