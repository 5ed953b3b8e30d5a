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
std::atomic<int> busy_threads{0};

void make_team() {
#ifdef _OPENMP
  // The second thread of the team is the one that is counted; it sleeps.
#pragma omp parallel num_threads(2)
  asm volatile("");
#endif
}

}  // namespace

void release_openmp_team() {
#ifdef _OPENMP
  if (omp_in_parallel() != 0 || 2 * omp_get_max_threads() - 1 <= omp_get_num_procs()) return;
  omp_pause_resource_all(omp_pause_soft);
#endif
}

CountedByOpenMp::CountedByOpenMp() { make_team(); }

CountedByOpenMp::~CountedByOpenMp() {
  set_busy(false);
  release_openmp_team();
}

void CountedByOpenMp::set_busy(bool busy) {
  if (busy == busy_) return;
  busy_ = busy;
  busy_threads.fetch_add(busy ? 1 : -1, std::memory_order_relaxed);
}

bool processors_are_few() {
  static const bool few = std::thread::hardware_concurrency() <= kFewProcessors;
  return few;
}

bool processors_are_shared() {
  return processors_are_few() && busy_threads.load(std::memory_order_relaxed) > 0;
}

}  // namespace trireme::record
