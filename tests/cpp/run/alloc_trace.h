// SPDX-License-Identifier: Apache-2.0
// The sizes that training a transformer allocates and frees, in the order eager PyTorch does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace trireme::run::testing {

struct TraceEvent {
  size_t bytes;  // 0: frees the slot
  uint32_t slot;
};

struct TransformerShape {
  size_t layers = 6;
  size_t width = 256;
  size_t tokens = 512;
  size_t vocabulary = 4096;
};

// One slot per live block. Parameters, gradients and optimizer state keep their slots between
// steps.
class TrainingTrace {
 public:
  explicit TrainingTrace(TransformerShape shape) : shape_(shape) {
    const size_t d = shape.width;
    parameters_.push_back(shape.vocabulary * d);
    for (size_t layer = 0; layer < shape.layers; ++layer) {
      for (const size_t count :
           {d, d, 3 * d * d, 3 * d, d * d, d, d, d, 4 * d * d, 4 * d, 4 * d * d, d}) {
        parameters_.push_back(count);
      }
    }
    parameters_.push_back(shape.vocabulary * d);
  }

  std::vector<TraceEvent> setup() {
    events_.clear();
    for (const size_t count : parameters_) weights_.push_back(take(count));
    return events_;
  }

  // `tokens` other than the shape's: a batch of another length.
  std::vector<TraceEvent> step(size_t tokens) {
    events_.clear();
    const size_t row = tokens * shape_.width;
    std::vector<uint32_t> saved;
    const auto save = [&](size_t count) { saved.push_back(take(count)); };
    save(row);
    for (size_t layer = 0; layer < shape_.layers; ++layer) {
      save(row), save(tokens), save(tokens), save(3 * row), save(row), save(tokens * 8);
      const uint32_t contiguous = take(row);
      save(row);
      give(contiguous);
      save(row), save(tokens), save(tokens), save(4 * row), save(4 * row), save(row);
    }
    save(row), save(tokens * shape_.vocabulary), save(tokens * shape_.vocabulary), save(1);
    for (const uint32_t slot : gradients_) give(slot);
    gradients_.clear();

    uint32_t upstream = take(tokens * shape_.vocabulary);
    size_t parameter = parameters_.size();
    while (!saved.empty()) {
      const size_t count = sizes_[saved.back()] / sizeof(float);
      const uint32_t next = take(count);
      const uint32_t scratch = take(count);
      give(scratch);
      give(upstream);
      give(saved.back());
      saved.pop_back();
      upstream = next;
      if (parameter != 0) gradients_.push_back(take(parameters_[--parameter]));
    }
    give(upstream);
    while (parameter != 0) gradients_.push_back(take(parameters_[--parameter]));

    for (size_t i = 0; i < parameters_.size(); ++i) {
      if (first_) state_.push_back(take(parameters_[i])), state_.push_back(take(parameters_[i]));
      const uint32_t root = take(parameters_[i]);
      const uint32_t quotient = take(parameters_[i]);
      give(root);
      give(quotient);
    }
    first_ = false;
    return events_;
  }
  std::vector<TraceEvent> step() { return step(shape_.tokens); }

  uint32_t slots() const { return static_cast<uint32_t>(sizes_.size()); }

 private:
  uint32_t take(size_t count) {
    uint32_t slot = 0;
    if (unused_.empty()) {
      slot = static_cast<uint32_t>(sizes_.size());
      sizes_.push_back(0);
    } else {
      slot = unused_.back();
      unused_.pop_back();
    }
    sizes_[slot] = count * sizeof(float);
    events_.push_back({sizes_[slot], slot});
    return slot;
  }
  void give(uint32_t slot) {
    events_.push_back({0, slot});
    unused_.push_back(slot);
  }

  TransformerShape shape_;
  bool first_ = true;
  std::vector<size_t> parameters_;
  std::vector<size_t> sizes_;
  std::vector<uint32_t> unused_, weights_, gradients_, state_;
  std::vector<TraceEvent> events_;
};

}  // namespace trireme::run::testing
