// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/openmp_team.h"

#ifdef _OPENMP
#include <omp.h>
#endif

namespace trireme::record {

void release_openmp_team() {
#ifdef _OPENMP
  if (omp_in_parallel() != 0 || 2 * omp_get_max_threads() - 1 <= omp_get_num_procs()) return;
  omp_pause_resource_all(omp_pause_soft);
#endif
}

// NOLINTNEXTLINE(modernize-use-equals-default): clang-tidy is run without OpenMP and sees no body
CountedByOpenMp::CountedByOpenMp() {
#ifdef _OPENMP
  // The second thread of the team is the one that is counted; it sleeps.
#pragma omp parallel num_threads(2)
  asm volatile("");
#endif
}

}  // namespace trireme::record
