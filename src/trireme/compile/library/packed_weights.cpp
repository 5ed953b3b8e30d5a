// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/library/packed_weights.h"

#include <unistd.h>

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

bool PackedWeights::settled(uint64_t version) {
  const Clock::time_point now = Clock::now();
  const std::lock_guard lock(mutex_);
  forget_now_and_then(now);
  // A training names new contents at each step.
  if (counts_.size() >= kMostCounts) counts_.clear();
  Count& count = counts_[version];
  count.last = now;
  if (count.products < kPatience) ++count.products;
  return count.products >= kPatience;
}

std::shared_ptr<const std::byte> PackedWeights::find(const Key& key, size_t bytes,
                                                     const std::function<void(std::byte*)>& pack) {
  const Clock::time_point now = Clock::now();
  const std::lock_guard lock(mutex_);
  forget_now_and_then(now);
  const auto found = packed_.find(key);
  if (found != packed_.end()) {
    found->second.last = now;
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
  packed_.emplace(key, Packed{memory, bytes, now});
  return memory;
}

size_t PackedWeights::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

void PackedWeights::forget(Clock::time_point before) {
  const std::lock_guard lock(mutex_);
  drop(before);
}

void PackedWeights::forget_now_and_then(Clock::time_point now) {
  if (now - forgot_ < kAge / 4) return;
  forgot_ = now;
  drop(now - kAge);
}

void PackedWeights::drop(Clock::time_point before) {
  std::erase_if(counts_, [&](const auto& one) { return one.second.last < before; });
  std::erase_if(packed_, [&](const auto& one) {
    const bool old = one.second.last < before;
    if (old) bytes_ -= one.second.bytes;
    return old;
  });
}

}  // namespace trireme::compile
