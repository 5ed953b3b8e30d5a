// SPDX-License-Identifier: Apache-2.0
// The random kernels for CPUs with AVX-512.
#include <emmintrin.h>
#include <immintrin.h>

#include <cstdint>

#include "trireme/run/random/block_kernels.h"
#include "trireme/run/random/block_math.h"

// After the headers, so that no inline function of theirs is compiled for a CPU that may be absent.
#pragma GCC optimize("O3,fp-contract=off,no-math-errno,no-trapping-math")
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")
#include "trireme/run/random/block_kernels_impl.h"

namespace trireme::run::detail {
namespace {

struct Avx512 {
  using Vector = uint64_t __attribute__((vector_size(64)));
  using Floats = float __attribute__((vector_size(64)));
  using Doubles = double __attribute__((vector_size(64)));
  [[gnu::always_inline]] static inline Vector multiply(Vector a, Vector b) {
#if defined(__clang__)  // clang-tidy: it does not read the pragma above
    return (a & 0xffffffff) * (b & 0xffffffff);
#else
    // Not _mm512_mul_epu32: g++ 12 warns of the undefined value inside it (bug 105593).
    return (Vector)_mm512_maskz_mul_epu32(0xff, (__m512i)a, (__m512i)b);
#endif
  }
  [[gnu::always_inline]] static inline Floats square_root(Floats a) {
    return (Floats)_mm512_maskz_sqrt_ps(0xffff, (__m512)a);
  }
  [[gnu::always_inline]] static inline Doubles square_root(Doubles a) {
    return (Doubles)_mm512_maskz_sqrt_pd(0xff, (__m512d)a);
  }
};

}  // namespace

const BlockKernels kAvx512Kernels = make_kernels<Avx512>();

}  // namespace trireme::run::detail
