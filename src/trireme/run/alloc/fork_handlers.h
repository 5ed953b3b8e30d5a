// SPDX-License-Identifier: Apache-2.0
// Keeps host allocators usable in a forked child.
#pragma once

namespace trireme::run {

class HostAllocator;

// Holds the locks of every allocator across fork(), so that the child, in which only the forking
// thread goes on, gets no lock held by a thread it does not have and no bookkeeping caught half
// way.
struct ForkHandlers {
  static void add(HostAllocator& allocator);
  static void remove(HostAllocator& allocator);

 private:
  static void before();
  static void after();
};

}  // namespace trireme::run
