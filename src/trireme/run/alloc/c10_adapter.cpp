// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/alloc/c10_adapter.h"

#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>

#include <atomic>
#include <mutex>

#include "trireme/base/errors.h"
#include "trireme/run/alloc/host_allocator.h"

namespace trireme::run {
namespace {

constexpr uint8_t kPriority = 100;

thread_local int scopes = 0;

// The allocator that was replaced, and its deleter. Null until then.
std::atomic<c10::Allocator*> previous{nullptr};
std::atomic<c10::DeleterFnPtr> previous_deleter{nullptr};

void report(void* pointer, int64_t bytes) {
  const HostAllocatorStats stats = HostAllocator::instance().stats();
  c10::reportMemoryUsageToProfiler(pointer, bytes, stats.allocated_bytes.current,
                                   stats.reserved_bytes.current, c10::Device(c10::kCPU));
}

// Of every block that either allocator below gives out, whichever thread frees it.
void delete_block(void* pointer) {
  if (pointer == nullptr) return;
  HostAllocator& allocator = HostAllocator::instance();
  if (!allocator.owns(pointer)) {
    previous_deleter.load(std::memory_order_relaxed)(pointer);
    return;
  }
  if (c10::memoryProfilingEnabled()) [[unlikely]] {
    const auto bytes = static_cast<int64_t>(allocator.block_bytes(pointer));
    allocator.free(pointer);
    report(pointer, -bytes);
    return;
  }
  allocator.free(pointer);
}

void* allocate_block(size_t bytes) {
  HostAllocator& allocator = HostAllocator::instance();
  void* pointer = nullptr;
  try {
    pointer = allocator.allocate(bytes);
  } catch (const OutOfMemory& error) {
    const HostAllocatorStats stats = allocator.stats();
    c10::reportOutOfMemoryToProfiler(static_cast<int64_t>(bytes), stats.allocated_bytes.current,
                                     stats.reserved_bytes.current, c10::Device(c10::kCPU));
    C10_THROW_ERROR(OutOfMemoryError, error.what());
  }
  if (c10::memoryProfilingEnabled()) [[unlikely]] {
    report(pointer, static_cast<int64_t>(allocator.block_bytes(pointer)));
  }
  return pointer;
}

c10::DataPtr own(size_t bytes) {
  void* const pointer = allocate_block(bytes);
  return {pointer, pointer, &delete_block, c10::Device(c10::kCPU)};
}

class PoolAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override { return own(bytes); }
  c10::DeleterFnPtr raw_deleter() const override { return &delete_block; }
  void copy_data(void* target, const void* source, std::size_t bytes) const override {
    default_copy_data(target, source, bytes);
  }
};

class ScopedAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    if (scopes != 0) return own(bytes);
    c10::Allocator* const other = previous.load(std::memory_order_relaxed);
    c10::DataPtr data = other->allocate(bytes);
    // One deleter for all, as raw_deleter() promises.
    if (const c10::DeleterFnPtr deleter = previous_deleter.load(std::memory_order_relaxed)) {
      static_cast<void>(data.compare_exchange_deleter(deleter, &delete_block));
    }
    return data;
  }
  c10::DeleterFnPtr raw_deleter() const override {
    return previous_deleter.load(std::memory_order_relaxed) == nullptr ? nullptr : &delete_block;
  }
  void copy_data(void* target, const void* source, std::size_t bytes) const override {
    default_copy_data(target, source, bytes);
  }
};

}  // namespace

// Neither allocator is destroyed: tensors in static objects outlive any destructor here.
c10::Allocator* host_allocator() {
  static auto* const allocator = new PoolAllocator;
  return allocator;
}

HostAllocatorScope::HostAllocatorScope() noexcept { ++scopes; }
HostAllocatorScope::~HostAllocatorScope() { --scopes; }
bool HostAllocatorScope::active() noexcept { return scopes != 0; }

bool install_cpu_allocator() {
  static auto* const allocator = new ScopedAllocator;
  static std::once_flag once;
  std::call_once(once, [] {
    c10::Allocator* const replaced = c10::GetCPUAllocator();
    previous_deleter = replaced->raw_deleter();
    previous = replaced;
    c10::SetCPUAllocator(allocator, kPriority);
  });
  return c10::GetCPUAllocator() == allocator;
}

}  // namespace trireme::run
