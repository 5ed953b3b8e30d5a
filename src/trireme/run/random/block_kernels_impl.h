// SPDX-License-Identifier: Apache-2.0
// The bodies behind block_kernels.h. Included by one .cpp per instruction set, after that file's
// #pragma GCC target: `Isa` is a tag of its own in each, so nothing is shared between them.
#pragma once

#include <cstdint>

#include "trireme/run/random/block_kernels.h"
#include "trireme/run/random/block_math.h"

namespace trireme::run::detail {

// A batch of blocks is generated into words on the stack (in stream order), then transformed.
// Small tensors and ends of tensors take small batches.
inline constexpr int kBatchBlocks = 32;
inline constexpr int kSmallBatchBlocks = 8;

template <int kBlocks>
struct alignas(64) Words {
  uint32_t at[4 * kBlocks];
};
template <int kBlocks>
struct alignas(64) Draws {
  uint64_t at[2 * kBlocks];
};

template <int kBlocks>
[[gnu::always_inline]] inline Draws<kBlocks> draws_of(const Words<kBlocks>& words) {
  Draws<kBlocks> draws;
  __builtin_memcpy(&draws, &words, sizeof(draws));
  return draws;
}

// Isa gives: Vector (a GCC vector of uint64_t), multiply(a, b), the 64-bit products of the low
// halves of each lane, and square_root(vector of float or double).
// Upper halves of counter lanes are left dirty: multiply ignores them.
template <class Isa, int kBlocks>
[[gnu::always_inline]] inline void generate(PhiloxState state, uint64_t first,
                                            Words<kBlocks>& words) {
  using Vector = typename Isa::Vector;
  constexpr int kLanes = sizeof(Vector) / sizeof(uint64_t);
  // Independent vectors, to hide the multiplier's latency.
  constexpr int kFlight = kBlocks / kLanes < 4 ? kBlocks / kLanes : 4;
  static_assert(kBlocks % (kLanes * kFlight) == 0);
  const Vector zero{};
  Vector lane{};
  for (int i = 0; i < kLanes; ++i) lane[i] = static_cast<uint64_t>(i);

  alignas(64) uint64_t low[kBlocks];
  alignas(64) uint64_t high[kBlocks];
  for (int group = 0; group < kBlocks; group += kLanes * kFlight) {
    Vector c0[kFlight];
    Vector c1[kFlight];
    Vector c2[kFlight];
    Vector c3[kFlight];
    for (int v = 0; v < kFlight; ++v) {
      const Vector index = lane + (first + static_cast<uint64_t>(group + v * kLanes));
      c0[v] = index;
      c1[v] = index >> 32;
      c2[v] = zero + state.offset;
      c3[v] = zero + (state.offset >> 32);
    }
    uint32_t key0 = philox::low_word(state.seed);
    uint32_t key1 = philox::high_word(state.seed);
#pragma GCC unroll 10
    for (int round = 0; round < philox::kRounds; ++round) {
      for (int v = 0; v < kFlight; ++v) {
        const Vector product0 = Isa::multiply(c0[v], zero + philox::kMultiplier0);
        const Vector product1 = Isa::multiply(c2[v], zero + philox::kMultiplier1);
        c0[v] = (product1 >> 32) ^ c1[v] ^ (zero + key0);
        c2[v] = (product0 >> 32) ^ c3[v] ^ (zero + key1);
        c1[v] = product1;
        c3[v] = product0;
      }
      key0 += philox::kWeyl0;
      key1 += philox::kWeyl1;
    }
    for (int v = 0; v < kFlight; ++v) {
      const Vector first_pair = (c0[v] & 0xffffffff) | (c1[v] << 32);
      const Vector second_pair = (c2[v] & 0xffffffff) | (c3[v] << 32);
      __builtin_memcpy(low + group + v * kLanes, &first_pair, sizeof(Vector));
      __builtin_memcpy(high + group + v * kLanes, &second_pair, sizeof(Vector));
    }
  }
  Draws<kBlocks> draws;
  for (int i = 0; i < kBlocks; ++i) {
    draws.at[2 * i] = low[i];
    draws.at[2 * i + 1] = high[i];
  }
  __builtin_memcpy(&words, &draws, sizeof(words));
}

// ---- one batch of words to one batch of values: what a distribution is ----

struct Bits {
  static constexpr int kPerBlock = 4;
  template <int kBlocks>
  [[gnu::always_inline]] static void transform(const Words<kBlocks>& words, uint32_t* out,
                                               const BitsArgs&) {
    __builtin_memcpy(out, &words, sizeof(words));
  }
};

template <typename T>
struct Uniform;
template <>
struct Uniform<float> {
  static constexpr int kPerBlock = 4;
  template <int kBlocks>
  [[gnu::always_inline]] static void transform(const Words<kBlocks>& words, float* out,
                                               const UniformArgs<float>& args) {
    for (int i = 0; i < 4 * kBlocks; ++i) {
      const float value = block_math::unit_float(words.at[i]) * args.span + args.from;
      out[i] = value < args.last ? value : args.last;
    }
  }
};
template <>
struct Uniform<double> {
  static constexpr int kPerBlock = 2;
  template <int kBlocks>
  [[gnu::always_inline]] static void transform(const Words<kBlocks>& words, double* out,
                                               const UniformArgs<double>& args) {
    const Draws<kBlocks> draws = draws_of(words);
    for (int i = 0; i < 2 * kBlocks; ++i) {
      const double value = block_math::unit_double(draws.at[i]) * args.span + args.from;
      out[i] = value < args.last ? value : args.last;
    }
  }
};

// Box-Muller: a radius from the pair's first draw, an angle from its second. In three loops,
// because sqrt by name is a call that may set errno, which g++ does not vectorise.
template <class Isa, class Vector, typename T>
[[gnu::always_inline]] inline void square_roots(T* values, int count) {
  constexpr int kLanes = sizeof(Vector) / sizeof(T);
  for (int i = 0; i < count; i += kLanes) {
    Vector value;
    __builtin_memcpy(&value, values + i, sizeof(value));
    value = Isa::square_root(value);
    __builtin_memcpy(values + i, &value, sizeof(value));
  }
}

template <class Isa, typename T>
struct Normal;
template <class Isa>
struct Normal<Isa, float> {
  static constexpr int kPerBlock = 4;
  template <int kBlocks>
  [[gnu::always_inline]] static void transform(const Words<kBlocks>& words, float* out,
                                               const NormalArgs<float>& args) {
    constexpr int kPairs = 2 * kBlocks;
    alignas(64) float radius[kPairs];
    for (int i = 0; i < kPairs; ++i) {
      radius[i] = -2.0F * block_math::log(block_math::open_unit_float(words.at[2 * i]));
    }
    square_roots<Isa, typename Isa::Floats>(radius, kPairs);
    for (int i = 0; i < kPairs; ++i) {
      const auto angle = block_math::sincos_turn(words.at[2 * i + 1]);
      out[2 * i] = radius[i] * angle.cos * args.std + args.mean;
      out[2 * i + 1] = radius[i] * angle.sin * args.std + args.mean;
    }
  }
};
template <class Isa>
struct Normal<Isa, double> {
  static constexpr int kPerBlock = 2;
  template <int kBlocks>
  [[gnu::always_inline]] static void transform(const Words<kBlocks>& words, double* out,
                                               const NormalArgs<double>& args) {
    const Draws<kBlocks> draws = draws_of(words);
    alignas(64) double radius[kBlocks];
    for (int i = 0; i < kBlocks; ++i) {
      radius[i] = -2.0 * block_math::log(block_math::open_unit_double(draws.at[2 * i]));
    }
    square_roots<Isa, typename Isa::Doubles>(radius, kBlocks);
    for (int i = 0; i < kBlocks; ++i) {
      const auto angle = block_math::sincos_turn(draws.at[2 * i + 1]);
      out[2 * i] = radius[i] * angle.cos * args.std + args.mean;
      out[2 * i + 1] = radius[i] * angle.sin * args.std + args.mean;
    }
  }
};

template <class Isa>
struct LogNormal {
  static constexpr int kPerBlock = 2;
  template <int kBlocks>
  [[gnu::always_inline]] static void transform(const Words<kBlocks>& words, double* out,
                                               const NormalArgs<double>& args) {
    Normal<Isa, double>::transform(words, out, args);
    for (int i = 0; i < 2 * kBlocks; ++i) out[i] = block_math::exp(out[i]);
  }
};

template <typename T>
struct Exponential;
template <>
struct Exponential<float> {
  static constexpr int kPerBlock = 4;
  template <int kBlocks>
  [[gnu::always_inline]] static void transform(const Words<kBlocks>& words, float* out,
                                               const ExponentialArgs<float>& args) {
    for (int i = 0; i < 4 * kBlocks; ++i) {
      out[i] = -block_math::log(block_math::open_unit_float(words.at[i])) * args.scale;
    }
  }
};
template <>
struct Exponential<double> {
  static constexpr int kPerBlock = 2;
  template <int kBlocks>
  [[gnu::always_inline]] static void transform(const Words<kBlocks>& words, double* out,
                                               const ExponentialArgs<double>& args) {
    const Draws<kBlocks> draws = draws_of(words);
    for (int i = 0; i < 2 * kBlocks; ++i) {
      out[i] = -block_math::log(block_math::open_unit_double(draws.at[i])) * args.scale;
    }
  }
};

template <typename T>
struct Bernoulli {
  static constexpr int kPerBlock = 4;
  template <int kBlocks>
  [[gnu::always_inline]] static void transform(const Words<kBlocks>& words, T* out,
                                               const BernoulliArgs& args) {
    for (int i = 0; i < 4 * kBlocks; ++i) {
      out[i] =
          static_cast<T>(static_cast<int32_t>((words.at[i] <= args.last ? 1U : 0U) & args.enabled));
    }
  }
};

struct Cauchy {
  static constexpr int kPerBlock = 2;
  // median + sigma * tan(pi * (u - 1/2)). The angle is odd, so never at the pole.
  template <int kBlocks>
  [[gnu::always_inline]] static void transform(const Words<kBlocks>& words, double* out,
                                               const CauchyArgs& args) {
    const Draws<kBlocks> draws = draws_of(words);
    for (int i = 0; i < 2 * kBlocks; ++i) {
      const uint64_t angle = ((draws.at[i] >> 1) | 1) - 0x4000000000000000U;
      const auto result = block_math::sincos_turn(angle);
      out[i] = args.median + args.sigma * (result.sin / result.cos);
    }
  }
};

struct Geometric {
  static constexpr int kPerBlock = 2;
  template <int kBlocks>
  [[gnu::always_inline]] static void transform(const Words<kBlocks>& words, double* out,
                                               const GeometricArgs& args) {
    const Draws<kBlocks> draws = draws_of(words);
    for (int i = 0; i < 2 * kBlocks; ++i) {
      const double unit = block_math::open_unit_double(draws.at[i]);
      out[i] = __builtin_ceil(block_math::log(unit) / args.log1m_p);
    }
  }
};

// The high half of draw * range: bias below range / 2^64.
struct Integers {
  static constexpr int kPerBlock = 2;
  template <int kBlocks>
  [[gnu::always_inline]] static void transform(const Words<kBlocks>& words, int64_t* out,
                                               const IntegerArgs& args) {
    const Draws<kBlocks> draws = draws_of(words);
    if (args.range == 0) {
      for (int i = 0; i < 2 * kBlocks; ++i) {
        out[i] = static_cast<int64_t>(draws.at[i] + args.base);
      }
    } else if (args.range <= 0xffffffff) {
      for (int i = 0; i < 2 * kBlocks; ++i) {
        const uint64_t top = (draws.at[i] >> 32) * args.range;
        const uint64_t carry = ((draws.at[i] & 0xffffffff) * args.range) >> 32;
        out[i] = static_cast<int64_t>(((top + carry) >> 32) + args.base);
      }
    } else {
      using Wide = unsigned __int128;
      for (int i = 0; i < 2 * kBlocks; ++i) {
        const Wide product = static_cast<Wide>(draws.at[i]) * args.range;
        out[i] = static_cast<int64_t>(static_cast<uint64_t>(product >> 64) + args.base);
      }
    }
  }
};

template <class Isa, class Distribution, int kBlocks, typename T, typename Args>
[[gnu::always_inline]] inline void run_batch(T* __restrict out, PhiloxState state, uint64_t block,
                                             const Args& args) {
  Words<kBlocks> words;
  generate<Isa, kBlocks>(state, block, words);
  Distribution::transform(words, out, args);
}

template <class Isa, class Distribution, typename T, typename Args>
void run(T* __restrict out, PhiloxState state, uint64_t block, int64_t count, const Args& args) {
  constexpr int kPerBlock = Distribution::kPerBlock;
  constexpr int kBatch = kPerBlock * kBatchBlocks;
  constexpr int kSmallBatch = kPerBlock * kSmallBatchBlocks;
  for (; count >= kBatch; count -= kBatch, out += kBatch, block += kBatchBlocks) {
    run_batch<Isa, Distribution, kBatchBlocks>(out, state, block, args);
  }
  for (; count >= kSmallBatch;
       count -= kSmallBatch, out += kSmallBatch, block += kSmallBatchBlocks) {
    run_batch<Isa, Distribution, kSmallBatchBlocks>(out, state, block, args);
  }
  if (count > 0) {
    alignas(64) T rest[kSmallBatch];
    run_batch<Isa, Distribution, kSmallBatchBlocks>(static_cast<T*>(rest), state, block, args);
    __builtin_memcpy(out, rest, static_cast<size_t>(count) * sizeof(T));
  }
}

template <class Isa>
void to_half(const float* __restrict in, uint16_t* __restrict out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = block_math::to_half(in[i]);
}
template <class Isa>
void to_bfloat16(const float* __restrict in, uint16_t* __restrict out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = block_math::to_bfloat16(in[i]);
}

template <class Isa, typename T>
void drop(const T* __restrict in, const uint8_t* __restrict mask, T* __restrict out, int64_t count,
          double scale) {
  const T factor = static_cast<T>(scale);
  for (int64_t i = 0; i < count; ++i) out[i] = in[i] * static_cast<T>(mask[i]) * factor;
}
template <class Isa>
void drop_half(const uint16_t* __restrict in, const uint8_t* __restrict mask,
               uint16_t* __restrict out, int64_t count, double scale) {
  const float factor = block_math::from_half(block_math::to_half(static_cast<float>(scale)));
  for (int64_t i = 0; i < count; ++i) {
    out[i] =
        block_math::to_half(block_math::from_half(in[i]) * static_cast<float>(mask[i]) * factor);
  }
}
template <class Isa>
void drop_bfloat16(const uint16_t* __restrict in, const uint8_t* __restrict mask,
                   uint16_t* __restrict out, int64_t count, double scale) {
  const float factor =
      block_math::from_bfloat16(block_math::to_bfloat16(static_cast<float>(scale)));
  for (int64_t i = 0; i < count; ++i) {
    out[i] = block_math::to_bfloat16(block_math::from_bfloat16(in[i]) *
                                     static_cast<float>(mask[i]) * factor);
  }
}

template <class Isa>
constexpr BlockKernels make_kernels() {
  return {
      .bits = {&run<Isa, Bits, uint32_t, BitsArgs>},
      .uniform_float = {&run<Isa, Uniform<float>, float, UniformArgs<float>>},
      .uniform_double = {&run<Isa, Uniform<double>, double, UniformArgs<double>>},
      .normal_float = {&run<Isa, Normal<Isa, float>, float, NormalArgs<float>>},
      .normal_double = {&run<Isa, Normal<Isa, double>, double, NormalArgs<double>>},
      .exponential_float = {&run<Isa, Exponential<float>, float, ExponentialArgs<float>>},
      .exponential_double = {&run<Isa, Exponential<double>, double, ExponentialArgs<double>>},
      .bernoulli_byte = {&run<Isa, Bernoulli<uint8_t>, uint8_t, BernoulliArgs>},
      .bernoulli_float = {&run<Isa, Bernoulli<float>, float, BernoulliArgs>},
      .log_normal = {&run<Isa, LogNormal<Isa>, double, NormalArgs<double>>},
      .cauchy = {&run<Isa, Cauchy, double, CauchyArgs>},
      .geometric = {&run<Isa, Geometric, double, GeometricArgs>},
      .integers = {&run<Isa, Integers, int64_t, IntegerArgs>},
      .to_half = &to_half<Isa>,
      .to_bfloat16 = &to_bfloat16<Isa>,
      .drop_float = &drop<Isa, float>,
      .drop_double = &drop<Isa, double>,
      .drop_half = &drop_half<Isa>,
      .drop_bfloat16 = &drop_bfloat16<Isa>,
  };
}

}  // namespace trireme::run::detail
