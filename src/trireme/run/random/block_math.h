// SPDX-License-Identifier: Apache-2.0
// Elementary functions for the random kernels, written so that g++ vectorises loops over them and
// so that every CPU computes the same bits: basic arithmetic and sqrt only, never contracted into
// fma. Coefficients: float as in Cephes (S. Moshier), double as in fdlibm (Sun Microsystems).
// Errors, measured by random_block_test.cpp: float <= 3 ulp, double <= 2 ulp on the domains used.
#pragma once

#include <cstdint>

#pragma GCC push_options
#pragma GCC optimize("O3,fp-contract=off,no-math-errno,no-trapping-math")

namespace trireme::run::block_math {

// ---- float ----

// Rounded once; the split keeps it to signed conversions, which every instruction set has.
[[gnu::always_inline]] inline float to_float(uint32_t word) {
  return static_cast<float>(static_cast<int32_t>(word >> 16)) * 65536.0F +
         static_cast<float>(static_cast<int32_t>(word & 0xffff));
}

// [0, 1), a multiple of 2^-24.
[[gnu::always_inline]] inline float unit_float(uint32_t word) {
  return static_cast<float>(static_cast<int32_t>(word >> 8)) * 0x1p-24F;
}

// (0, 1), 32 bits: as small as 2^-33, at most 1 - 2^-24.
[[gnu::always_inline]] inline float open_unit_float(uint32_t word) {
  const float unit = (to_float(word) + 0.5F) * 0x1p-32F;
  return unit < 1.0F ? unit : 1.0F - 0x1p-24F;
}

// log(x) of a normal x > 0.
[[gnu::always_inline]] inline float log(float x) {
  constexpr uint32_t kSqrtHalf = 0x3f3504f3;
  const uint32_t shifted = __builtin_bit_cast(uint32_t, x) - kSqrtHalf;
  const float exponent = static_cast<float>(static_cast<int32_t>(shifted) >> 23);
  const float m = __builtin_bit_cast(float, (shifted & 0x7fffff) + kSqrtHalf) - 1.0F;
  const float z = m * m;
  float y = 7.0376836292e-2F;
  y = y * m - 1.1514610310e-1F;
  y = y * m + 1.1676998740e-1F;
  y = y * m - 1.2420140846e-1F;
  y = y * m + 1.4249322787e-1F;
  y = y * m - 1.6668057665e-1F;
  y = y * m + 2.0000714765e-1F;
  y = y * m - 2.4999993993e-1F;
  y = y * m + 3.3333331174e-1F;
  y = y * m * z;
  y = y - 2.12194440e-4F * exponent;
  y = y - 0.5F * z;
  return m + y + 0.693359375F * exponent;
}

template <typename T>
struct SinCos {
  T sin;
  T cos;
};

// Sine and cosine of 2 pi * angle / 2^32: the range reduction is exact.
[[gnu::always_inline]] inline SinCos<float> sincos_turn(uint32_t angle) {
  const uint32_t quadrant = (angle + 0x20000000U) >> 30;
  const auto rest = static_cast<int32_t>(angle - (quadrant << 30));
  const float x = static_cast<float>(rest) * (6.28318530717958648F * 0x1p-32F);
  const float z = x * x;
  float s = -1.9515295891e-4F;
  s = s * z + 8.3321608736e-3F;
  s = s * z - 1.6666654611e-1F;
  s = s * z * x + x;
  float c = 2.443315711809948e-5F;
  c = c * z - 1.388731625493765e-3F;
  c = c * z + 4.166664568298827e-2F;
  c = c * z * z - 0.5F * z + 1.0F;
  const bool swap = (quadrant & 1) != 0;
  const float sine = swap ? c : s;
  const float cosine = swap ? s : c;
  const uint32_t sine_sign = (quadrant & 2) << 30;
  const uint32_t cosine_sign = ((quadrant + 1) & 2) << 30;
  return {__builtin_bit_cast(float, __builtin_bit_cast(uint32_t, sine) ^ sine_sign),
          __builtin_bit_cast(float, __builtin_bit_cast(uint32_t, cosine) ^ cosine_sign)};
}

// ---- double ----

inline constexpr uint64_t kTwo52Bits = 0x4330000000000000;  // the bits of 2^52

// An integer below 2^52, exactly.
[[gnu::always_inline]] inline double to_double52(uint64_t value) {
  return __builtin_bit_cast(double, kTwo52Bits | value) - 0x1p52;
}

// [0, 1), a multiple of 2^-53.
[[gnu::always_inline]] inline double unit_double(uint64_t draw) {
  return to_double52(draw >> 32) * 0x1p-32 + to_double52((draw >> 11) & 0x1fffff) * 0x1p-53;
}

// (0, 1), an odd multiple of 2^-53.
[[gnu::always_inline]] inline double open_unit_double(uint64_t draw) {
  return to_double52(draw >> 12) * 0x1p-52 + 0x1p-53;
}

// log(x) of a normal x > 0.
[[gnu::always_inline]] inline double log(double x) {
  constexpr uint64_t kSqrtHalf = 0x3fe6a09e00000000;
  constexpr uint64_t kOne = 0x3ff0000000000000;
  const uint64_t shifted = __builtin_bit_cast(uint64_t, x) + (kOne - kSqrtHalf);
  const double exponent = to_double52(shifted >> 52) - 1023.0;
  const double f = __builtin_bit_cast(double, (shifted & 0x000fffffffffffff) + kSqrtHalf) - 1.0;
  const double s = f / (2.0 + f);
  const double z = s * s;
  const double w = z * z;
  const double even = w * (3.999999999940941908e-01 +
                           w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
  const double odd = z * (6.666666666666735130e-01 +
                          w * (2.857142874366239149e-01 +
                               w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
  const double half_square = 0.5 * f * f;
  return exponent * 6.93147180369123816490e-01 -
         ((half_square -
           (s * (half_square + (even + odd)) + exponent * 1.90821492927058770002e-10)) -
          f);
}

// Sine and cosine of 2 pi * angle / 2^64: the range reduction is exact.
[[gnu::always_inline]] inline SinCos<double> sincos_turn(uint64_t angle) {
  const uint64_t quadrant = (angle + 0x2000000000000000U) >> 62;
  const uint64_t rest = angle - (quadrant << 62);  // in [-2^61, 2^61)
  // Biased to [0, 2^62), converted in two exact halves and unbiased: one rounding.
  const uint64_t biased = rest + 0x2000000000000000U;
  const double fraction =
      (to_double52(biased >> 32) - 0x1p29) * 0x1p32 + to_double52(biased & 0xffffffff);
  const double x = fraction * (6.283185307179586477 * 0x1p-64);
  const double z = x * x;
  double s = 1.58969099521155010221e-10;
  s = s * z - 2.50507602534068634195e-08;
  s = s * z + 2.75573137070700676789e-06;
  s = s * z - 1.98412698298579493134e-04;
  s = s * z + 8.33333333332248946124e-03;
  s = s * z - 1.66666666666666324348e-01;
  s = s * z * x + x;
  double c = -1.13596475577881948265e-11;
  c = c * z + 2.08757232129817482790e-09;
  c = c * z - 2.75573143513906633035e-07;
  c = c * z + 2.48015872894767294178e-05;
  c = c * z - 1.38888888888741095749e-03;
  c = c * z + 4.16666666666666019037e-02;
  const double half_z = 0.5 * z;
  const double one_minus = 1.0 - half_z;
  c = one_minus + (((1.0 - one_minus) - half_z) + z * z * c);
  const bool swap = (quadrant & 1) != 0;
  const double sine = swap ? c : s;
  const double cosine = swap ? s : c;
  const uint64_t sine_sign = (quadrant & 2) << 62;
  const uint64_t cosine_sign = ((quadrant + 1) & 2) << 62;
  return {__builtin_bit_cast(double, __builtin_bit_cast(uint64_t, sine) ^ sine_sign),
          __builtin_bit_cast(double, __builtin_bit_cast(uint64_t, cosine) ^ cosine_sign)};
}

// exp(x), with overflow to infinity and gradual underflow; NaN stays NaN.
[[gnu::always_inline]] inline double exp(double x) {
  constexpr double kRound = 0x1.8p52;  // adding and subtracting it rounds to an integer
  x = x > 800.0 ? 800.0 : x;
  x = x < -800.0 ? -800.0 : x;
  const double shifted = x * 1.44269504088896338700e+00 + kRound;
  const double k = shifted - kRound;
  const double high = x - k * 6.93147180369123816490e-01;
  const double low = k * 1.90821492927058770002e-10;
  const double r = high - low;
  const double t = r * r;
  const double c =
      r - t * (1.66666666666666019037e-01 +
               t * (-2.77777777770155933842e-03 +
                    t * (6.61375632143793436117e-05 +
                         t * (-1.65339022054652515390e-06 + t * 4.13813679705723846039e-08))));
  const double y = 1.0 - ((low - (r * c) / (2.0 - c)) - high);
  // Two factors, because 2^k alone may be out of range. The low bits of `shifted` are k.
  const uint64_t bits = __builtin_bit_cast(uint64_t, shifted) + 4096;  // k + 4096 > 0
  const uint64_t biased = bits & 0x1fff;
  const uint64_t first = biased >> 1;
  const uint64_t second = biased - first;
  const double scale1 = __builtin_bit_cast(double, (first - 2048 + 1023) << 52);
  const double scale2 = __builtin_bit_cast(double, (second - 2048 + 1023) << 52);
  return y * scale1 * scale2;
}

// ---- storage types ----

// float to bfloat16, round to nearest even.
[[gnu::always_inline]] inline uint16_t to_bfloat16(float value) {
  const auto bits = __builtin_bit_cast(uint32_t, value);
  const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  return static_cast<uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? 0x7fc0U : rounded);
}

[[gnu::always_inline]] inline float from_bfloat16(uint16_t bits) {
  return __builtin_bit_cast(float, static_cast<uint32_t>(bits) << 16);
}

// float to half, round to nearest even, as arithmetic on the bits.
[[gnu::always_inline]] inline uint16_t to_half(float value) {
  constexpr uint32_t kInfinity = 0x7f800000;
  constexpr uint32_t kHalfMax = (127U + 16) << 23;
  constexpr uint32_t kMagic = ((127U - 15) + (23 - 10) + 1) << 23;
  const auto bits = __builtin_bit_cast(uint32_t, value);
  const uint32_t sign = bits & 0x80000000;
  const uint32_t magnitude = bits ^ sign;
  const uint32_t large = magnitude > kInfinity ? 0x7e00U : 0x7c00U;
  const uint32_t subnormal = __builtin_bit_cast(uint32_t, __builtin_bit_cast(float, magnitude) +
                                                              __builtin_bit_cast(float, kMagic)) -
                             kMagic;
  const uint32_t normal = (magnitude - ((127U - 15) << 23) + 0xfff + ((magnitude >> 13) & 1)) >> 13;
  const uint32_t small = magnitude < (113U << 23) ? subnormal : normal;
  return static_cast<uint16_t>((magnitude >= kHalfMax ? large : small) | (sign >> 16));
}

[[gnu::always_inline]] inline float from_half(uint16_t half) {
  constexpr uint32_t kExponent = 0x7c00U << 13;
  const uint32_t bits = (half & 0x7fffU) << 13;
  const uint32_t exponent = bits & kExponent;
  const uint32_t based = bits + ((127U - 15) << 23);
  const float subnormal =
      __builtin_bit_cast(float, based + (1U << 23)) - __builtin_bit_cast(float, 113U << 23);
  const uint32_t special = based + ((128U - 16) << 23);
  const uint32_t normal = exponent == kExponent ? special : based;
  const uint32_t magnitude = exponent == 0 ? __builtin_bit_cast(uint32_t, subnormal) : normal;
  return __builtin_bit_cast(float, magnitude | ((half & 0x8000U) << 16));
}

}  // namespace trireme::run::block_math

#pragma GCC pop_options
