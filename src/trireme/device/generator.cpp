// SPDX-License-Identifier: Apache-2.0
#include "trireme/device/generator.h"

#include <ATen/Utils.h>
#include <ATen/core/GeneratorForPrivateuseone.h>
#include <ATen/ops/empty.h>

#include <array>
#include <cstring>

#include "trireme/record/device_tensor.h"
#include "trireme/run/random/random.h"

namespace trireme::device {
namespace {
constexpr size_t kStateBytes = 2 * sizeof(uint64_t);
}

PhiloxGenerator::PhiloxGenerator(uint64_t seed)
    : GeneratorImpl(record::kDevice, c10::DispatchKeySet(c10::DispatchKey::PrivateUse1)),
      seed_(seed) {}

void PhiloxGenerator::set_current_seed(uint64_t seed) {
  seed_ = seed;
  offset_ = 0;
}

void PhiloxGenerator::set_offset(uint64_t offset) { offset_ = offset; }

uint64_t PhiloxGenerator::seed() {
  set_current_seed(c10::detail::getNonDeterministicRandom());
  return seed_;
}

void PhiloxGenerator::set_state(const c10::TensorImpl& state) {
  at::detail::check_rng_state(state);
  TORCH_CHECK(state.numel() == static_cast<int64_t>(kStateBytes),
              "a trireme generator's state has ", kStateBytes, " bytes (seed, offset), got ",
              state.numel());
  std::array<uint64_t, 2> words{};
  std::memcpy(words.data(), state.data(), kStateBytes);
  seed_ = words[0];
  offset_ = words[1];
}

c10::intrusive_ptr<c10::TensorImpl> PhiloxGenerator::get_state() const {
  const at::Tensor state =
      at::empty({static_cast<int64_t>(kStateBytes)}, at::TensorOptions(at::kByte));
  const std::array<uint64_t, 2> words{seed_, offset_};
  std::memcpy(state.mutable_data_ptr(), words.data(), kStateBytes);
  return state.getIntrusivePtr();
}

record::PhiloxState PhiloxGenerator::draw() {
  const std::lock_guard lock(mutex_);
  const record::PhiloxState state{seed_, offset_};
  offset_ += run::kPhiloxStride;
  return state;
}

PhiloxGenerator* PhiloxGenerator::clone_impl() const {
  auto* copy = new PhiloxGenerator(seed_);
  copy->offset_ = offset_;
  return copy;
}

const at::Generator& default_generator() {
  static const auto* generator = new at::Generator(
      at::make_generator<PhiloxGenerator>(c10::detail::getNonDeterministicRandom()));
  return *generator;
}

at::Generator make_generator() {
  return at::make_generator<PhiloxGenerator>(c10::default_rng_seed_val);
}

record::PhiloxState draw(c10::GeneratorImpl* generator) {
  if (generator == nullptr) return default_generator().get<PhiloxGenerator>()->draw();
  TORCH_CHECK(generator->device().type() == c10::DeviceType::PrivateUse1,
              "Expected a 'trireme' device type for generator but found '",
              generator->device().type(), "'");
  return static_cast<PhiloxGenerator*>(generator)->draw();
}

}  // namespace trireme::device
