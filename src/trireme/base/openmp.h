// SPDX-License-Identifier: Apache-2.0
// The functions of OpenMP that are used here, as its standard declares them. Not <omp.h>: it
// belongs to one compiler, and clang-tidy cannot read g++'s.
#pragma once

#include <algorithm>
#include <optional>

#include "trireme/base/blas.h"

extern "C" {
int omp_get_max_threads() noexcept;
int omp_get_thread_num() noexcept;
void omp_set_num_threads(int threads) noexcept;
}

namespace trireme::base {

// About how many seconds one thread takes for a product, or what is like it, of so many
// floating-point operations and of matrices of so many bytes: a vector times a matrix reads.
constexpr double product_seconds(double flops, double bytes) {
  constexpr double kFlopsPerSecond = 1e11;
  constexpr double kBytesPerSecond = 2e10;
  return std::max(flops / kFlopsPerSecond, bytes / kBytesPerSecond);
}
// Below that, a second thread costs more than it does: it has to be woken, and it waits, spinning,
// on a core that the program itself could use.
inline constexpr double kSerialSeconds = 4e-5;

// In its lifetime, parallel regions that this thread begins, MKL's too, have one thread, where
// asked for.
class OneThread {
 public:
  explicit OneThread(bool alone) : before_(alone ? omp_get_max_threads() : 1) {
    if (before_ == 1) return;
    omp_set_num_threads(1);
    blas_.emplace(1);
  }
  ~OneThread() {
    if (before_ != 1) omp_set_num_threads(before_);
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;  // 1: left as it was
  std::optional<BlasThreads> blas_{};
};

}  // namespace trireme::base
