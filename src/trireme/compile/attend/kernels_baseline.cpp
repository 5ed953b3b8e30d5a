// SPDX-License-Identifier: Apache-2.0
// Attention for any x86-64 (SSE2).
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "trireme/compile/attend/attend.h"

// After the headers, so that no inline function of theirs is compiled for a CPU that may be absent.
#pragma GCC optimize("O3,fp-contract=fast,no-math-errno,no-trapping-math")

#include "trireme/compile/attend/kernels.h"

namespace trireme::compile::detail {
namespace {

struct Baseline {
  static constexpr int kLanes = 4;
  using Floats = float __attribute__((vector_size(16)));
  using Ints = int32_t __attribute__((vector_size(16)));
  using Words = uint32_t __attribute__((vector_size(16)));
  using Halves = uint16_t __attribute__((vector_size(8)));
  using Octets = uint8_t __attribute__((vector_size(4)));
  // A block of a product in registers.
  static constexpr int kRows = 6;
  static constexpr int kVectors = 2;
};

}  // namespace

const AttendKernels kBaselineAttend = make_attend_kernels<Baseline>();

}  // namespace trireme::compile::detail
