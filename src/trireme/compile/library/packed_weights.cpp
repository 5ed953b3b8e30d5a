// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/library/packed_weights.h"

#include <unistd.h>

#include <algorithm>
#include <new>
#include <utility>

namespace trireme::compile {

size_t PackedWeights::part_of_memory() {
  constexpr size_t kPart = 8;
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  const long size = ::sysconf(_SC_PAGESIZE);
  if (pages <= 0 || size <= 0) return 0;
  return static_cast<size_t>(pages) / kPart * static_cast<size_t>(size);
}

bool PackedWeights::settled(uint64_t version, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (now - swept_ >= kSweep) drop(now);
  // A training names new contents at each step.
  if (counts_.size() >= kMostCounts) {
    std::erase_if(counts_, [](const auto& one) { return one.second.products < kPatience; });
    if (counts_.size() >= kMostCounts) counts_.clear();
  }
  Count& count = counts_.try_emplace(version, Count{0, {now, now}}).first->second;
  count.asked.last = now;
  if (count.products < kPatience) ++count.products;
  return count.products >= kPatience && now - count.asked.first >= kLeastTime;
}

std::shared_ptr<const std::byte> PackedWeights::find(const Key& key, size_t bytes,
                                                     const std::function<void(std::byte*)>& pack,
                                                     Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  const auto found = packed_.find(key);
  if (found != packed_.end()) {
    found->second.asked.last = now;
    return found->second.memory;
  }
  if (bytes > most_ - bytes_) return nullptr;
  constexpr std::align_val_t kAlignment{64};
  auto* raw = static_cast<std::byte*>(::operator new[](bytes, kAlignment, std::nothrow));
  if (raw == nullptr) return nullptr;
  const std::shared_ptr<std::byte> memory(
      raw, [](std::byte* one) { ::operator delete[](one, kAlignment); });
  pack(raw);
  bytes_ += bytes;
  const auto counted = counts_.find(key.version);
  const Clock::time_point first = counted == counts_.end() ? now : counted->second.asked.first;
  packed_.emplace(key, Packed{memory, bytes, {first, now}});
  return memory;
}

size_t PackedWeights::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

void PackedWeights::forget(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  drop(now);
}

void PackedWeights::drop(Clock::time_point now) {
  swept_ = now;
  const auto old = [now](const Span& asked) {
    const Clock::duration used = std::max<Clock::duration>(asked.last - asked.first, kLeastTime);
    return now - asked.last > std::min<Clock::duration>(2 * used, kAge);
  };
  std::erase_if(counts_, [&](const auto& one) { return old(one.second.asked); });
  std::erase_if(packed_, [&](const auto& one) {
    const bool gone = old(one.second.asked);
    if (gone) bytes_ -= one.second.bytes;
    return gone;
  });
}

}  // namespace trireme::compile
