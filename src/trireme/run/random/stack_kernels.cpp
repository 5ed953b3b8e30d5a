// SPDX-License-Identifier: Apache-2.0
// From the boxed stack to the distributions and back: one function per operator overload.
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/native/TensorFactories.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <cstddef>
#include <unordered_map>
#include <utility>

#include "trireme/run/random/distributions.h"
#include "trireme/run/random/multinomial.h"
#include "trireme/run/random/random.h"

namespace trireme::run {

namespace {

using c10::IValue;
using torch::jit::Stack;

// The last kArguments of the stack are a call's arguments.
template <size_t kArguments>
class Arguments {
 public:
  explicit Arguments(Stack& stack) : stack_(stack), base_(stack.size() - kArguments) {}

  at::Tensor tensor(size_t i) const { return stack_[base_ + i].toTensor(); }
  double number(size_t i) const { return stack_[base_ + i].toScalar().toDouble(); }
  int64_t integer(size_t i) const { return stack_[base_ + i].toInt(); }
  bool boolean(size_t i) const { return stack_[base_ + i].toBool(); }
  const IValue& value(size_t i) const { return stack_[base_ + i]; }

  template <typename... Results>
  void answer(Results&&... results) {
    torch::jit::drop(stack_, kArguments);
    (stack_.emplace_back(std::forward<Results>(results)), ...);
  }

