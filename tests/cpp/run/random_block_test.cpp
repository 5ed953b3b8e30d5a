// SPDX-License-Identifier: Apache-2.0
// The generator itself, the elementary functions, and the agreement of the instruction sets.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "trireme/run/random/block_kernels.h"
#include "trireme/run/random/block_math.h"
#include "trireme/run/random/philox.h"

namespace trireme::run {
namespace {

TEST(RandomPhilox, KnownAnswers) {
  // Random123's kat_vectors, "philox4x32 10".
  EXPECT_EQ(philox::philox4x32({0, 0, 0, 0}, {0, 0}),
            (PhiloxBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(philox::philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (PhiloxBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox::philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                               {0xa4093822, 0x299f31d0}),
            (PhiloxBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomPhilox, CounterAndKeyLayout) {
  const PhiloxState state{.seed = 0x299f31d0a4093822, .offset = 0x0370734413198a2e};
  EXPECT_EQ(philox::block(state, 0x85a308d3243f6a88),
            (PhiloxBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
  EXPECT_EQ(philox::draw32(state, 7), philox::block(state, 1)[3]);
  const PhiloxBlock words = philox::block(state, 3);
  EXPECT_EQ(philox::draw64(state, 7), words[2] | (uint64_t{words[3]} << 32));
}

std::vector<Isa> present() {
  std::vector<Isa> isas;
  for (const Isa isa : {Isa::kBaseline, Isa::kAvx2, Isa::kAvx512}) {
    if (block_kernels_for(isa) != nullptr) isas.push_back(isa);
  }
  return isas;
}

constexpr PhiloxState kState{.seed = 0x123456789abcdef0, .offset = 0xfedcba9876543210};
// The block counter carries into its high word within the range.
constexpr uint64_t kFirstBlock = 0xfffffff0;

TEST(RandomBlocks, BulkWordsAreTheDefinition) {
  for (const Isa isa : present()) {
    for (const int64_t count : {1, 3, 4, 127, 128, 129, 1000}) {
      std::vector<uint32_t> words(static_cast<size_t>(count) + 1, 77);
      block_kernels_for(isa)->bits.run(words.data(), kState, kFirstBlock, count, {});
      for (int64_t i = 0; i < count; ++i) {
        ASSERT_EQ(words[i], philox::draw32(kState, 4 * kFirstBlock + static_cast<uint64_t>(i)));
      }
      ASSERT_EQ(words.back(), 77U) << "wrote past the end";
    }
  }
}

TEST(RandomBlocks, SixtyFourBitDrawsAreTheDefinition) {
  for (const Isa isa : present()) {
    std::vector<int64_t> draws(333);
    block_kernels_for(isa)->integers.run(draws.data(), kState, kFirstBlock, 333, {0, 5});
    for (size_t i = 0; i < draws.size(); ++i) {
      ASSERT_EQ(static_cast<uint64_t>(draws[i]), philox::draw64(kState, 2 * kFirstBlock + i) + 5);
    }
  }
}

template <class Kernel>
void expect_same_bits(const char* name, Kernel BlockKernels::*kernel,
                      typename Kernel::Arguments args) {
  using Value = typename Kernel::Value;
  constexpr int64_t kCount = 100'003;
  std::vector<Value> reference(kCount);
  (block_kernels_for(Isa::kBaseline)->*kernel)
      .run(reference.data(), kState, kFirstBlock, kCount, args);
  for (const Isa isa : present()) {
    std::vector<Value> values(kCount);
    (block_kernels_for(isa)->*kernel).run(values.data(), kState, kFirstBlock, kCount, args);
    EXPECT_EQ(0, std::memcmp(values.data(), reference.data(), kCount * sizeof(Value)))
        << name << " differs on instruction set " << static_cast<int>(isa);
  }
}

TEST(RandomBlocks, EveryInstructionSetGivesTheSameBits) {
  using K = BlockKernels;
  expect_same_bits("bits", &K::bits, {});
  expect_same_bits("uniform_float", &K::uniform_float, {-3.7F, 9.1F, 5.39F});
  expect_same_bits("uniform_double", &K::uniform_double, {-3.7, 9.1, 5.39});
  expect_same_bits("normal_float", &K::normal_float, {0.3F, 1.7F});
  expect_same_bits("normal_double", &K::normal_double, {0.3, 1.7});
  expect_same_bits("exponential_float", &K::exponential_float, {0.7F});
  expect_same_bits("exponential_double", &K::exponential_double, {0.7});
  expect_same_bits("bernoulli_byte", &K::bernoulli_byte, {0x7000000, 1});
  expect_same_bits("bernoulli_float", &K::bernoulli_float, {0x7000000, 1});
  expect_same_bits("log_normal", &K::log_normal, {0.3, 1.7});
  expect_same_bits("cauchy", &K::cauchy, {0.3, 1.7});
  expect_same_bits("geometric", &K::geometric, {std::log1p(-0.01)});
  for (const uint64_t range : {uint64_t{0}, uint64_t{1}, uint64_t{10}, uint64_t{0xffffffff},
                               uint64_t{0x100000000}, uint64_t{1} << 63}) {
    expect_same_bits("integers", &K::integers, {range, 12345});
  }
}

TEST(RandomBlocks, IntegerRangesAgreeBetweenTheirTwoPaths) {
  for (const uint64_t range : {uint64_t{1}, uint64_t{3}, uint64_t{1000003}, uint64_t{0xffffffff}}) {
    std::vector<int64_t> values(1000);
    block_kernels().integers.run(values.data(), kState, 0, 1000, {range, 0});
    for (size_t i = 0; i < values.size(); ++i) {
      const auto wide = static_cast<unsigned __int128>(philox::draw64(kState, i)) * range;
      ASSERT_EQ(static_cast<uint64_t>(values[i]), static_cast<uint64_t>(wide >> 64));
    }
  }
}

// ---- elementary functions ----

template <typename T>
double ulps(T got, long double want) {
  const T rounded = static_cast<T>(want);
  const T next = std::nextafter(std::abs(rounded), std::numeric_limits<T>::infinity());
  const long double unit = static_cast<long double>(next) - std::abs(rounded);
  return static_cast<double>(std::abs(static_cast<long double>(got) - want) / unit);
}

constexpr long double kTwoPi = 6.283185307179586476925286766559L;

TEST(RandomMath, FloatLogAndSinCos) {
  double log_error = 0;
  double trig_error = 0;
  for (uint64_t step = 0; step < 700'000; ++step) {
    // The ends one by one, then all over.
    const uint32_t word = step < 1000 ? static_cast<uint32_t>(step) : philox::draw32(kState, step);
    for (const uint32_t w : {word, ~word}) {
      const float unit = block_math::open_unit_float(w);
      ASSERT_GT(unit, 0.0F);
      ASSERT_LT(unit, 1.0F);
      log_error = std::max(log_error,
                           ulps(block_math::log(unit), std::log(static_cast<long double>(unit))));
      const auto angle = block_math::sincos_turn(w);
      const long double exact = static_cast<long double>(w) * (kTwoPi * 0x1p-32L);
      trig_error = std::max(trig_error, ulps(angle.sin, std::sin(exact)));
      // Near a zero of the cosine the long double reference itself is too coarse: use the sine.
      const auto shifted = static_cast<long double>(static_cast<uint32_t>(w + 0x40000000U));
      trig_error = std::max(trig_error, ulps(angle.cos, std::sin(shifted * (kTwoPi * 0x1p-32L))));
    }
  }
  RecordProperty("float_log_ulp", std::to_string(log_error));
  RecordProperty("float_sincos_ulp", std::to_string(trig_error));
  EXPECT_LT(log_error, 2.0);
  // Relative to the value. Multiples of pi other than 0 are excluded by nothing: the reduction is
  // exact, but the long double reference is off by up to 2^-30 ulp there.
  EXPECT_LT(trig_error, 3.0);
}

TEST(RandomMath, DoubleLogSinCosExp) {
  double log_error = 0;
  double trig_error = 0;
  double exp_error = 0;
  for (uint64_t i = 0; i < 400'000; ++i) {
    const uint64_t draw = philox::draw64(kState, i);
    const double unit = block_math::open_unit_double(draw);
    ASSERT_GT(unit, 0.0);
    ASSERT_LT(unit, 1.0);
    log_error =
        std::max(log_error, ulps(block_math::log(unit), std::log(static_cast<long double>(unit))));
    const auto angle = block_math::sincos_turn(draw);
    const long double exact =
        static_cast<long double>(static_cast<int64_t>(draw)) * (kTwoPi * 0x1p-64L);
    // Absolute: the reference has 64 bits only.
    trig_error =
        std::max(trig_error, static_cast<double>(std::abs(angle.sin - std::sin(exact)) * 0x1p53L));
    trig_error =
        std::max(trig_error, static_cast<double>(std::abs(angle.cos - std::cos(exact)) * 0x1p53L));
    const double x = (unit - 0.5) * 1400;
    exp_error =
        std::max(exp_error, ulps(block_math::exp(x), std::exp(static_cast<long double>(x))));
  }
  RecordProperty("double_log_ulp", std::to_string(log_error));
  RecordProperty("double_sincos_ulp_of_one", std::to_string(trig_error));
  RecordProperty("double_exp_ulp", std::to_string(exp_error));
  EXPECT_LT(log_error, 2.0);
  EXPECT_LT(trig_error, 2.0);
  EXPECT_LT(exp_error, 2.0);
  EXPECT_EQ(block_math::exp(1e4), std::numeric_limits<double>::infinity());
  EXPECT_EQ(block_math::exp(-1e4), 0.0);
  EXPECT_TRUE(std::isnan(block_math::exp(std::nan(""))));
  EXPECT_EQ(block_math::exp(0.0), 1.0);
}

}  // namespace
}  // namespace trireme::run
