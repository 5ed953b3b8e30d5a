// SPDX-License-Identifier: Apache-2.0
// The device's random generator: Philox's seed and offset. Drawing advances the offset when a call
// is recorded, so the state that the program reads never depends on what has run.
#pragma once

#include <ATen/core/Generator.h>
#include <c10/core/GeneratorImpl.h>

#include "trireme/record/call.h"

namespace trireme::device {

class PhiloxGenerator final : public c10::GeneratorImpl {
 public:
  explicit PhiloxGenerator(uint64_t seed);

  void set_current_seed(uint64_t seed) override;
  void set_offset(uint64_t offset) override;
  uint64_t get_offset() const override { return offset_; }
  uint64_t current_seed() const override { return seed_; }
  uint64_t seed() override;
  // State: 16 bytes, seed then offset, as CUDA's.
  void set_state(const c10::TensorImpl& state) override;
  c10::intrusive_ptr<c10::TensorImpl> get_state() const override;

  // State for one call; advances the offset. Locks.
  record::PhiloxState draw();

 private:
  PhiloxGenerator* clone_impl() const override;

  uint64_t seed_;
  uint64_t offset_ = 0;
};

const at::Generator& default_generator();
at::Generator make_generator();

// RecorderHooks::draw.
record::PhiloxState draw(c10::GeneratorImpl* generator);

}  // namespace trireme::device
