// SPDX-License-Identifier: Apache-2.0
// The inner loops of the random kernels over plain memory, compiled once per instruction set.
// Every instruction set gives the same bits (random_block_test.cpp).
#pragma once

#include <cstdint>
#include <limits>

#include "trireme/run/random/philox.h"

namespace trireme::run {

enum class Isa : uint8_t { kBaseline, kAvx2, kAvx512 };

template <typename T>
struct UniformArgs {
  T from;
  T span;  // to - from
  T last;  // the largest value that may be returned: below `to` unless from == to
};

template <typename T>
struct NormalArgs {
  T mean;
  T std;
};

template <typename T>
struct ExponentialArgs {
  T scale;  // 1 / lambda
};

struct BernoulliArgs {
  uint32_t last;     // a draw counts as true when it is <= last ..
  uint32_t enabled;  // .. and this is 1 (p == 0 is not expressible by `last`)
};

struct CauchyArgs {
  double median;
  double sigma;
};

struct GeometricArgs {
  double log1m_p;  // log(1 - p), negative
};

struct IntegerArgs {
  uint64_t range;  // 0 stands for 2^64
  uint64_t base;   // added, modulo 2^64
};

struct BitsArgs {};

// Writes elements [0, count) of the stream that begins at `first_block`, i.e. the elements with
// index first_block * kPerBlock + [0, count).
template <typename T, typename Args, int kElementsPerBlock>
struct BlockKernel {
  using Value = T;
  using Arguments = Args;
  static constexpr int kPerBlock = kElementsPerBlock;
  void (*run)(T* out, PhiloxState state, uint64_t first_block, int64_t count, const Args& args);
};

struct BlockKernels {
  BlockKernel<uint32_t, BitsArgs, 4> bits;
  BlockKernel<float, UniformArgs<float>, 4> uniform_float;
  BlockKernel<double, UniformArgs<double>, 2> uniform_double;
  BlockKernel<float, NormalArgs<float>, 4> normal_float;
  BlockKernel<double, NormalArgs<double>, 2> normal_double;
  BlockKernel<float, ExponentialArgs<float>, 4> exponential_float;
  BlockKernel<double, ExponentialArgs<double>, 2> exponential_double;
  BlockKernel<uint8_t, BernoulliArgs, 4> bernoulli_byte;
  BlockKernel<float, BernoulliArgs, 4> bernoulli_float;
  BlockKernel<double, NormalArgs<double>, 2> log_normal;
  BlockKernel<double, CauchyArgs, 2> cauchy;
  BlockKernel<double, GeometricArgs, 2> geometric;
  BlockKernel<int64_t, IntegerArgs, 2> integers;

  // Conversions to the 16-bit types, rounded to nearest even.
  void (*to_half)(const float* in, uint16_t* out, int64_t count);
  void (*to_bfloat16)(const float* in, uint16_t* out, int64_t count);

  // out = in * mask * scale. For the 16-bit types scale is rounded to the type first, as ATen does,
  // and the product is computed in float.
  void (*drop_float)(const float* in, const uint8_t* mask, float* out, int64_t count, double scale);
  void (*drop_double)(const double* in, const uint8_t* mask, double* out, int64_t count,
                      double scale);
  void (*drop_half)(const uint16_t* in, const uint8_t* mask, uint16_t* out, int64_t count,
                    double scale);
  void (*drop_bfloat16)(const uint16_t* in, const uint8_t* mask, uint16_t* out, int64_t count,
                        double scale);
};

// The kernels for this CPU.
const BlockKernels& block_kernels();

// Those of one instruction set, or nullptr where this CPU lacks it.
const BlockKernels* block_kernels_for(Isa isa);

namespace detail {
extern const BlockKernels kBaselineKernels;
extern const BlockKernels kAvx2Kernels;
extern const BlockKernels kAvx512Kernels;
}  // namespace detail

}  // namespace trireme::run
