// SPDX-License-Identifier: Apache-2.0
#include "trireme/base/copy_bytes.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

namespace trireme::base {
namespace {

std::vector<uint8_t> some_bytes(size_t count, uint32_t seed) {
  std::vector<uint8_t> bytes(count);
  for (auto& byte : bytes) byte = static_cast<uint8_t>((seed = seed * 1664525 + 1013904223) >> 24U);
  return bytes;
}

// Copies into the middle of larger memory: nothing before or after it changes.
void check_copy(size_t bytes, size_t at, bool helped) {
  const std::vector<uint8_t> from = some_bytes(bytes, static_cast<uint32_t>(bytes));
  std::vector<uint8_t> to(at + bytes + 64, 7);
  copy_bytes(to.data() + at, from.data(), bytes, helped);
  const std::vector<uint8_t> copied(to.begin() + static_cast<ptrdiff_t>(at),
                                    to.end() - ptrdiff_t{64});
  EXPECT_EQ(copied, from) << bytes;
  for (size_t i = 0; i < at; ++i) ASSERT_EQ(to[i], 7);
  for (size_t i = at + bytes; i < to.size(); ++i) ASSERT_EQ(to[i], 7);
}

TEST(CopyBytes, AnySizeAndPlace) {
  constexpr size_t kMiB = size_t{1} << 20U;
  for (const bool helped : {false, true}) {
    for (const size_t bytes : {size_t{0}, size_t{1}, kMiB - 1, kMiB, kMiB + 1, 3 * kMiB + 4097}) {
      for (const size_t at : {size_t{0}, size_t{3}, size_t{4095}}) check_copy(bytes, at, helped);
    }
  }
}

TEST(CopyBytes, ThreadsCopyAtATime) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([i] {
      for (int turn = 0; turn < 8; ++turn) {
        check_copy((size_t{1} << 20U) + static_cast<size_t>(i * 5000 + turn), 1, /*helped=*/true);
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace trireme::base
