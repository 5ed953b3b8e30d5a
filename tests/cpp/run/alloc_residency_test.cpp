// SPDX-License-Identifier: Apache-2.0
// What the kernel says of the host allocator: page faults and resident memory.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "tests/cpp/run/alloc_testing.h"
#include "tests/cpp/run/alloc_trace.h"

namespace trireme::run {
namespace {

using testing::minor_faults;
using testing::Model;
using testing::resident_bytes;
using testing::small_range;
using testing::TraceEvent;
using testing::TrainingTrace;

constexpr size_t kMiB = size_t{1} << 20;
// Besides the allocator's own 1/64 and 8 MiB: its tables, and what the test itself takes.
constexpr size_t kOverhead = 4 * kMiB;

size_t bound(size_t peak) { return peak + peak / 64 + 8 * kMiB; }

// Huge pages, and moving.
class Residency : public ::testing::TestWithParam<std::pair<bool, bool>> {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    GTEST_SKIP() << "a sanitizer's shadow memory faults and is resident too";
#endif
    if (GetParam().first && !huge_pages_offered())
      GTEST_SKIP() << "the kernel offers no huge pages";
  }
  static HostAllocatorOptions options() {
    HostAllocatorOptions options = small_range();
    options.huge_pages = GetParam().first;
    options.move_pages = GetParam().second;
    return options;
  }
};

INSTANTIATE_TEST_SUITE_P(Modes, Residency,
                         ::testing::Values(std::pair(false, false), std::pair(false, true),
                                           std::pair(true, false), std::pair(true, true)),
                         [](const auto& info) {
                           return std::string(info.param.first ? "HugePages" : "SmallPages") +
                                  (info.param.second ? "Moving" : "Purging");
                         });

class Program {
 public:
  explicit Program(HostAllocator& allocator) : allocator_(allocator) {}
  ~Program() {
    for (void* const pointer : blocks_) allocator_.free(pointer);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void run(const std::vector<TraceEvent>& events, size_t base) {
    for (const auto& [bytes, slot] : events) {
      if (slot >= blocks_.size()) blocks_.resize(slot + 1);
      if (bytes == 0) {
        allocator_.free(blocks_[slot]);
        blocks_[slot] = nullptr;
      } else {
        blocks_[slot] = allocator_.allocate(bytes);
        for (size_t at = 0; at < bytes; at += 4096) static_cast<char*>(blocks_[slot])[at] = 1;
      }
      if (base != 0 && ++events_ % 8 == 0) most_ = std::max(most_, resident_bytes() - base);
    }
  }
  size_t most_resident() const { return most_; }

 private:
  HostAllocator& allocator_;
  std::vector<void*> blocks_;
  size_t events_ = 0;
  size_t most_ = 0;
};

TEST_P(Residency, TrainingSettlesWithoutFaultsNearThePeakOfTheLive) {
  HostAllocator allocator(options());
  const size_t base = resident_bytes();
  TrainingTrace trace({});
  Program program(allocator);
  program.run(trace.setup(), base);
  for (int step = 0; step < 8; ++step) program.run(trace.step(), base);
  // Blocks that live from one step to the next make every step's placement a little different; now
  // and then one needs pages that cannot be moved to it.
  constexpr int kSteps = 12;
  uint64_t faults = 0;
  for (int step = 0; step < kSteps; ++step) {
    const std::vector<TraceEvent> events = trace.step();
    const uint64_t before = minor_faults();
    program.run(events, 0);
    faults += minor_faults() - before;
  }
  const uint64_t pages = allocator.stats().allocated_bytes.peak / 4096;
  EXPECT_LT(faults / kSteps, GetParam().second ? pages / 200 : pages / 10);
  const HostAllocatorStats stats = allocator.stats();
  EXPECT_GT(stats.allocated_bytes.peak, 100 * kMiB);
  EXPECT_LE(stats.reserved_bytes.peak, bound(stats.allocated_bytes.peak));
  EXPECT_LE(program.most_resident(), bound(stats.allocated_bytes.peak) + kOverhead);
  allocator.check();
}

TEST_P(Residency, BatchesOfAnyLengthStayWithinTheBound) {
  HostAllocator allocator(options());
  const size_t base = resident_bytes();
  TrainingTrace trace({});
  Program program(allocator);
  program.run(trace.setup(), base);
  std::mt19937_64 random(3);
  for (int step = 0; step < 12; ++step) {
    program.run(trace.step(64 + random() % 448), base);
    const size_t peak = allocator.stats().allocated_bytes.peak;
    ASSERT_LE(program.most_resident(), bound(peak) + kOverhead) << "step " << step;
  }
  const HostAllocatorStats stats = allocator.stats();
  EXPECT_LE(stats.reserved_bytes.peak, bound(stats.allocated_bytes.peak));
  allocator.check();
}

TEST_P(Residency, RandomProgramsStayWithinTheBound) {
  for (uint64_t seed = 0; seed < 4; ++seed) {
    HostAllocator allocator(options());
    const size_t base = resident_bytes();
    {
      Model model(allocator);
      std::mt19937_64 random(seed);
      for (int phase = 0; phase < 6; ++phase) {
        // Every phase has sizes of its own: what the one before left behind fits badly.
        const size_t most = (64 * 1024) << random() % 7;
        const size_t count = std::max<size_t>(8, 48 * kMiB / most);
        for (size_t step = 0; step < 3 * count; ++step) {
          if (model.count() == 0 || (model.count() < count && random() % 3 != 0)) {
            ASSERT_NE(model.allocate(33 * 1024 + random() % most), nullptr);
          } else {
            ASSERT_TRUE(model.free_any(random));
          }
        }
        const HostAllocatorStats stats = allocator.stats();
        ASSERT_LE(stats.reserved_bytes.peak, bound(stats.allocated_bytes.peak));
        ASSERT_LE(resident_bytes() - base, bound(stats.allocated_bytes.peak) + kOverhead);
        allocator.check();
        while (model.count() > count / 8) ASSERT_TRUE(model.free_any(random));
      }
    }
  }
}

TEST_P(Residency, TheWorstHolesArePurged) {
  HostAllocator allocator(options());
  const size_t base = resident_bytes();
  // One small block of 16 stays, all over 128 MiB; then as much again in one block.
  std::vector<void*> blocks;
  for (size_t i = 0; i < 128 * 16; ++i) {
    blocks.push_back(allocator.allocate(64 * 1024));
    testing::mark(blocks.back(), 64 * 1024, i);
  }
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (i % 16 != 0) allocator.free(blocks[i]);
  }
  void* const large = allocator.allocate(120 * kMiB);
  testing::mark(large, 120 * kMiB, 1);
  EXPECT_LE(resident_bytes() - base, bound(128 * kMiB) + kOverhead);
  for (size_t i = 0; i < blocks.size(); i += 16) {
    EXPECT_TRUE(testing::marked(blocks[i], 64 * 1024, i));
    allocator.free(blocks[i]);
  }
  allocator.free(large);
  allocator.check();
}

TEST_P(Residency, FreedPagesStayUntilTheCacheIsEmptied) {
  HostAllocator allocator(options());
  const size_t bytes = 16 * kMiB;
  void* const block = allocator.allocate(bytes);
  testing::mark(block, bytes, 1);
  std::vector<void*> small;
  for (int i = 0; i < 4096; ++i) {
    small.push_back(allocator.allocate(1024));
    testing::mark(small.back(), 1024, 1);
  }
  const void* const first_small = *std::min_element(small.begin(), small.end());
  allocator.free(block);
  for (void* const pointer : small) allocator.free(pointer);
  EXPECT_EQ(resident_bytes(block, bytes), bytes);
  EXPECT_EQ(resident_bytes(first_small, 4 * kMiB), 4 * kMiB);
  const uint64_t before = minor_faults();
  for (int i = 0; i < 100; ++i) {
    void* const again = allocator.allocate(bytes);
    EXPECT_EQ(again, block);
    testing::mark(again, bytes, 1);
    allocator.free(again);
  }
  EXPECT_LT(minor_faults() - before, 10u);
  allocator.empty_cache();
  EXPECT_EQ(resident_bytes(block, bytes), 0u);
  EXPECT_EQ(resident_bytes(first_small, 4 * kMiB), 0u);
  EXPECT_EQ(allocator.stats().reserved_bytes.current, 0u);
}

TEST(HugePages, MakeTheFirstTouchFaultLess) {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "shadow memory faults too";
#endif
  if (!huge_pages_offered()) GTEST_SKIP() << "the kernel offers no huge pages";
  HostAllocatorOptions options = small_range();
  options.huge_pages = true;
  HostAllocator allocator(options);
  void* const block = allocator.allocate(64 * kMiB);
  const uint64_t before = minor_faults();
  testing::mark(block, 64 * kMiB, 1);
  // One a chunk when the system has free huge pages; it may be short of them.
  EXPECT_LT(minor_faults() - before, 64 * kMiB / 4096 + 32);
  allocator.free(block);
}

}  // namespace
}  // namespace trireme::run
