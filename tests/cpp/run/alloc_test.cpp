// SPDX-License-Identifier: Apache-2.0
// What HostAllocator promises to its caller.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/cpp/run/alloc_testing.h"
#include "trireme/base/errors.h"
#include "trireme/run/alloc/memory_limit.h"

namespace trireme::run {
namespace {

using testing::Model;
using testing::random_size;
using testing::small_range;

constexpr size_t kMiB = size_t{1} << 20;

TEST(HostAllocator, GivesAlignedBlocksItOwns) {
  HostAllocator allocator(small_range());
  EXPECT_EQ(allocator.allocate(0), nullptr);
  allocator.free(nullptr);
  for (const size_t bytes : {1, 64, 65, 1000, 4096, 32768, 32769, 65536, 1 << 20, 100 << 20}) {
    void* const pointer = allocator.allocate(bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(pointer) % 64, 0u);
    EXPECT_TRUE(allocator.owns(pointer));
    EXPECT_GE(allocator.block_bytes(pointer), bytes);
    allocator.free(pointer);
    EXPECT_EQ(allocator.block_bytes(pointer), 0u);
  }
  int elsewhere = 0;
  EXPECT_FALSE(allocator.owns(&elsewhere));
  EXPECT_FALSE(allocator.owns(nullptr));
  EXPECT_EQ(allocator.block_bytes(&elsewhere), 0u);
}

TEST(HostAllocator, RandomProgramsNeverOverlapNorLoseData) {
  for (uint64_t seed = 0; seed < 6; ++seed) {
    HostAllocatorOptions options = small_range();
    options.huge_pages = seed % 2 == 0;
    options.move_pages = seed % 3 != 2;
    HostAllocator allocator(options);
    Model model(allocator);
    std::mt19937_64 random(seed);
    const size_t most = seed < 3 ? 4 * kMiB : 64 * 1024;
    for (int step = 0; step < 4000; ++step) {
      const bool grow = step / 500 % 2 == 0;
      if (model.count() == 0 || (model.count() < 600 && random() % 8 < (grow ? 5u : 3u))) {
        ASSERT_NE(model.allocate(random_size(random, most)), nullptr)
            << "seed " << seed << " step " << step;
      } else {
        ASSERT_TRUE(model.free_any(random)) << "seed " << seed << " step " << step;
      }
      if (step % 1000 == 999) allocator.empty_cache();
    }
    allocator.check();
    while (model.count() != 0) ASSERT_TRUE(model.free(0));
    EXPECT_EQ(allocator.stats().allocated_bytes.current, 0u);
    allocator.empty_cache();
    EXPECT_EQ(allocator.stats().reserved_bytes.current, 0u);
  }
}

TEST(HostAllocator, CountsExactly) {
  HostAllocator allocator(small_range());
  void* const a = allocator.allocate(100);
  void* const b = allocator.allocate(40 * 1024 + 1);
  HostAllocatorStats stats = allocator.stats();
  EXPECT_EQ(stats.allocated_bytes.current, 128u + 11 * 4096);
  EXPECT_EQ(stats.allocations.current, 2u);
  EXPECT_GE(stats.reserved_bytes.current, stats.allocated_bytes.current);
  allocator.free(a);
  stats = allocator.stats();
  EXPECT_EQ(stats.allocated_bytes.current, 11u * 4096);
  EXPECT_EQ(stats.allocated_bytes.peak, 128u + 11 * 4096);
  EXPECT_EQ(stats.allocated_bytes.allocated, 128u + 11 * 4096);
  EXPECT_EQ(stats.allocated_bytes.freed, 128u);
  EXPECT_EQ(stats.allocations.freed, 1u);
  allocator.reset_peak();
  EXPECT_EQ(allocator.stats().allocated_bytes.peak, 11u * 4096);
  EXPECT_EQ(allocator.stats().allocations.peak, 1u);
  allocator.reset_accumulated();
  EXPECT_EQ(allocator.stats().allocated_bytes.allocated, 0u);
  allocator.free(b);
  stats = allocator.stats();
  EXPECT_EQ(stats.allocated_bytes.current, 0u);
  EXPECT_EQ(stats.allocated_bytes.freed, 11u * 4096);
  EXPECT_EQ(stats.allocations.current, 0u);
  allocator.empty_cache();
  stats = allocator.stats();
  EXPECT_EQ(stats.reserved_bytes.current, 0u);
  EXPECT_GT(stats.purges, 0u);
  EXPECT_GT(stats.purged_bytes, 0u);
}

TEST(HostAllocator, SumsAgreeWithTheBlocks) {
  HostAllocator allocator(small_range());
  std::mt19937_64 random(7);
  std::vector<void*> live;
  uint64_t bytes = 0, peak = 0, total = 0;
  for (int step = 0; step < 20000; ++step) {
    if (live.empty() || random() % 2 == 0) {
      live.push_back(allocator.allocate(random_size(random, kMiB)));
      const size_t block = allocator.block_bytes(live.back());
      bytes += block;
      total += block;
      peak = std::max(peak, bytes);
    } else {
      std::swap(live[random() % live.size()], live.back());
      bytes -= allocator.block_bytes(live.back());
      allocator.free(live.back());
      live.pop_back();
    }
  }
  const HostAllocatorStats stats = allocator.stats();
  EXPECT_EQ(stats.allocated_bytes.current, bytes);
  EXPECT_EQ(stats.allocated_bytes.peak, peak);
  EXPECT_EQ(stats.allocated_bytes.allocated, total);
  EXPECT_EQ(stats.allocated_bytes.freed, total - bytes);
  EXPECT_EQ(stats.allocations.current, live.size());
  for (void* const pointer : live) allocator.free(pointer);
}

TEST(HostAllocator, FailsOverTheLimitWithTheFigures) {
  HostAllocatorOptions options = small_range();
  options.limit_bytes = 100 * kMiB;
  HostAllocator allocator(options);
  void* const held = allocator.allocate(60 * kMiB);
  try {
    allocator.allocate(50 * kMiB);
    FAIL() << "no error";
  } catch (const OutOfMemory& error) {
    EXPECT_EQ(error.requested(), 50 * kMiB);
    EXPECT_EQ(error.allocated(), 60 * kMiB);
    EXPECT_EQ(error.limit(), 100 * kMiB);
    const std::string message = error.what();
    EXPECT_NE(message.find("Tried to allocate 50.00 MiB"), std::string::npos) << message;
    EXPECT_NE(message.find("limit of 100.00 MiB of which 40.00 MiB is free"), std::string::npos)
        << message;
    EXPECT_NE(message.find("60.00 MiB is allocated"), std::string::npos) << message;
  }
  EXPECT_EQ(allocator.stats().ooms, 1u);
  void* const rest = allocator.allocate(40 * kMiB);
  EXPECT_THROW(allocator.allocate(1), OutOfMemory);
  allocator.set_limit(200 * kMiB);
  allocator.free(allocator.allocate(1));
  allocator.set_limit(10 * kMiB);
  EXPECT_THROW(allocator.allocate(4096), OutOfMemory);
  allocator.free(rest);
  allocator.free(held);
  allocator.free(allocator.allocate(10 * kMiB));
  allocator.set_limit(std::nullopt);
  EXPECT_EQ(allocator.limit(), system_memory_limit());
}

TEST(HostAllocator, RefusesAbsurdSizes) {
  HostAllocator allocator(small_range());
  EXPECT_THROW(allocator.allocate(SIZE_MAX), OutOfMemory);
  EXPECT_THROW(allocator.allocate(SIZE_MAX / 2), OutOfMemory);
  allocator.set_limit(SIZE_MAX / 2);
  EXPECT_THROW(allocator.allocate(size_t{1} << 50), OutOfMemory);
  EXPECT_THROW(allocator.allocate((size_t{16} << 30) - 1), OutOfMemory);
}

TEST(HostAllocator, CachedPagesGiveWayToOtherSizesAtTheLimit) {
  HostAllocatorOptions options = small_range();
  options.limit_bytes = 64 * kMiB;
  HostAllocator allocator(options);
  std::vector<void*> blocks;
  for (int i = 0; i < 512; ++i) blocks.push_back(allocator.allocate(128 * 1024));
  for (size_t i = 0; i < blocks.size(); i += 2) allocator.free(blocks[i]);
  void* const large = allocator.allocate(32 * kMiB);
  EXPECT_LE(allocator.stats().reserved_bytes.current, 64 * kMiB);
  allocator.free(large);
  for (size_t i = 1; i < blocks.size(); i += 2) allocator.free(blocks[i]);
  allocator.check();
}

TEST(HostAllocator, PoisonsFreshBlocks) {
  HostAllocatorOptions options = small_range();
  options.poison = true;
  HostAllocator allocator(options);
  for (const size_t bytes : {7, 100, 50000}) {
    for (int again = 0; again < 2; ++again) {
      auto* const pointer = static_cast<unsigned char*>(allocator.allocate(bytes));
      EXPECT_TRUE(std::all_of(pointer, pointer + bytes, [](unsigned char c) { return c == 0xFF; }));
      std::memset(pointer, 0, bytes);
      allocator.free(pointer);
    }
  }
}

TEST(HostAllocator, ReadsItsEnvironment) {
  setenv("TRIREME_ALLOC_POISON", "1", 1);
  setenv("TRIREME_ALLOC_LIMIT", "123456", 1);
  setenv("TRIREME_ALLOC_HUGE_PAGES", "0", 1);
  const HostAllocatorOptions options = HostAllocatorOptions::from_environment();
  unsetenv("TRIREME_ALLOC_POISON");
  unsetenv("TRIREME_ALLOC_LIMIT");
  unsetenv("TRIREME_ALLOC_HUGE_PAGES");
  EXPECT_TRUE(options.poison);
  EXPECT_EQ(options.limit_bytes, 123456u);
  EXPECT_EQ(options.huge_pages, false);
  const HostAllocatorOptions plain = HostAllocatorOptions::from_environment();
  EXPECT_FALSE(plain.poison || plain.limit_bytes || plain.huge_pages);
}

TEST(HostAllocatorDeathTest, NamesMisuse) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  HostAllocator allocator(small_range());
  auto* const small = static_cast<std::byte*>(allocator.allocate(256));
  auto* const large = static_cast<std::byte*>(allocator.allocate(kMiB));
  int elsewhere = 0;
  EXPECT_DEATH(allocator.free(small + 64), "no live block starts there");
  EXPECT_DEATH(allocator.free(large + 64), "no live block starts there");
  EXPECT_DEATH(allocator.free(large + 4096), "no live block starts there");
  EXPECT_DEATH(allocator.free(&elsewhere), "not a pointer of this allocator");
  allocator.free(small);
  allocator.free(large);
  EXPECT_DEATH(allocator.free(small), "no live block starts there");
  EXPECT_DEATH(allocator.free(large), "no live block starts there");
}

TEST(MemoryLimit, IsTheLeastOfMemoryAndGroups) {
  namespace fs = std::filesystem;
  const fs::path root = fs::path(::testing::TempDir()) / "trireme_memory_limit";
  fs::remove_all(root);
  const auto write = [&](const char* path, const char* text) {
    fs::create_directories((root / path).parent_path());
    std::ofstream(root / path) << text;
  };
  EXPECT_EQ(system_memory_limit(root), SIZE_MAX);
  write("proc/meminfo", "MemTotal:       1000 kB\nMemFree: 10 kB\n");
  EXPECT_EQ(system_memory_limit(root), 1000u * 1024);
  write("proc/self/cgroup", "4:memory:/a/b\n0::/c/d\n");
  write("sys/fs/cgroup/c/d/memory.max", "max\n");
  EXPECT_EQ(system_memory_limit(root), 1000u * 1024);
  write("sys/fs/cgroup/c/memory.max", "900000\n");
  EXPECT_EQ(system_memory_limit(root), 900000u);
  write("sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "800000\n");
  EXPECT_EQ(system_memory_limit(root), 800000u);
  write("sys/fs/cgroup/memory.max", "700000\n");
  EXPECT_EQ(system_memory_limit(root), 700000u);
  fs::remove_all(root);
  EXPECT_GT(system_memory_limit(), kMiB);
}

}  // namespace
}  // namespace trireme::run
