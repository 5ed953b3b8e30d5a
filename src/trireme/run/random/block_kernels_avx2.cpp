// SPDX-License-Identifier: Apache-2.0
// The random kernels for CPUs with AVX2.
#include <emmintrin.h>
#include <immintrin.h>

#include <cstdint>

#include "trireme/run/random/block_kernels.h"
#include "trireme/run/random/block_math.h"

// After the headers, so that no inline function of theirs is compiled for a CPU that may be absent.
#pragma GCC optimize("O3,fp-contract=off,no-math-errno,no-trapping-math")
#pragma GCC target("avx2")
#include "trireme/run/random/block_kernels_impl.h"

namespace trireme::run::detail {
namespace {

struct Avx2 {
  using Vector = uint64_t __attribute__((vector_size(32)));
  using Floats = float __attribute__((vector_size(32)));
  using Doubles = double __attribute__((vector_size(32)));
  [[gnu::always_inline]] static inline Vector multiply(Vector a, Vector b) {
#if defined(__clang__)  // clang-tidy: it does not read the pragma above
    return (a & 0xffffffff) * (b & 0xffffffff);
#else
    return (Vector)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#endif
  }
  [[gnu::always_inline]] static inline Floats square_root(Floats a) {
    return (Floats)_mm256_sqrt_ps((__m256)a);
  }
  [[gnu::always_inline]] static inline Doubles square_root(Doubles a) {
    return (Doubles)_mm256_sqrt_pd((__m256d)a);
  }
};

}  // namespace

const BlockKernels kAvx2Kernels = make_kernels<Avx2>();

}  // namespace trireme::run::detail
