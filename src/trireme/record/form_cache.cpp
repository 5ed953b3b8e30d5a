// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/form_cache.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace trireme::record {
namespace {

bool same_words(const CallForm& form, std::span<const uint64_t> words) {
  return form.words.size() == words.size() &&
         std::memcmp(form.words.data(), words.data(), words.size_bytes()) == 0;
}

}  // namespace

FormCache::FormCache(size_t capacity)
    : capacity_(std::bit_ceil(std::max<size_t>(capacity, 16))), slots_(2 * capacity_) {}

CallForm* FormCache::find(std::span<const uint64_t> words, uint64_t hash) {
  const size_t mask = slots_.size() - 1;
  for (size_t i = hash & mask; slots_[i]; i = (i + 1) & mask) {
    if (slots_[i]->hash == hash && same_words(*slots_[i], words)) return slots_[i].get();
  }
  return nullptr;
}

CallForm* FormCache::insert(std::unique_ptr<CallForm> form, uint64_t next_call) {
  if (size_ == capacity_) {
    retired_.push_back({next_call, std::move(slots_)});
    slots_ = std::vector<std::unique_ptr<CallForm>>(2 * capacity_);
    size_ = 0;
  }
  const size_t mask = slots_.size() - 1;
  size_t i = form->hash & mask;
  while (slots_[i]) i = (i + 1) & mask;
  slots_[i] = std::move(form);
  ++size_;
  return slots_[i].get();
}

void FormCache::release_retired(uint64_t executed) {
  for (Retired& item : retired_) {
    if (item.next_call > executed) continue;
    std::erase_if(item.forms, [](const auto& form) { return !form || !form->pins.any(); });
  }
  std::erase_if(retired_, [](const Retired& item) { return item.forms.empty(); });
}

}  // namespace trireme::record
