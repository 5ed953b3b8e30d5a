// SPDX-License-Identifier: Apache-2.0
// The functions of OpenMP that are used here, as its standard declares them. Not <omp.h>: it
// belongs to one compiler, and clang-tidy cannot read g++'s.
#pragma once

extern "C" {
int omp_get_max_threads() noexcept;
int omp_get_thread_num() noexcept;
void omp_set_num_threads(int threads) noexcept;
}
