// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/random/block_kernels.h"

namespace trireme::run {

const BlockKernels* block_kernels_for(Isa isa) {
  switch (isa) {
    case Isa::kBaseline:
      return &detail::kBaselineKernels;
    case Isa::kAvx2:
      return __builtin_cpu_supports("avx2") != 0 ? &detail::kAvx2Kernels : nullptr;
    case Isa::kAvx512: {
      const bool supported =
          __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
          __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0;
      return supported ? &detail::kAvx512Kernels : nullptr;
    }
  }
  return nullptr;
}

const BlockKernels& block_kernels() {
  static const BlockKernels& chosen = []() -> const BlockKernels& {
    for (const Isa isa : {Isa::kAvx512, Isa::kAvx2}) {
      if (const BlockKernels* kernels = block_kernels_for(isa)) return *kernels;
    }
    return detail::kBaselineKernels;
  }();
  return chosen;
}

}  // namespace trireme::run
