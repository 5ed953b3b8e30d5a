// SPDX-License-Identifier: Apache-2.0
#include "trireme/device/allocator.h"

#include <c10/core/CPUAllocator.h>
#include <c10/core/CachingDeviceAllocator.h>

#include <map>
#include <mutex>

#include "trireme/record/recorder.h"
#include "trireme/run/alloc/host_allocator.h"

namespace trireme::device {
namespace {

using c10::CachingAllocator::Stat;
using c10::CachingAllocator::StatArray;
using c10::CachingAllocator::StatType;

void fill(StatArray& stats, const run::HostAllocatorStats::Stat& from) {
  Stat& stat = stats[static_cast<size_t>(StatType::AGGREGATE)];
  stat.current = static_cast<int64_t>(from.current);
  stat.peak = static_cast<int64_t>(from.peak);
  stat.allocated = static_cast<int64_t>(from.allocated);
  stat.freed = static_cast<int64_t>(from.freed);
}

class Allocator final : public c10::DeviceAllocator {
 public:
  c10::DataPtr allocate(size_t nbytes) override { return record::recorder().make_data_ptr(nbytes); }
  c10::DeleterFnPtr raw_deleter() const override { return nullptr; }
  void copy_data(void* /*dest*/, const void* /*src*/, std::size_t /*count*/) const override {
    TORCH_CHECK(false, "trireme memory has no address of its own; copy tensors with copy_()");
  }
  bool initialized() override { return true; }
  void emptyCache(c10::MempoolId_t /*pool*/) override {
    run::HostAllocator::instance().empty_cache();
  }
  void recordStream(const c10::DataPtr& /*data*/, c10::Stream /*stream*/) override {}

  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex /*device*/) override {
    const run::HostAllocatorStats stats = run::HostAllocator::instance().stats();
    c10::CachingDeviceAllocator::DeviceStats result;
    fill(result.allocated_bytes, stats.allocated_bytes);
    result.active_bytes = result.allocated_bytes;
    result.requested_bytes = result.allocated_bytes;
    fill(result.reserved_bytes, stats.reserved_bytes);
    fill(result.allocation, stats.allocations);
    result.active = result.allocation;
    result.num_ooms = static_cast<int64_t>(stats.ooms);
    return result;
  }
  void resetAccumulatedStats(c10::DeviceIndex /*device*/) override {
    run::HostAllocator::instance().reset_accumulated();
  }
  void resetPeakStats(c10::DeviceIndex /*device*/) override {
    run::HostAllocator::instance().reset_peak();
  }
  std::pair<size_t, size_t> getMemoryInfo(c10::DeviceIndex /*device*/) override {
    const size_t limit = run::HostAllocator::instance().limit();
    const size_t used = run::HostAllocator::instance().stats().allocated_bytes.current;
    return {limit > used ? limit - used : 0, limit};
  }
};

class PinnedAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t nbytes) override {
    c10::DataPtr data = c10::GetDefaultCPUAllocator()->allocate(nbytes);
    void* address = data.get();
    if (address == nullptr) return data;
    const std::lock_guard lock(mutex_);
    blocks_[address] = {nbytes, std::move(data)};
    return {address, address, &free_block, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &free_block; }
  void copy_data(void* dest, const void* src, std::size_t count) const override {
    default_copy_data(dest, src, count);
  }

  bool contains(const void* data) {
    const std::lock_guard lock(mutex_);
    auto after = blocks_.upper_bound(const_cast<void*>(data));
    if (after == blocks_.begin()) return false;
    --after;
    return static_cast<const char*>(data) <
           static_cast<const char*>(after->first) + after->second.first;
  }

 private:
  static void free_block(void* address);

  std::mutex mutex_;
  std::map<void*, std::pair<size_t, c10::DataPtr>> blocks_;
};

PinnedAllocator& pinned() {
  static auto* instance = new PinnedAllocator;  // never freed: tensors may outlive the interpreter
  return *instance;
}

void PinnedAllocator::free_block(void* address) {
  PinnedAllocator& allocator = pinned();
  const std::lock_guard lock(allocator.mutex_);
  allocator.blocks_.erase(address);
}

}  // namespace

c10::Allocator* device_allocator() {
  static auto* instance = new Allocator;
  return instance;
}

void register_allocator() { c10::SetAllocator(c10::DeviceType::PrivateUse1, device_allocator()); }

c10::Allocator* pinned_allocator() { return &pinned(); }

bool is_pinned(const void* data) { return pinned().contains(data); }

}  // namespace trireme::device
