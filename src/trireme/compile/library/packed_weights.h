// SPDX-License-Identifier: Apache-2.0
// Packed forms of weights, shared by all programs that multiply by them: the programs of a model
// for several sizes would each keep their own otherwise.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <unordered_map>

namespace trireme::compile {

class PackedWeights {
 public:
  // `most`: bytes of all of them at a time.
  explicit PackedWeights(size_t most) : most_(most) {}
  PackedWeights(const PackedWeights&) = delete;
  PackedWeights& operator=(const PackedWeights&) = delete;

  // The default of `most`: an eighth of the machine's memory.
  static size_t part_of_memory();

  // Products that read the same contents, and for how long, before these are packed. Packing costs
  // as much as it gains in 2 to 8 products. What changes at each step of a training is read by two
  // products, or by one for each step in time.
  using Clock = std::chrono::steady_clock;
  static constexpr uint32_t kPatience = 8;
  static constexpr std::chrono::milliseconds kLeastTime{100};

  // Counts a product that reads contents of this version (Surroundings::input_version). Whether
  // there were enough of them. Any thread.
  bool settled(uint64_t version, Clock::time_point now = Clock::now());

  struct Key {
    uint64_t version = 0;
    int64_t offset = 0;  // of the first element
    std::string form;    // how the elements lie, unpacked and packed
    bool operator<(const Key& other) const {
      return std::tie(version, offset, form) < std::tie(other.version, other.offset, other.form);
    }
  };
  // What `pack` has written to memory of `bytes` bytes (aligned to 64) for this key, now or before.
  // Null where there is no room for it. Any thread; others wait while it packs. Of settled
  // contents.
  std::shared_ptr<const std::byte> find(const Key& key, size_t bytes,
                                        const std::function<void(std::byte*)>& pack,
                                        Clock::time_point now = Clock::now());

  // Bytes kept now.
  size_t bytes() const;

  // Forgets what nobody has asked for twice as long as it was in use, or for kAge. settled() does
  // it now and then: what is packed in one step of a training does not live through many.
  static constexpr std::chrono::seconds kAge{10};
  void forget(Clock::time_point now = Clock::now());

 private:
  struct Span {
    Clock::time_point first;
    Clock::time_point last;
  };
  struct Count {
    uint32_t products = 0;
    Span asked;
  };
  struct Packed {
    std::shared_ptr<const std::byte> memory;
    size_t bytes = 0;
    Span asked;
  };
  static constexpr size_t kMostCounts = 4096;
  static constexpr std::chrono::milliseconds kSweep{50};

  void drop(Clock::time_point now);

  const size_t most_;
  mutable std::mutex mutex_;                    // guards all below
  std::unordered_map<uint64_t, Count> counts_;  // by version
  std::map<Key, Packed> packed_;
  size_t bytes_ = 0;
  Clock::time_point swept_;
};

}  // namespace trireme::compile
