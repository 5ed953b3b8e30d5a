// SPDX-License-Identifier: Apache-2.0
// The host allocator under threads, fork, exit and a limited address space.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "tests/cpp/run/alloc_testing.h"

namespace trireme::run {
namespace {

using testing::mark;
using testing::marked;
using testing::random_size;
using testing::small_range;

struct Block {
  void* pointer;
  size_t bytes;
  uint64_t value;
};

// Blocks change hands: what one thread allocates another frees.
class Exchange {
 public:
  void put(Block block) {
    const std::lock_guard lock(lock_);
    blocks_.push_back(block);
  }
  bool take(Block& block, uint64_t random) {
    const std::lock_guard lock(lock_);
    if (blocks_.empty()) return false;
    std::swap(blocks_[random % blocks_.size()], blocks_.back());
    block = blocks_.back();
    blocks_.pop_back();
    return true;
  }

 private:
  std::mutex lock_;
  std::vector<Block> blocks_;
};

TEST(HostAllocatorThreads, BlocksMayBeFreedByAnyThread) {
  HostAllocatorOptions options = small_range();
  options.limit_bytes = size_t{512} << 20;
  HostAllocator allocator(options);
  Exchange exchange;
  std::atomic<int> damaged{0};
  std::vector<std::thread> threads;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    threads.emplace_back([&, seed] {
      std::mt19937_64 random(seed);
      for (int step = 0; step < 6000; ++step) {
        Block block{};
        if (random() % 2 == 0) {
          block.bytes = random_size(random, random() % 16 == 0 ? size_t{1} << 20 : size_t{4096});
          block.pointer = allocator.allocate(block.bytes);
          block.value = random();
          mark(block.pointer, block.bytes, block.value);
          exchange.put(block);
        } else if (exchange.take(block, random())) {
          if (!marked(block.pointer, block.bytes, block.value)) ++damaged;
          allocator.free(block.pointer);
        }
        if (step % 1000 == 0) allocator.empty_cache();
        if (step % 500 == 0) static_cast<void>(allocator.stats());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(damaged, 0);
  for (Block block{}; exchange.take(block, 0);) allocator.free(block.pointer);
  const HostAllocatorStats stats = allocator.stats();
  EXPECT_EQ(stats.allocated_bytes.current, 0u);
  EXPECT_EQ(stats.allocations.allocated, stats.allocations.freed);
  allocator.check();
}

TEST(HostAllocatorThreads, AForkedChildGoesOn) {
  HostAllocator allocator(small_range());
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (uint64_t seed = 0; seed < 3; ++seed) {
    threads.emplace_back([&, seed] {
      std::mt19937_64 random(seed);
      while (!stop) {
        void* const pointer = allocator.allocate(random_size(random, size_t{1} << 20));
        allocator.free(pointer);
      }
    });
  }
  void* const kept = allocator.allocate(100000);
  mark(kept, 100000, 42);
  for (int round = 0; round < 20; ++round) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      std::mt19937_64 random(99);
      bool good = marked(kept, 100000, 42);
      for (int step = 0; step < 200; ++step) {
        const size_t bytes = random_size(random, size_t{1} << 20);
        void* const pointer = allocator.allocate(bytes);
        mark(pointer, bytes, 7);
        good = good && marked(pointer, bytes, 7) && marked(kept, 100000, 42);
        allocator.free(pointer);
      }
      allocator.empty_cache();
      allocator.check();
      _exit(good ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(marked(kept, 100000, 42));
  allocator.free(kept);
  allocator.check();
}

[[noreturn]] void exit_while_a_thread_allocates() {
  static struct Late {
    void* pointer = nullptr;
    ~Late() { HostAllocator::instance().free(pointer); }
  } late;
  late.pointer = HostAllocator::instance().allocate(1 << 20);
  std::thread([] {
    for (;;) HostAllocator::instance().free(HostAllocator::instance().allocate(100000));
  }).detach();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  std::exit(0);
}

TEST(HostAllocatorThreads, TheProcessMayExitWithWorkGoingOn) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(exit_while_a_thread_allocates(), ::testing::ExitedWithCode(0), "");
}

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
[[noreturn]] void allocate_in_a_limited_address_space() {
  constexpr size_t kGiB = size_t{1} << 30;
  rlimit limit{};
  limit.rlim_cur = limit.rlim_max = 3 * kGiB;
  setrlimit(RLIMIT_AS, &limit);
  HostAllocator& allocator = HostAllocator::instance();
  void* const block = allocator.allocate(kGiB / 4);
  mark(block, kGiB / 4, 1);
  allocator.free(block);
  void* const other = std::malloc(kGiB / 2);
  std::exit(other != nullptr && allocator.stats().address_bytes <= 3 * kGiB / 2 ? 0 : 1);
}

TEST(HostAllocatorThreads, WorksInALimitedAddressSpace) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(allocate_in_a_limited_address_space(), ::testing::ExitedWithCode(0), "");
}
#endif

}  // namespace
}  // namespace trireme::run
