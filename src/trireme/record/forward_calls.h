// SPDX-License-Identifier: Apache-2.0
// Which forward call a backward call differentiates.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>

#include "trireme/record/call.h"

namespace trireme::record {

// Remembers the latest forward calls by the autograd node that belongs to them. PyTorch makes the
// node of an op before it calls the op's kernel, and a forward call carries the number of the node
// made *next*; its own node is therefore the one before (measured over functional, in-place and
// list ops). Not thread-safe.
class ForwardCalls {
 public:
  struct Forward {
    uint64_t number = 0;  // of the call
    SiteId site = kUnknownSite;
  };

  explicit ForwardCalls(size_t capacity = 65536) : capacity_(capacity) {}

  // To be told of every call.
  void note(const Call& call) {
    if (call.phase != Phase::Forward || call.autograd_sequence == 0) return;
    const Key key{call.autograd_thread, call.autograd_sequence - 1};
    // The first of several calls with one node: the op as the program wrote it begins there.
    if (!calls_.emplace(key, Forward{call.number, call.site}).second) return;
    order_.push_back(key);
    if (order_.size() > capacity_) {
      calls_.erase(order_.front());
      order_.pop_front();
    }
  }

  // The forward call that a backward call differentiates; nothing for other calls, for nodes
  // without a call (views, gradient accumulation, a second derivative), and for one that is
  // forgotten.
  std::optional<Forward> find(const Call& call) const {
    if (call.phase != Phase::Backward) return std::nullopt;
    const auto known = calls_.find({call.autograd_thread, call.autograd_sequence});
    if (known == calls_.end()) return std::nullopt;
    return known->second;
  }

 private:
  struct Key {
    uint64_t thread;
    uint64_t sequence;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    size_t operator()(const Key& key) const {
      return key.thread * 0x9e3779b97f4a7c15ULL ^ key.sequence;
    }
  };

  size_t capacity_;
  std::unordered_map<Key, Forward, Hash> calls_;
  std::deque<Key> order_;
};

}  // namespace trireme::record
