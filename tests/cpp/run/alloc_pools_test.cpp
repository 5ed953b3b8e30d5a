// SPDX-License-Identifier: Apache-2.0
// Size classes, and the pool of extents by itself: placement, merging, residency, moving.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "trireme/run/alloc/extent_pool.h"
#include "trireme/run/alloc/small_pool.h"

namespace trireme::run {
namespace {

constexpr uint64_t kNoCeiling = UINT64_MAX;
constexpr size_t kRangeBytes = size_t{2} << 30;

class Extents : public ::testing::TestWithParam<bool> {
 protected:
  AddressRange range{kRangeBytes};
  ExtentPool pool{range, 0, kRangeBytes, GetParam(), true};

  std::byte* at(uint32_t place) const { return range.base() + size_t{place} * kPageBytes; }
  uint32_t allocate(uint32_t pages, uint64_t ceiling = kNoCeiling) {
    const uint32_t place = pool.allocate(pages, ceiling);
    if (place != ExtentPool::kNowhere) std::memset(at(place), 1, size_t{pages} * kPageBytes);
    pool.check();
    return place;
  }
  void free(uint32_t place) {
    EXPECT_TRUE(pool.free(place));
    pool.check();
  }
};

INSTANTIATE_TEST_SUITE_P(PageSizes, Extents, ::testing::Values(false, true),
                         [](const auto& info) { return info.param ? "Huge" : "Small"; });

TEST(SizeClasses, RoundUpLittleAndStayAligned) {
  size_t before = 0;
  for (size_t bytes = 1; bytes <= kSmallMost; ++bytes) {
    const uint32_t size_class = small_class(bytes);
    ASSERT_LT(size_class, kSmallClasses);
    const size_t block = small_class_bytes(size_class);
    ASSERT_GE(block, bytes);
    ASSERT_EQ(block % kSmallAlign, 0u);
    ASSERT_GE(block, before);
    ASSERT_LE(block, std::max(bytes + 63, bytes + bytes / 4));
    ASSERT_TRUE(size_class == 0 || small_class_bytes(size_class - 1) < bytes);
    before = block;
  }
}

TEST_P(Extents, TakesTheLowestOfTheBestFits) {
  const uint32_t a = allocate(100);
  const uint32_t b = allocate(20);
  const uint32_t c = allocate(60);
  const uint32_t d = allocate(20);
  const uint32_t e = allocate(60);
  const uint32_t f = allocate(20);
  free(a);
  free(c);
  free(e);
  EXPECT_EQ(allocate(60), c);
  EXPECT_EQ(allocate(50), e);
  EXPECT_EQ(allocate(90), a);
  EXPECT_TRUE(pool.free(b) && pool.free(d) && pool.free(f));
  pool.check();
}

TEST_P(Extents, MergesWhatIsFreed) {
  std::vector<uint32_t> places;
  for (int i = 0; i < 64; ++i) places.push_back(allocate(64));
  const uint64_t resident = pool.resident_pages();
  for (size_t i = 0; i < places.size(); i += 2) free(places[i]);
  for (size_t i = 1; i < places.size(); i += 2) free(places[i]);
  EXPECT_EQ(pool.live_pages(), 0u);
  EXPECT_EQ(allocate(64 * 64), places.front());
  EXPECT_EQ(pool.resident_pages(), resident);
}

TEST_P(Extents, RefusesWhatIsNoBlock) {
  const uint32_t a = allocate(1000);
  EXPECT_FALSE(pool.free(a + 1));
  EXPECT_FALSE(pool.free(a + 5000));
  EXPECT_FALSE(pool.free(UINT32_MAX - 1));
  EXPECT_EQ(pool.block_pages(a), 1000u);
  free(a);
  EXPECT_FALSE(pool.free(a));
  EXPECT_EQ(pool.block_pages(a), 0u);
}

TEST_P(Extents, LengthensAWarmSegmentRatherThanTouchAnew) {
  const uint32_t a = allocate(8 * kChunkPages);
  free(a);
  const uint32_t b = allocate(10 * kChunkPages);
  EXPECT_EQ(b, a);
  EXPECT_EQ(pool.counters().fresh_pages, 10u * kChunkPages);
}

TEST_P(Extents, MovesFreeChunksUnderAnAddressThatFits) {
  // Two free runs of four chunks, apart; then eight in one: nothing may be faulted in.
  const uint32_t a = allocate(4 * kChunkPages);
  const uint32_t wall = allocate(kChunkPages);
  const uint32_t b = allocate(4 * kChunkPages);
  const uint32_t end = allocate(kChunkPages);
  std::memset(at(wall), 7, kChunkBytes);
  free(a);
  free(b);
  const uint64_t resident = pool.resident_pages();
  const uint64_t fresh = pool.counters().fresh_pages;
  const uint32_t c = allocate(8 * kChunkPages, resident);
  EXPECT_EQ(pool.resident_pages(), resident);
  EXPECT_EQ(pool.counters().fresh_pages, fresh);
  EXPECT_EQ(pool.counters().moved_chunks, 8u);
  EXPECT_EQ(pool.counters().purges, 0u);
  for (size_t i = 0; i < kChunkBytes; ++i) ASSERT_EQ(at(wall)[i], std::byte{7});
  free(c);
  EXPECT_EQ(allocate(4 * kChunkPages, resident), c);
  free(end);
}

TEST_P(Extents, TrimsDownToTheLiveAndNoFurther) {
  std::vector<uint32_t> places;
  for (int i = 0; i < 50; ++i) places.push_back(allocate(100));
  for (size_t i = 0; i < places.size(); i += 2) free(places[i]);
  pool.trim(0);
  pool.check();
  EXPECT_EQ(pool.resident_pages(), 25u * 100);
  for (size_t i = 1; i < places.size(); i += 2) {
    EXPECT_EQ(at(places[i])[0], std::byte{1});
    EXPECT_EQ(at(places[i])[100 * kPageBytes - 1], std::byte{1});
    EXPECT_EQ(at(places[i - 1])[0], std::byte{0});
    free(places[i]);
  }
  pool.trim(0);
  EXPECT_EQ(pool.resident_pages(), 0u);
  const uint32_t again = allocate(5000);
  EXPECT_EQ(at(again)[0], std::byte{1});
}

TEST_P(Extents, SaysWhenAddressesAreUsedUp) {
  const auto pages = static_cast<uint32_t>(kRangeBytes / kPageBytes);
  const uint32_t a = pool.allocate(pages / 2, kNoCeiling);
  const uint32_t b = pool.allocate(pages / 2, kNoCeiling);
  ASSERT_NE(a, ExtentPool::kNowhere);
  ASSERT_NE(b, ExtentPool::kNowhere);
  EXPECT_EQ(pool.allocate(1, kNoCeiling), ExtentPool::kNowhere);
  EXPECT_EQ(pool.allocate(pages + 1, kNoCeiling), ExtentPool::kNowhere);
  free(a);
  EXPECT_EQ(pool.allocate(1, kNoCeiling), a);
}

TEST_P(Extents, StaysConsistentInRandomPrograms) {
  for (uint64_t seed = 0; seed < 8; ++seed) {
    std::mt19937_64 random(seed);
    std::vector<uint32_t> live;
    for (int step = 0; step < 1500; ++step) {
      if (live.empty() || (random() % 2 == 0 && pool.live_pages() < 20000)) {
        const auto pages = static_cast<uint32_t>(1 + random() % (random() % 4 == 0 ? 3000 : 60));
        const uint64_t ceiling = pool.live_pages() + pages + random() % 2000;
        const uint32_t place = pool.allocate(pages, ceiling);
        ASSERT_NE(place, ExtentPool::kNowhere);
        live.push_back(place);
        if (pool.resident_pages() > ceiling) pool.trim(ceiling);
        ASSERT_LE(pool.resident_pages(), ceiling);
      } else {
        std::swap(live[random() % live.size()], live.back());
        ASSERT_TRUE(pool.free(live.back()));
        live.pop_back();
      }
      if (step % 16 == 0) pool.check();
    }
    for (const uint32_t place : live) free(place);
  }
  EXPECT_GT(pool.counters().moved_chunks, 0u);
}

}  // namespace
}  // namespace trireme::run
