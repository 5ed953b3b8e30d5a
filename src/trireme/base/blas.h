// SPDX-License-Identifier: Apache-2.0
// The BLAS that torch has brought into the process (MKL on x86), which libtorch exports.
#pragma once

namespace trireme::base {

// A function of it by its symbol; null: there is none, or torch is not loaded.
void* blas_symbol(const char* name) noexcept;

// In its lifetime, MKL's functions, transforms and solvers too, use so many threads when this
// thread calls them; 0: as many as is set for the process. Nothing where there is no MKL.
class BlasThreads {
 public:
  explicit BlasThreads(int threads) noexcept;
  ~BlasThreads();
  BlasThreads(const BlasThreads&) = delete;
  BlasThreads& operator=(const BlasThreads&) = delete;

 private:
  int before_;
};

}  // namespace trireme::base