 private:
  Stack& stack_;
  size_t base_;
};

// A string as a template argument.
template <size_t N>
struct Text {
  constexpr Text(const char (&text)[N]) { std::copy_n(text, N, at); }  // NOLINT: implicit by design
  char at[N];
};

// The ATen CPU kernel with a CPU generator. Inputs are made contiguous first: ATen draws in memory
// order, and values must not depend on strides. (These operators' outputs are contiguous anyway.)
template <Text kName, Text kOverload = "">
void draw_sequentially(Stack& stack, PhiloxState state) {
  const at::AutoDispatchBelowADInplaceOrView guard;
  static const c10::OperatorHandle op =
      c10::Dispatcher::singleton().findSchemaOrThrow(kName.at, kOverload.at);
  const auto& arguments = op.schema().arguments();
  const size_t base = stack.size() - arguments.size();
  for (size_t i = 0; i < arguments.size(); ++i) {
    IValue& value = stack[base + i];
    const auto* alias = arguments[i].alias_info();
    const bool written = alias != nullptr && alias->isWrite();
    if (value.isTensor() && !written) value = value.toTensor().contiguous();
  }
  call_with_cpu_generator(op, stack, state);
}

// (self, a, b, generator) and (self, a, generator), in place.
template <auto kFill>
void in_place_two(Stack& stack, PhiloxState state) {
  Arguments<4> args(stack);
  at::Tensor self = args.tensor(0);
  kFill(self, args.number(1), args.number(2), {.state = state});
  args.answer(std::move(self));
}

template <auto kFill>
void in_place_one(Stack& stack, PhiloxState state) {
  Arguments<3> args(stack);
  at::Tensor self = args.tensor(0);
  kFill(self, args.number(1), {.state = state});
  args.answer(std::move(self));
}

void bernoulli_scalar(Stack& stack, PhiloxState state) {
  Arguments<3> args(stack);
  at::Tensor self = args.tensor(0);
  random::bernoulli_(self, args.number(1), {.state = state});
  args.answer(std::move(self));
}

void bernoulli_tensor(Stack& stack, PhiloxState state) {
  Arguments<3> args(stack);
  at::Tensor self = args.tensor(0);
  random::bernoulli_(self, args.tensor(1), {.state = state});
  args.answer(std::move(self));
}

void bernoulli_out(Stack& stack, PhiloxState state) {
  const at::AutoDispatchBelowADInplaceOrView guard;
  Arguments<3> args(stack);
  at::Tensor out = args.tensor(2);
  random::bernoulli_out(out, args.tensor(0), {.state = state});
  args.answer(std::move(out));
}

void random_full(Stack& stack, PhiloxState state) {
  Arguments<2> args(stack);
  at::Tensor self = args.tensor(0);
  random::random_(self, {.state = state});
  args.answer(std::move(self));
}

void random_to(Stack& stack, PhiloxState state) {
  Arguments<3> args(stack);
  at::Tensor self = args.tensor(0);
  random::random_(self, 0, args.integer(1), {.state = state});
  args.answer(std::move(self));
}

void random_from(Stack& stack, PhiloxState state) {
  Arguments<4> args(stack);
  at::Tensor self = args.tensor(0);
  random::random_(self, args.integer(1), args.value(2).toOptional<int64_t>(), {.state = state});
  args.answer(std::move(self));
}

void normal_tensor_float(Stack& stack, PhiloxState state) {
  const at::AutoDispatchBelowADInplaceOrView guard;
  Arguments<3> args(stack);
  args.answer(random::normal(args.tensor(0), args.number(1), {.state = state}));
}

void normal_float_tensor(Stack& stack, PhiloxState state) {
  const at::AutoDispatchBelowADInplaceOrView guard;
  Arguments<3> args(stack);
  args.answer(random::normal(args.number(0), args.tensor(1), {.state = state}));
}

void normal_tensor_tensor(Stack& stack, PhiloxState state) {
  const at::AutoDispatchBelowADInplaceOrView guard;
  Arguments<3> args(stack);
  args.answer(random::normal(args.tensor(0), args.tensor(1), {.state = state}));
}

void normal_tensor_float_out(Stack& stack, PhiloxState state) {
  const at::AutoDispatchBelowADInplaceOrView guard;
  Arguments<4> args(stack);
  at::Tensor out = args.tensor(3);
  random::normal_out(out, args.tensor(0), args.number(1), {.state = state});
  args.answer(std::move(out));
}

void normal_float_tensor_out(Stack& stack, PhiloxState state) {
  const at::AutoDispatchBelowADInplaceOrView guard;
  Arguments<4> args(stack);
  at::Tensor out = args.tensor(3);
  random::normal_out(out, args.number(0), args.tensor(1), {.state = state});
  args.answer(std::move(out));
}

void normal_tensor_tensor_out(Stack& stack, PhiloxState state) {
  const at::AutoDispatchBelowADInplaceOrView guard;
  Arguments<4> args(stack);
  at::Tensor out = args.tensor(3);
  random::normal_out(out, args.tensor(0), args.tensor(1), {.state = state});
  args.answer(std::move(out));
}

void native_dropout(Stack& stack, PhiloxState state) {
  const at::AutoDispatchBelowADInplaceOrView guard;
  Arguments<3> args(stack);
  auto [output, mask] = random::native_dropout(args.tensor(0), args.number(1),
                                               args.value(2).toOptional<bool>(), {.state = state});
  args.answer(std::move(output), std::move(mask));
}

void randperm_out(Stack& stack, PhiloxState state) {
  const at::AutoDispatchBelowADInplaceOrView guard;
  Arguments<3> args(stack);
  const int64_t n = args.integer(0);
  at::Tensor out = args.tensor(2);
  TORCH_CHECK(n >= 0, "n must be non-negative, got", n);
  at::native::check_supported_max_int_with_precision(n, out);
  out.resize_({n});
  random::randperm(out, {.state = state});
  args.answer(std::move(out));
}

void multinomial(Stack& stack, PhiloxState state) {
  Arguments<4> args(stack);
  if (args.boolean(2) && args.integer(1) != 1) {
    draw_sequentially<"aten::multinomial">(stack, state);
    return;
  }
  const at::AutoDispatchBelowADInplaceOrView guard;
  const at::Tensor self = args.tensor(0);
  at::Tensor out = at::empty({0}, self.options().dtype(at::kLong));
  random::multinomial_race(out, self, args.integer(1), args.boolean(2), {.state = state});
  args.answer(std::move(out));
}

void multinomial_out(Stack& stack, PhiloxState state) {
  Arguments<5> args(stack);
  if (args.boolean(2) && args.integer(1) != 1) {
    draw_sequentially<"aten::multinomial", "out">(stack, state);
    return;
  }
  const at::AutoDispatchBelowADInplaceOrView guard;
  at::Tensor out = args.tensor(4);
  random::multinomial_race(out, args.tensor(0), args.integer(1), args.boolean(2), {.state = state});
  args.answer(std::move(out));
}

// rrelu_with_noise: evaluation mode and every error are left to ATen's kernel.
template <size_t kArguments>
bool is_rrelu_training(const Arguments<kArguments>& args) {
  if (!args.boolean(4)) return false;
  const at::Tensor self = args.tensor(0);
  const at::Tensor noise = args.tensor(1);
  const at::ScalarType dtype = self.scalar_type();
  return self.sizes() == noise.sizes() && dtype == noise.scalar_type() &&
         (dtype == at::kFloat || dtype == at::kDouble || dtype == at::kBFloat16);
}

template <size_t kArguments>
void rrelu_into(at::Tensor& out, const Arguments<kArguments>& args, PhiloxState state) {
  at::Tensor noise = args.tensor(1);
  random::rrelu_with_noise_train(out, args.tensor(0), noise, args.number(2), args.number(3),
                                 {.state = state});
}

void rrelu_with_noise(Stack& stack, PhiloxState state) {
  Arguments<6> args(stack);
  if (!is_rrelu_training(args)) {
    draw_sequentially<"aten::rrelu_with_noise">(stack, state);
    return;
  }
  const at::AutoDispatchBelowADInplaceOrView guard;
  const at::Tensor self = args.tensor(0);
  at::Tensor out = at::empty(self.sizes(), self.options());
  rrelu_into(out, args, state);
  args.answer(std::move(out));
}

void rrelu_with_noise_out(Stack& stack, PhiloxState state) {
  Arguments<7> args(stack);
  if (!is_rrelu_training(args)) {
    draw_sequentially<"aten::rrelu_with_noise", "out">(stack, state);
    return;
  }
  const at::AutoDispatchBelowADInplaceOrView guard;
  at::Tensor out = args.tensor(6);
  rrelu_into(out, args, state);
  args.answer(std::move(out));
}

void rrelu_with_noise_in_place(Stack& stack, PhiloxState state) {
  Arguments<6> args(stack);
  if (!is_rrelu_training(args)) {
    draw_sequentially<"aten::rrelu_with_noise_">(stack, state);
    return;
  }
  const at::AutoDispatchBelowADInplaceOrView guard;
  at::Tensor self = args.tensor(0);
  rrelu_into(self, args, state);
  args.answer(std::move(self));
}

using Table = std::unordered_map<c10::OperatorName, RandomKernel>;

const Table& table() {
  static const Table kernels = {
      {{"aten::uniform_", ""}, &in_place_two<&random::uniform_>},
      {{"aten::normal_", ""}, &in_place_two<&random::normal_>},
      {{"aten::log_normal_", ""}, &in_place_two<&random::log_normal_>},
      {{"aten::cauchy_", ""}, &in_place_two<&random::cauchy_>},
      {{"aten::exponential_", ""}, &in_place_one<&random::exponential_>},
      {{"aten::geometric_", ""}, &in_place_one<&random::geometric_>},
      {{"aten::bernoulli_", "float"}, &bernoulli_scalar},
      {{"aten::bernoulli_", "Tensor"}, &bernoulli_tensor},
      {{"aten::bernoulli", "out"}, &bernoulli_out},
      {{"aten::random_", ""}, &random_full},
      {{"aten::random_", "to"}, &random_to},
      {{"aten::random_", "from"}, &random_from},
      {{"aten::normal", "Tensor_float"}, &normal_tensor_float},
      {{"aten::normal", "float_Tensor"}, &normal_float_tensor},
      {{"aten::normal", "Tensor_Tensor"}, &normal_tensor_tensor},
      {{"aten::normal", "Tensor_float_out"}, &normal_tensor_float_out},
      {{"aten::normal", "float_Tensor_out"}, &normal_float_tensor_out},
      {{"aten::normal", "Tensor_Tensor_out"}, &normal_tensor_tensor_out},
      {{"aten::native_dropout", ""}, &native_dropout},
      {{"aten::randperm", "generator_out"}, &randperm_out},
      {{"aten::multinomial", ""}, &multinomial},
      {{"aten::multinomial", "out"}, &multinomial_out},
      {{"aten::rrelu_with_noise", ""}, &rrelu_with_noise},
      {{"aten::rrelu_with_noise", "out"}, &rrelu_with_noise_out},
      {{"aten::rrelu_with_noise_", ""}, &rrelu_with_noise_in_place},
      {{"aten::poisson", ""}, &draw_sequentially<"aten::poisson">},
      {{"aten::binomial", ""}, &draw_sequentially<"aten::binomial">},
      {{"aten::_standard_gamma", ""}, &draw_sequentially<"aten::_standard_gamma">},
      {{"aten::_sample_dirichlet", ""}, &draw_sequentially<"aten::_sample_dirichlet">},
  };
  return kernels;
}

}  // namespace

RandomKernel find_random_kernel(const c10::OperatorName& name) {
  const auto found = table().find(name);
  return found == table().end() ? nullptr : found->second;
}

std::vector<c10::OperatorName> random_kernel_names() {
  std::vector<c10::OperatorName> names;
  for (const auto& entry : table()) names.push_back(entry.first);
  return names;
}

}  // namespace trireme::run
