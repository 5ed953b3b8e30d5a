// SPDX-License-Identifier: Apache-2.0
// Tells ThreadSanitizer how OpenMP regions start and join. torch's libgomp is not instrumented, so
// without this each region looks like a race between its threads and whoever uses the stack next.
// Only in thread-sanitized builds: it stands in front of the function that the compiler calls.
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

extern "C" {
void __tsan_acquire(void* address);
void __tsan_release(void* address);
void GOMP_parallel(void (*body)(void*), void* data, unsigned threads, unsigned flags);
}

namespace {

using GompParallel = decltype(&GOMP_parallel);

struct Region {
  void (*body)(void*);
  void* data;
  char start;
  char end;
};

__attribute__((no_sanitize("thread"))) void run_member(void* argument) {
  auto* region = static_cast<Region*>(argument);
  __tsan_acquire(&region->start);
  region->body(region->data);
  __tsan_release(&region->end);
}

GompParallel libgomp() {
  static const auto function = [] {
    void* library = dlopen("libgomp.so.1", RTLD_LAZY | RTLD_NOLOAD);
    return library == nullptr ? nullptr
                              : reinterpret_cast<GompParallel>(dlsym(library, "GOMP_parallel"));
  }();
  if (function == nullptr) {
    std::fputs("tsan_openmp: libgomp.so.1 is not loaded\n", stderr);
    std::abort();
  }
  return function;
}

}  // namespace

__attribute__((no_sanitize("thread"))) void GOMP_parallel(void (*body)(void*), void* data,
                                                          unsigned threads, unsigned flags) {
  Region region{body, data, 0, 0};
  __tsan_release(&region.start);
  libgomp()(&run_member, &region, threads, flags);
  __tsan_acquire(&region.end);
}
