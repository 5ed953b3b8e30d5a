// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/random/cpu_generator.h"

#include <ATen/CPUGeneratorImpl.h>

#include "trireme/run/random/fill.h"
#include "trireme/run/random/random.h"

namespace trireme::run {

at::Generator make_cpu_generator(PhiloxState state) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(state.seed);
  // Seeding would keep 32 bits of (seed, offset) only: two calls in 2^16 would be alike.
  at::mt19937_data_pod data{};
  data.seed_ = state.seed;
  data.left_ = 1;  // the first draw makes the next 624 words
  data.seeded_ = true;
  data.next_ = 0;
  detail::draw_elements(block_kernels().bits, {}, state, 0,
                        static_cast<int64_t>(data.state_.size()), data.state_.data());
  data.state_[0] |= 0x80000000U;  // never the all-zero state
  at::mt19937 engine;
  engine.set_data(data);
  generator.get<at::CPUGeneratorImpl>()->set_engine(engine);
  return generator;
}

void call_with_cpu_generator(const c10::OperatorHandle& op, torch::jit::Stack& stack,
                             PhiloxState state) {
  const auto& arguments = op.schema().arguments();
  const size_t base = stack.size() - arguments.size();
  for (size_t i = 0; i < arguments.size(); ++i) {
    c10::TypePtr type = arguments[i].type();
    if (type->kind() == c10::TypeKind::OptionalType) {
      type = type->expectRef<c10::OptionalType>().getElementType();
    }
    if (type->kind() == c10::TypeKind::GeneratorType) stack[base + i] = make_cpu_generator(state);
  }
  op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), &stack);
}

}  // namespace trireme::run
