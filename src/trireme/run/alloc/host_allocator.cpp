// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/alloc/host_allocator.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "trireme/base/env.h"
#include "trireme/base/errors.h"
#include "trireme/run/alloc/fork_handlers.h"
#include "trireme/run/alloc/memory_limit.h"

namespace trireme::run {
namespace {

// Less, and small models keep trading pages with the system: measured on the traces of training
// steps.
constexpr uint64_t kSlackBytes = uint64_t{8} << 20;
constexpr uint64_t kSlackFraction = 64;

size_t small_share(size_t range_bytes) {
  return std::min<size_t>(range_bytes / 8, size_t{64} << 30) / kChunkBytes * kChunkBytes;
}

std::string format_bytes(size_t bytes) {
  char text[64];
  const auto amount = static_cast<double>(bytes);
  if (bytes < 1024) {
    std::snprintf(text, sizeof(text), "%zu bytes", bytes);
  } else if (bytes < size_t{1} << 20) {
    std::snprintf(text, sizeof(text), "%.2f KiB", amount / 1024.0);
  } else if (bytes < size_t{1} << 30) {
    std::snprintf(text, sizeof(text), "%.2f MiB", amount / 1048576.0);
  } else {
    std::snprintf(text, sizeof(text), "%.2f GiB", amount / 1073741824.0);
  }
  return text;
}

[[noreturn]] void die(const char* what, const void* pointer) {
  std::fprintf(stderr,
               "trireme: HostAllocator::free(%p): %s. A tensor's memory was freed twice or was "
               "overwritten.\n",
               pointer, what);
  std::abort();
}

}  // namespace

HostAllocatorOptions HostAllocatorOptions::from_environment() {
  HostAllocatorOptions options;
  if (const int64_t limit = base::env_int("TRIREME_ALLOC_LIMIT", 0); limit > 0) {
    options.limit_bytes = static_cast<size_t>(limit);
  }
  if (base::env_string("TRIREME_ALLOC_HUGE_PAGES")) {
    options.huge_pages = base::env_flag("TRIREME_ALLOC_HUGE_PAGES");
  }
  options.move_pages = base::env_flag("TRIREME_ALLOC_MOVE", true);
  options.poison = base::env_flag("TRIREME_ALLOC_POISON");
  return options;
}

HostAllocator::HostAllocator(const HostAllocatorOptions& options)
    : poison_(options.poison),
      range_(options.reserve_bytes),
      small_bytes_(small_share(range_.size())),
      large_(range_, small_bytes_, range_.size() - small_bytes_,
             options.huge_pages && huge_pages_offered(), options.move_pages),
      small_(range_, 0, small_bytes_),
      limit_(options.limit_bytes.value_or(system_memory_limit())) {
  ForkHandlers::add(*this);
}

HostAllocator::~HostAllocator() { ForkHandlers::remove(*this); }

HostAllocator& HostAllocator::instance() {
  static auto* const instance = new HostAllocator(HostAllocatorOptions::from_environment());
  return *instance;
}

void* HostAllocator::allocate(size_t bytes) {
  if (bytes == 0) return nullptr;
  void* const pointer = bytes <= kSmallMost ? allocate_small(bytes) : allocate_large(bytes);
  if (poison_) [[unlikely]]
    std::memset(pointer, 0xFF, block_bytes(pointer));
  return pointer;
}

void* HostAllocator::allocate_small(size_t bytes) {
  const uint32_t size_class = small_class(bytes);
  const size_t size = small_class_bytes(size_class);
  size_t offset = SmallPool::kNowhere;
  bool grown = false;
  {
    const std::lock_guard lock(lock_);
    if (stats_.allocated_bytes.current + size <= limit_) [[likely]] {
      const size_t resident = small_.resident_bytes();
      offset = small_.allocate(size_class);
      if (offset != SmallPool::kNowhere) [[likely]]
        add(size);
      grown = small_.resident_bytes() != resident;
    }
  }
  if (offset == SmallPool::kNowhere) [[unlikely]]
    out_of_memory(bytes, "");
  if (grown) [[unlikely]]
    settle();
  return range_.base() + offset;
}

void* HostAllocator::allocate_large(size_t bytes) {
  if (bytes > range_.size()) out_of_memory(bytes, "");
  const auto pages = static_cast<uint32_t>((bytes + kPageBytes - 1) / kPageBytes);
  const size_t size = size_t{pages} * kPageBytes;
  uint32_t place = ExtentPool::kNowhere;
  bool fits = true;
  {
    const std::lock_guard large_lock(large_lock_);
    uint64_t ceiling_pages = 0;
    {
      const std::lock_guard lock(lock_);
      const uint64_t live = stats_.allocated_bytes.current + size;
      fits = live <= limit_;
      const uint64_t most = ceiling(live);
      ceiling_pages = (most - std::min(most, small_.resident_bytes())) / kPageBytes;
    }
    if (fits) place = large_.allocate(pages, ceiling_pages);
    if (place != ExtentPool::kNowhere) {
      uint64_t most = 0;
      {
        const std::lock_guard lock(lock_);
        add(size);
        most = ceiling(stats_.allocated_bytes.current);
        large_resident_ = large_.resident_pages() * kPageBytes;
        if (large_resident_ + small_.resident_bytes() <= most) [[likely]] {
          note_reserved();
          most = UINT64_MAX;
        }
      }
      if (most != UINT64_MAX) trim(most);
    }
  }
  if (place == ExtentPool::kNowhere) {
    out_of_memory(bytes, fits ? " The range of addresses reserved for the device (or the system's "
                                "commit limit) is used up."
                              : "");
  }
  return range_.base() + small_bytes_ + size_t{place} * kPageBytes;
}

void HostAllocator::free(void* pointer) noexcept {
  if (pointer == nullptr) return;
  if (!owns(pointer)) die("not a pointer of this allocator", pointer);
  const size_t offset = offset_of(pointer);
  if (offset < small_bytes_) {
    lock_.lock();
    const size_t bytes = small_.free(offset);
    if (bytes != 0) [[likely]]
      remove(bytes);
    lock_.unlock();
    if (bytes == 0) [[unlikely]]
      die("no live block starts there", pointer);
    return;
  }
  const size_t inside = offset - small_bytes_;
  const auto place = static_cast<uint32_t>(inside / kPageBytes);
  bool known = false;
  {
    const std::lock_guard large_lock(large_lock_);
    const size_t bytes = size_t{large_.block_pages(place)} * kPageBytes;
    known = inside % kPageBytes == 0 && large_.free(place);
    const std::lock_guard lock(lock_);
    if (known) remove(bytes);
  }
  if (!known) die("no live block starts there", pointer);
}

size_t HostAllocator::block_bytes(const void* pointer) const noexcept {
  if (!owns(pointer)) return 0;
  const size_t offset = offset_of(pointer);
  if (offset < small_bytes_) {
    const std::lock_guard lock(lock_);
    return small_.block_bytes(offset);
  }
  const size_t inside = offset - small_bytes_;
  if (inside % kPageBytes != 0) return 0;
  const std::lock_guard large_lock(large_lock_);
  return size_t{large_.block_pages(static_cast<uint32_t>(inside / kPageBytes))} * kPageBytes;
}

// Under lock_, like the next three.
void HostAllocator::add(size_t bytes) {
  auto& [current, peak, allocated, freed] = stats_.allocated_bytes;
  current += bytes;
  allocated += bytes;
  if (current > peak) peak = current;
  if (current > kept_peak_) kept_peak_ = current;
  HostAllocatorStats::Stat& count = stats_.allocations;
  ++count.allocated;
  if (++count.current > count.peak) count.peak = count.current;
}

void HostAllocator::remove(size_t bytes) {
  stats_.allocated_bytes.current -= bytes;
  stats_.allocated_bytes.freed += bytes;
  --stats_.allocations.current;
  ++stats_.allocations.freed;
}

void HostAllocator::note_reserved() {
  HostAllocatorStats::Stat& reserved = stats_.reserved_bytes;
  const uint64_t now = large_resident_ + small_.resident_bytes();
  if (now > reserved.current) {
    reserved.allocated += now - reserved.current;
  } else {
    reserved.freed += reserved.current - now;
  }
  reserved.current = now;
  reserved.peak = std::max(reserved.peak, now);
}

// What may be resident when `live` bytes are live.
uint64_t HostAllocator::ceiling(uint64_t live) const {
  const uint64_t peak = std::max(kept_peak_, live);
  return std::min<uint64_t>(peak + peak / kSlackFraction + kSlackBytes,
                            std::max<uint64_t>(limit_, live));
}

// Under large_lock_. Purges until no more than `most` is resident, or nothing free is.
void HostAllocator::trim(uint64_t most) {
  uint64_t small = 0;
  {
    const std::lock_guard lock(lock_);
    const uint64_t now = large_.resident_pages() * kPageBytes + small_.resident_bytes();
    if (now > most) stats_.purged_bytes += small_.trim(now - most);
    small = small_.resident_bytes();
  }
  large_.trim((most - std::min(most, small)) / kPageBytes);
  const std::lock_guard lock(lock_);
  large_resident_ = large_.resident_pages() * kPageBytes;
  note_reserved();
}

// After small_ has taken pages: still untouched, so what goes now was never resident together with
// them.
void HostAllocator::settle() {
  const std::lock_guard large_lock(large_lock_);
  uint64_t most = 0;
  {
    const std::lock_guard lock(lock_);
    most = ceiling(stats_.allocated_bytes.current);
    if (large_resident_ + small_.resident_bytes() <= most) {
      note_reserved();
      return;
    }
  }
  trim(most);
}

void HostAllocator::empty_cache() {
  const std::lock_guard large_lock(large_lock_);
  {
    const std::lock_guard lock(lock_);
    kept_peak_ = stats_.allocated_bytes.current;
  }
  trim(0);
}

HostAllocatorStats HostAllocator::stats() const {
  const std::lock_guard large_lock(large_lock_);
  const std::lock_guard lock(lock_);
  HostAllocatorStats stats = stats_;
  const ExtentPool::Counters& large = large_.counters();
  stats.purges += large.purges + small_.purges();
  stats.purged_bytes += large.purged_pages * kPageBytes;
  stats.moved_bytes += large.moved_chunks * kChunkBytes;
  stats.fresh_bytes += large.fresh_pages * kPageBytes;
  stats.limit_bytes = limit_;
  stats.address_bytes = range_.size();
  return stats;
}

void HostAllocator::reset_peak() {
  const std::lock_guard lock(lock_);
  for (auto* stat : {&stats_.allocated_bytes, &stats_.allocations, &stats_.reserved_bytes}) {
    stat->peak = stat->current;
  }
}

void HostAllocator::reset_accumulated() {
  const std::lock_guard large_lock(large_lock_);
  const std::lock_guard lock(lock_);
  for (auto* stat : {&stats_.allocated_bytes, &stats_.allocations, &stats_.reserved_bytes}) {
    stat->allocated = 0;
    stat->freed = 0;
  }
  stats_.purged_bytes = 0;
  stats_.ooms = 0;
  large_.reset_counters();
  small_.reset_counters();
}

void HostAllocator::set_limit(std::optional<size_t> bytes) {
  const size_t limit = bytes.value_or(system_memory_limit());
  const std::lock_guard lock(lock_);
  limit_ = limit;
}

size_t HostAllocator::limit() const {
  const std::lock_guard lock(lock_);
  return limit_;
}

void HostAllocator::check() const {
  const std::lock_guard large_lock(large_lock_);
  large_.check();
}

void HostAllocator::out_of_memory(size_t bytes, const char* why) {
  uint64_t allocated = 0, reserved = 0, limit = 0;
  {
    const std::lock_guard lock(lock_);
    ++stats_.ooms;
    allocated = stats_.allocated_bytes.current;
    reserved = stats_.reserved_bytes.current;
    limit = limit_;
  }
  throw OutOfMemory("Trireme out of memory. Tried to allocate " + format_bytes(bytes) +
                        ". The device has a limit of " + format_bytes(limit) + " of which " +
                        format_bytes(limit - std::min(limit, allocated)) + " is free; " +
                        format_bytes(allocated) + " is allocated, and " +
                        format_bytes(reserved - std::min(reserved, allocated)) +
                        " is kept for reuse (and given up when needed)." + why,
                    bytes, allocated, limit);
}

}  // namespace trireme::run
