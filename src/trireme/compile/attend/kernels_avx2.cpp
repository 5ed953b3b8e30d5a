// SPDX-License-Identifier: Apache-2.0
// Attention for CPUs with AVX2.
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "trireme/compile/attend/attend.h"

// After the headers, so that no inline function of theirs is compiled for a CPU that may be absent.
#pragma GCC optimize("O3,fp-contract=fast,no-math-errno,no-trapping-math")
#pragma GCC target("avx2,fma")
#include "trireme/compile/attend/kernels.h"

namespace trireme::compile::detail {
namespace {

struct Avx2 {
  static constexpr int kLanes = 8;
  using Floats = float __attribute__((vector_size(32)));
  using Ints = int32_t __attribute__((vector_size(32)));
  using Words = uint32_t __attribute__((vector_size(32)));
  using Halves = uint16_t __attribute__((vector_size(16)));
  using Octets = uint8_t __attribute__((vector_size(8)));
  // A block of a product in registers.
  static constexpr int kRows = 6;
  static constexpr int kVectors = 2;
};

}  // namespace

const AttendKernels kAvx2Attend = make_attend_kernels<Avx2>();

}  // namespace trireme::compile::detail
