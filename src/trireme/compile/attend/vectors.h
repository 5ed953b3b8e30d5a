// SPDX-License-Identifier: Apache-2.0
// Vectors of f32 for the attention kernels: loads with conversion, stores, e^x, transposing. No
// functions of the standard library: this is compiled for CPUs that may be absent.
#pragma once

#include <utility>

#include "trireme/compile/attend/scratch.h"

namespace trireme::compile::detail {

inline constexpr float kNone = -__builtin_inff();  // the score of what takes no part

template <class To, class From>
[[gnu::always_inline]] inline To bits(const From& from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  __builtin_memcpy(&to, &from, sizeof to);
  return to;
}

template <class T, class P>
[[gnu::always_inline]] inline T load(const P* from) {
  T to;
  __builtin_memcpy(&to, from, sizeof to);
  return to;
}

template <class T, class P>
[[gnu::always_inline]] inline void store(P* to, const T& from) {
  __builtin_memcpy(to, &from, sizeof from);
}

// e^x to 2 ulp, 0 below -87.7; x below 88. NaN stays. As llvm/math_single.cpp has it.
template <class Isa>
[[gnu::always_inline]] inline typename Isa::Floats exp(typename Isa::Floats x) {
  using Floats = typename Isa::Floats;
  using Ints = typename Isa::Ints;
  constexpr float kRound = 0x1.8p23F;  // a sum with it has no fraction
  x = x < -88.1F ? Floats{} - 88.1F : x;
  x = x > 88.0F ? Floats{} + 88.0F : x;
  const Floats moved = x * 1.44269504F + kRound;
  const Floats n = moved - kRound;
  Floats r = x - n * 0x1.62e4p-1F;  // ln 2 in two parts
  r = r - n * 0x1.7f7d1cp-20F;
  Floats q = r * 0.00139269268F + 0.00836377405F;
  q = q * r + 0.0416665487F;
  q = q * r + 0.166665733F;
  q = q * r + 0.5F;
  const Floats sum = (r * r) * q + r + 1.0F;
  // n = -127 gives the bits of 0
  const Ints power = (bits<Ints>(moved) - (0x4b400000 - 127)) << 23;
  return sum * bits<Floats>(power);
}

// --- elements of other dtypes ---

struct F32 {
  using Element = float;
  template <class Isa>
  [[gnu::always_inline]] static typename Isa::Floats widen(const Element* from) {
    return load<typename Isa::Floats>(from);
  }
  template <class Isa>
  [[gnu::always_inline]] static void narrow(Element* to, typename Isa::Floats x) {
    store(to, x);
  }
};

struct BF16 {
  using Element = uint16_t;
  template <class Isa>
  [[gnu::always_inline]] static typename Isa::Floats widen(const Element* from) {
    using Words = typename Isa::Words;
    const auto halves = load<typename Isa::Halves>(from);
    return bits<typename Isa::Floats>(__builtin_convertvector(halves, Words) << 16);
  }
  // To nearest even; a NaN stays one.
  template <class Isa>
  [[gnu::always_inline]] static void narrow(Element* to, typename Isa::Floats x) {
    using Words = typename Isa::Words;
    const Words all = bits<Words>(x);
    const Words rounded = (all + 0x7fff + ((all >> 16) & 1)) >> 16;
    const Words kept = (all & 0x7fffffff) > 0x7f800000 ? (all >> 16) | 0x40 : rounded;
    store(to, __builtin_convertvector(kept, typename Isa::Halves));
  }
};

// Conversions by arithmetic on exponents: Fabian Giesen, "float->half variants" (2012).
struct F16 {
  using Element = uint16_t;
  template <class Isa>
  [[gnu::always_inline]] static typename Isa::Floats widen(const Element* from) {
    using Words = typename Isa::Words;
    using Floats = typename Isa::Floats;
    const Words half = __builtin_convertvector(load<typename Isa::Halves>(from), Words);
    const Words sign = (half & 0x8000) << 16;
    const Words rest = (half & 0x7fff) << 13;
    const Words finite = bits<Words>(bits<Floats>(rest) * 0x1p112F);
    const Words special = rest | 0x7f800000;  // infinities and NaN
    return bits<Floats>(sign | ((half & 0x7c00) == 0x7c00 ? special : finite));
  }
  template <class Isa>
  [[gnu::always_inline]] static void narrow(Element* to, typename Isa::Floats x) {
    using Words = typename Isa::Words;
    using Floats = typename Isa::Floats;
    const Words all = bits<Words>(x);
    const Words sign = (all & 0x80000000) >> 16;
    const Words rest = all & 0x7fffffff;
    // Below 2^-14 an addition rounds to multiples of 2^-24.
    const Words small = bits<Words>(bits<Floats>(rest) + 0.5F) - 0x3f000000;
    const Words normal = (rest - 0x38000000 + 0xfff + ((rest >> 13) & 1)) >> 13;
    Words kept = rest < 0x38800000 ? small : normal;
    kept = rest >= 0x477ff000 ? Words{} + 0x7c00 : kept;
    kept = rest > 0x7f800000 ? Words{} + 0x7e00 : kept;
    store(to, __builtin_convertvector(sign | kept, typename Isa::Halves));
  }
};

// A mask's bool: what is added to the score.
struct Part {
  using Element = uint8_t;
  template <class Isa>
  [[gnu::always_inline]] static typename Isa::Floats widen(const Element* from) {
    using Words = typename Isa::Words;
    using Floats = typename Isa::Floats;
    const Words word = __builtin_convertvector(load<typename Isa::Octets>(from), Words);
    return word != 0 ? Floats{} : Floats{} + kNone;
  }
};

// `count` elements, `stride` apart, if that is more than none; the other lanes are 0.
template <class Isa, class Type>
[[gnu::always_inline]] inline typename Isa::Floats load_lanes(const typename Type::Element* from,
                                                              int64_t stride, int64_t count) {
  if (stride == 1 && count >= Isa::kLanes) return Type::template widen<Isa>(from);
  if (count <= 0) return typename Isa::Floats{};
  typename Type::Element lanes[Isa::kLanes] = {};
  const int64_t most = count < Isa::kLanes ? count : Isa::kLanes;
  for (int64_t i = 0; i < most; ++i) lanes[i] = from[i * stride];
  typename Isa::Floats made = Type::template widen<Isa>(lanes);
  for (int64_t i = most; i < Isa::kLanes; ++i) made[i] = 0;  // of bool it was none
  return made;
}

template <class Isa, class Type>
[[gnu::always_inline]] inline void store_lanes(typename Type::Element* to, int64_t stride,
                                               int64_t count, typename Isa::Floats x) {
  if (stride == 1 && count >= Isa::kLanes) {
    Type::template narrow<Isa>(to, x);
    return;
  }
  typename Type::Element lanes[Isa::kLanes];
  Type::template narrow<Isa>(lanes, x);
  for (int64_t i = 0; i < count && i < Isa::kLanes; ++i) to[i * stride] = lanes[i];
}

// --- lanes ---

// By turns of `kDistance` lanes: of each pair of turns the first of a, then the first of b.
template <class Isa, int kDistance, int... kLane>
[[gnu::always_inline]] inline typename Isa::Floats first_turns(
    typename Isa::Floats a, typename Isa::Floats b,
    std::integer_sequence<int, kLane...> /*lanes*/) {
  return __builtin_shufflevector(
      a, b, ((kLane & kDistance) != 0 ? Isa::kLanes + kLane - kDistance : kLane)...);
}

// The second of a, then the second of b.
template <class Isa, int kDistance, int... kLane>
[[gnu::always_inline]] inline typename Isa::Floats second_turns(
    typename Isa::Floats a, typename Isa::Floats b,
    std::integer_sequence<int, kLane...> /*lanes*/) {
  return __builtin_shufflevector(
      a, b, ((kLane & kDistance) != 0 ? Isa::kLanes + kLane : kLane + kDistance)...);
}

template <class Isa, int kDistance = 1>
[[gnu::always_inline]] inline void transpose(typename Isa::Floats (&rows)[Isa::kLanes]) {
  constexpr auto kAll = std::make_integer_sequence<int, Isa::kLanes>();
  if constexpr (kDistance < Isa::kLanes) {
#pragma GCC unroll 16
    for (int i = 0; i < Isa::kLanes; ++i) {
      if ((i & kDistance) != 0) continue;
      const typename Isa::Floats a = rows[i];
      const typename Isa::Floats b = rows[i + kDistance];
      rows[i] = first_turns<Isa, kDistance>(a, b, kAll);
      rows[i + kDistance] = second_turns<Isa, kDistance>(a, b, kAll);
    }
    transpose<Isa, 2 * kDistance>(rows);
  }
}

// Lane i: the sum of rows[i]. The rows are spoiled.
template <class Isa, int kDistance = 1>
[[gnu::always_inline]] inline typename Isa::Floats sums_of(
    typename Isa::Floats (&rows)[Isa::kLanes]) {
  constexpr auto kAll = std::make_integer_sequence<int, Isa::kLanes>();
  if constexpr (kDistance < Isa::kLanes) {
#pragma GCC unroll 16
    for (int i = 0; i < Isa::kLanes; i += 2 * kDistance) {
      const typename Isa::Floats a = rows[i];
      const typename Isa::Floats b = rows[i + kDistance];
      rows[i] = first_turns<Isa, kDistance>(a, b, kAll) + second_turns<Isa, kDistance>(a, b, kAll);
    }
    return sums_of<Isa, 2 * kDistance>(rows);
  } else {
    return rows[0];
  }
}

template <class Isa>
[[gnu::always_inline]] inline float sum_of(typename Isa::Floats x) {
  float sum = 0;
  for (int i = 0; i < Isa::kLanes; ++i) sum += x[i];
  return sum;
}

template <class Isa>
[[gnu::always_inline]] inline float highest_of(typename Isa::Floats x) {
  float highest = x[0];
  for (int i = 1; i < Isa::kLanes; ++i) highest = x[i] > highest ? x[i] : highest;
  return highest;
}

}  // namespace trireme::compile::detail
