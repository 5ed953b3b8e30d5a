// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/openmp_team.h"

#ifdef _OPENMP
#include <omp.h>
#endif

#include <atomic>
#include <thread>

namespace trireme::record {
namespace {

constexpr unsigned kFewProcessors = 4;
std::atomic<int> counted{0};

}  // namespace

void release_openmp_team() {
#ifdef _OPENMP
  if (omp_in_parallel() != 0 || 2 * omp_get_max_threads() - 1 <= omp_get_num_procs()) return;
  omp_pause_resource_all(omp_pause_soft);
#endif
}

CountedByOpenMp::CountedByOpenMp() {
#ifdef _OPENMP
  // The second thread of the team is the one that is counted; it sleeps.
#pragma omp parallel num_threads(2)
  asm volatile("");
#endif
  counted.fetch_add(1, std::memory_order_relaxed);
}

CountedByOpenMp::~CountedByOpenMp() {
  counted.fetch_sub(1, std::memory_order_relaxed);
  release_openmp_team();
}

bool processors_are_shared() {
  static const bool few = std::thread::hardware_concurrency() <= kFewProcessors;
  return few && counted.load(std::memory_order_relaxed) > 0;
}

}  // namespace trireme::record
