// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/storage_blocks.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

namespace trireme::record {
namespace {

constexpr size_t kBytes = 224;

// One thread takes blocks, another gives them back, as the program's and the executor's do.
TEST(StorageBlocks, ABlockIsOneOwnersAtATime) {
  constexpr size_t kSlots = 64;
  constexpr int kRounds = 20'000;
  std::vector<std::atomic<void*>> slots(kSlots);
  std::atomic<bool> ended{false};
  std::atomic<int> wrong{0};
  const auto give_back_all = [&] {
    for (auto& slot : slots) {
      void* block = slot.exchange(nullptr, std::memory_order_acquire);
      if (block == nullptr) continue;
      const auto* bytes = static_cast<const unsigned char*>(block);
      for (size_t i = 1; i < kBytes; ++i) wrong += bytes[i] != bytes[0] ? 1 : 0;
      storage_blocks::give_back(block);
    }
  };
  std::thread executor([&] {
    while (!ended) give_back_all();
  });
  std::set<void*> seen;
  for (int round = 0; round < kRounds; ++round) {
    void* block = storage_blocks::take(kBytes);
    std::memset(block, round % 251, kBytes);
    seen.insert(block);
    void* before = slots[static_cast<size_t>(round) % kSlots].exchange(block);
    if (before != nullptr) storage_blocks::give_back(before);
  }
  ended = true;
  executor.join();
  give_back_all();
  EXPECT_EQ(wrong, 0);
#if !defined(__SANITIZE_ADDRESS__)
  EXPECT_LE(seen.size(), 4 * kSlots) << "blocks are used again";
#endif
}

}  // namespace
}  // namespace trireme::record
