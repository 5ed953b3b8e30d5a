// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/alloc/fork_handlers.h"

#include <pthread.h>

#include <mutex>
#include <vector>

#include "trireme/run/alloc/host_allocator.h"

namespace trireme::run {
namespace {

struct Registry {
  std::mutex lock;
  std::vector<HostAllocator*> allocators;
};

// Not destroyed, as the allocator is not: a fork may come late.
Registry& registry() {
  static auto* const registry = new Registry;
  return *registry;
}

}  // namespace

void ForkHandlers::add(HostAllocator& allocator) {
  static const int registered = pthread_atfork(&before, &after, &after);
  static_cast<void>(registered);
  const std::lock_guard lock(registry().lock);
  registry().allocators.push_back(&allocator);
}

void ForkHandlers::remove(HostAllocator& allocator) {
  const std::lock_guard lock(registry().lock);
  std::erase(registry().allocators, &allocator);
}

void ForkHandlers::before() {
  registry().lock.lock();
  for (HostAllocator* allocator : registry().allocators) {
    allocator->large_lock_.lock();
    allocator->lock_.lock();
  }
}

void ForkHandlers::after() {
  for (HostAllocator* allocator : registry().allocators) {
    allocator->lock_.unlock();
    allocator->large_lock_.unlock();
  }
  registry().lock.unlock();
}

}  // namespace trireme::run
