// SPDX-License-Identifier: Apache-2.0
// Attention for CPUs with AVX-512.
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "trireme/compile/attend/attend.h"

// After the headers, so that no inline function of theirs is compiled for a CPU that may be absent.
#pragma GCC optimize("O3,fp-contract=fast,no-math-errno,no-trapping-math")
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")
#include "trireme/compile/attend/kernels.h"

namespace trireme::compile::detail {
namespace {

struct Avx512 {
  static constexpr int kLanes = 16;
  using Floats = float __attribute__((vector_size(64)));
  using Ints = int32_t __attribute__((vector_size(64)));
  using Words = uint32_t __attribute__((vector_size(64)));
  using Halves = uint16_t __attribute__((vector_size(32)));
  using Octets = uint8_t __attribute__((vector_size(16)));
  // A block of a product in registers.
  static constexpr int kRows = 6;
  static constexpr int kVectors = 4;
};

}  // namespace

const AttendKernels kAvx512Attend = make_attend_kernels<Avx512>();

}  // namespace trireme::compile::detail
