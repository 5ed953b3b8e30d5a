// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/attend/attend.h"

#include "trireme/compile/attend/scratch.h"

namespace trireme::compile {

const AttendKernels* attend_kernels_for(AttendIsa isa) {
  switch (isa) {
    case AttendIsa::Baseline:
      return &detail::kBaselineAttend;
    case AttendIsa::Avx2: {
      const bool supported =
          __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
      return supported ? &detail::kAvx2Attend : nullptr;
    }
    case AttendIsa::Avx512: {
      const bool supported =
          __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
          __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0;
      return supported ? &detail::kAvx512Attend : nullptr;
    }
  }
  return nullptr;
}

const AttendKernels& attend_kernels() {
  static const AttendKernels& chosen = []() -> const AttendKernels& {
    for (const AttendIsa isa : {AttendIsa::Avx512, AttendIsa::Avx2}) {
      if (const AttendKernels* kernels = attend_kernels_for(isa)) return *kernels;
    }
    return detail::kBaselineAttend;
  }();
  return chosen;
}

size_t attend_scratch(const AttendProblem& problem) {
  return static_cast<size_t>(detail::attend_scratch_of(problem, nullptr).floats);
}

size_t attend_sums(const AttendProblem& problem) {
  return static_cast<size_t>(problem.columns * (detail::attend_padded(problem.depth) +
                                                detail::attend_padded(problem.width)));
}

}  // namespace trireme::compile
