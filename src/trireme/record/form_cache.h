// SPDX-License-Identifier: Apache-2.0
// Known call forms by signature. Not thread-safe: the recorder's lock guards it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "trireme/record/call_form.h"

namespace trireme::record {

class FormCache {
 public:
  explicit FormCache(size_t capacity);

  // The form of the signature, or null.
  CallForm* find(const Signature& signature) {
    return find({signature.words.data(), signature.words.size()}, signature.hash);
  }
  CallForm* find(std::span<const uint64_t> words, uint64_t hash);

  // Adds a complete form. When the cache is full all forms are dropped first (a program that keeps
  // making new shapes gains nothing from old ones); they stay alive, retired, until
  // `release_retired`.
  CallForm* insert(std::unique_ptr<CallForm> form, uint64_t next_call);

  // Frees what was retired before the call number `executed`: no pending call can name it any more.
  void release_retired(uint64_t executed);

  size_t size() const { return size_; }
  const std::vector<std::unique_ptr<CallForm>>& slots() const { return slots_; }

 private:
  struct Retired {
    uint64_t next_call;
    std::vector<std::unique_ptr<CallForm>> forms;
  };

  size_t capacity_;
  size_t size_ = 0;
  std::vector<std::unique_ptr<CallForm>>
      slots_;  // open addressing, linear probing, at most half full
  std::vector<Retired> retired_;
};

}  // namespace trireme::record
