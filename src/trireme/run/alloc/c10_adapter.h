// SPDX-License-Identifier: Apache-2.0
// The host allocator as PyTorch's CPU allocator.
#pragma once

#include <c10/core/Allocator.h>

namespace trireme::run {

// Allocates CPU memory from HostAllocator::instance(). DataPtr's context is the pointer itself; its
// deleter, which is also that of install_cpu_allocator()'s allocator, may run on any thread. Throws
// c10::OutOfMemoryError.
c10::Allocator* host_allocator();

// While one lives, CPU tensors that its thread makes get their memory from the host allocator, once
// install_cpu_allocator() was called. May be nested. Kernels' own threads (OpenMP's) are not in the
// scope.
class HostAllocatorScope {
 public:
  HostAllocatorScope() noexcept;
  ~HostAllocatorScope();
  HostAllocatorScope(const HostAllocatorScope&) = delete;
  HostAllocatorScope& operator=(const HostAllocatorScope&) = delete;

  static bool active() noexcept;
};

// Puts an allocator in place of PyTorch's CPU allocator that serves threads in a HostAllocatorScope
// from the host allocator and leaves the others to the one it replaced. Once per process; later
// calls do nothing. False when another allocator of higher priority keeps its place.
bool install_cpu_allocator();

}  // namespace trireme::run
