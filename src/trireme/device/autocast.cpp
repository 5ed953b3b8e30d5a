// SPDX-License-Identifier: Apache-2.0
// Autocast with the CPU's own lists: what is cast there is cast here, to the same dtypes.
#include <ATen/autocast_mode.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include <array>
#include <atomic>
#include <string_view>

#include "trireme/device/register.h"

namespace trireme::device {
namespace {

constexpr auto kType = c10::DeviceType::PrivateUse1;
constexpr auto kKey = c10::DispatchKey::AutocastPrivateUse1;

enum class Policy : uint8_t { Lower, Float, Promote };

// The dispatcher knows which ops the CPU casts, not how: all but these to float32.
constexpr std::array<std::string_view, 21> kLower = {
    "aten::conv1d",
    "aten::conv2d",
    "aten::conv3d",
    "aten::bmm",
    "aten::mm",
    "aten::linalg_vecdot",
    "aten::baddbmm",
    "aten::addmm",
    "aten::_addmm_activation",
    "aten::addbmm",
    "aten::linear",
    "aten::_convolution",
    "aten::matmul",
    "aten::conv_tbc",
    "aten::mkldnn_rnn_layer",
    "aten::conv_transpose1d",
    "aten::conv_transpose2d",
    "aten::conv_transpose3d",
    "aten::prelu",
    "aten::scaled_dot_product_attention",
    "aten::_native_multi_head_attention",
};
constexpr std::array<std::string_view, 3> kPromote = {"aten::stack", "aten::cat",
                                                      "aten::index_copy"};

Policy policy_of(std::string_view name) {
  if (std::find(kLower.begin(), kLower.end(), name) != kLower.end()) return Policy::Lower;
  if (std::find(kPromote.begin(), kPromote.end(), name) != kPromote.end()) return Policy::Promote;
  return Policy::Float;
}

// The widest of the floating-point arguments; throws, as the CPU does, where one is neither float32
// nor the lower type.
at::ScalarType promoted_type(at::ScalarType lower, c10::ArrayRef<c10::IValue> args) {
  at::ScalarType type = lower;
  for (const c10::IValue& arg : args) {
    if (arg.isTensor()) {
      type = at::autocast::prioritize(type, arg.toTensor(), kType);
    } else if (arg.isTensorList()) {
      for (const at::Tensor& item : arg.toTensorVector())
        type = at::autocast::prioritize(type, item, kType);
    }
  }
  return type;
}

template <Policy policy>
at::ScalarType target_type(c10::ArrayRef<c10::IValue> args) {
  if constexpr (policy == Policy::Float) return at::kFloat;
  const at::ScalarType lower = at::autocast::get_autocast_dtype(kType);
  if constexpr (policy == Policy::Lower) return lower;
  return promoted_type(lower, args);
}

template <Policy policy>
void cast_and_call(const c10::OperatorHandle& op, c10::DispatchKeySet /*keys*/,
                   torch::jit::Stack* stack) {
  const c10::impl::ExcludeDispatchKeyGuard off(kKey);
  const size_t count = op.schema().arguments().size();
  const at::ScalarType type = target_type<policy>(torch::jit::last(*stack, count));
  for (size_t i = stack->size() - count; i < stack->size(); ++i) {
    c10::IValue& arg = (*stack)[i];
    if (arg.isTensor()) {
      arg = at::autocast::cached_cast(type, arg.toTensor(), kType);
    } else if (arg.isTensorList()) {
      c10::List<at::Tensor> cast;
      cast.reserve(arg.toListRef().size());
      for (const at::Tensor& item : arg.toTensorVector()) {
        cast.push_back(at::autocast::cached_cast(type, item, kType));
      }
      arg = std::move(cast);
    }
  }
  op.callBoxed(stack);
}

torch::CppFunction kernel_for(Policy policy) {
  switch (policy) {
    case Policy::Lower:
      return torch::CppFunction::makeFromBoxedFunction<&cast_and_call<Policy::Lower>>();
    case Policy::Promote:
      return torch::CppFunction::makeFromBoxedFunction<&cast_and_call<Policy::Promote>>();
    case Policy::Float:
      break;
  }
  return torch::CppFunction::makeFromBoxedFunction<&cast_and_call<Policy::Float>>();
}

TORCH_LIBRARY_IMPL(_, AutocastPrivateUse1, m) { m.fallback(torch::CppFunction::makeFallthrough()); }

TORCH_LIBRARY_IMPL(aten, AutocastPrivateUse1, m) {
  for (const c10::OperatorName& name : c10::Dispatcher::singleton().getAllOpNames()) {
    if (!name.name.starts_with("aten::")) continue;
    const auto op = c10::Dispatcher::singleton().findSchema(name);
    if (!op || !op->hasKernelForDispatchKey(c10::DispatchKey::AutocastCPU)) continue;
    const std::string local = name.name.substr(name.name.find("::") + 2) +
                              (name.overload_name.empty() ? "" : "." + name.overload_name);
    m.impl(local.c_str(), kernel_for(policy_of(name.name)));
  }
}

std::atomic<at::ScalarType>& default_dtype() {
  static std::atomic<at::ScalarType> dtype{at::kBFloat16};
  return dtype;
}

}  // namespace

void set_default_autocast_dtype(at::ScalarType dtype) {
  default_dtype().store(dtype);
  at::autocast::set_autocast_dtype(kType, dtype);
}

void prepare_thread() {
  // PyTorch keeps the type that autocast uses by default for each thread, and starts it at float16.
  thread_local bool prepared = false;
  if (prepared || at::autocast::is_autocast_enabled(kType))
    return;  // not what an autocast in force has set
  at::autocast::set_autocast_dtype(kType, default_dtype().load());
  prepared = true;
}

}  // namespace trireme::device
