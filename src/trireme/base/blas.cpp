// SPDX-License-Identifier: Apache-2.0
#include "trireme/base/blas.h"

#include <dlfcn.h>

namespace trireme::base {
namespace {

// Of the calling thread; gives back what was set before, 0 for nothing.
using SetThreads = int (*)(int);

SetThreads set_threads() {
  static const auto found = reinterpret_cast<SetThreads>(blas_symbol("MKL_Set_Num_Threads_Local"));
  return found;
}

}  // namespace

void* blas_symbol(const char* name) noexcept {
  // Only where torch has loaded it: a second copy would bring threads of its own.
  static void* const library = dlopen("libtorch_cpu.so", RTLD_LAZY | RTLD_NOLOAD);
  return library == nullptr ? nullptr : dlsym(library, name);
}

BlasThreads::BlasThreads(int threads) noexcept
    : before_(set_threads() == nullptr ? 0 : set_threads()(threads)) {}

BlasThreads::~BlasThreads() {
  if (set_threads() != nullptr) set_threads()(before_);
}

}  // namespace trireme::base
