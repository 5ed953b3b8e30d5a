// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/meta_kernels.h"

#include <ATen/ATen.h>
#include <ATen/MetaFunctions.h>

#include "trireme/record/meta_rules.h"

namespace trireme::record {
namespace {

namespace meta = at::meta;
using In = const at::Tensor&;
using InPlace = at::Tensor&;
using Out = at::Tensor;
using Number = const at::Scalar&;
using MaybeIn = const std::optional<at::Tensor>&;
using MaybeNumber = const std::optional<at::Scalar>&;

// Called directly, not through the dispatcher: for most of these, `import torch` registers a Python
// function over the C++ one, which takes the GIL and 50 times as long.
template <class Function>
c10::KernelFunction boxed(Function* function) {
  return c10::KernelFunction::makeFromUnboxedRuntimeFunction(function);
}

// The kernel brings the number to the result's type; a complex one fits no other.
void require_kind(Number value, In result) { require(!value.isComplex() || result.is_complex()); }

template <Out (*function)(In, In, In, Number)>
Out pointwise(In self, In first, In second, Number value) {
  Out result = function(self, first, second, value);
  require_kind(value, result);
  return result;
}
template <InPlace (*function)(InPlace, In, In, Number)>
InPlace pointwise_(InPlace self, In first, In second, Number value) {
  require_kind(value, self);
  return function(self, first, second, value);
}

Out lerp(In self, In end, Number weight) {
  require_kind(weight, self);
  return meta::lerp(self, end, weight);
}
InPlace lerp_(InPlace self, In end, Number weight) {
  require_kind(weight, self);
  return meta::lerp_(self, end, weight);
}

MetaTable pytorchs() {
  return {
      {"aten::_log_softmax", {boxed(&meta::_log_softmax)}},
      {"aten::_log_softmax_backward_data", {boxed(&meta::_log_softmax_backward_data)}},
      {"aten::_softmax", {boxed(&meta::_softmax)}},
      {"aten::_softmax_backward_data", {boxed(&meta::_softmax_backward_data)}},
      {"aten::acos", {boxed(&meta::acos)}},
      {"aten::acos_", {boxed(&meta::acos_)}},
      {"aten::acosh", {boxed(&meta::acosh)}},
      {"aten::acosh_", {boxed(&meta::acosh_)}},
      {"aten::add.Tensor", {boxed(&meta::add), Takes::Any}},
      {"aten::add_.Tensor", {boxed(&meta::add_), Takes::Any}},
      {"aten::addcdiv", {boxed(&pointwise<&meta::addcdiv>)}},
      {"aten::addcdiv_", {boxed(&pointwise_<&meta::addcdiv_>)}},
      {"aten::addcmul", {boxed(&pointwise<&meta::addcmul>)}},
      {"aten::addcmul_", {boxed(&pointwise_<&meta::addcmul_>)}},
      {"aten::addmm", {boxed(&meta::addmm)}},
      {"aten::addmm_", {boxed(&meta::addmm_)}},
      {"aten::addmv", {boxed(&meta::addmv)}},
      {"aten::addmv_", {boxed(&meta::addmv_)}},
      {"aten::all", {boxed<Out(In)>(&meta::all), Takes::Any}},
      {"aten::all.dim", {boxed<Out(In, int64_t, bool)>(&meta::all), Takes::Any}},
      {"aten::all.dims", {boxed<Out(In, at::OptionalIntArrayRef, bool)>(&meta::all), Takes::Any}},
      {"aten::amax", {boxed(&meta::amax)}},
      {"aten::amin", {boxed(&meta::amin)}},
      {"aten::any", {boxed<Out(In)>(&meta::any), Takes::Any}},
      {"aten::any.dim", {boxed<Out(In, int64_t, bool)>(&meta::any), Takes::Any}},
      {"aten::any.dims", {boxed<Out(In, at::OptionalIntArrayRef, bool)>(&meta::any), Takes::Any}},
      {"aten::argmax", {boxed(&meta::argmax), Takes::Any}},
      {"aten::argmin", {boxed(&meta::argmin), Takes::Any}},
      {"aten::asin", {boxed(&meta::asin)}},
      {"aten::asin_", {boxed(&meta::asin_)}},
      {"aten::asinh", {boxed(&meta::asinh)}},
      {"aten::asinh_", {boxed(&meta::asinh_)}},
      {"aten::atan", {boxed(&meta::atan)}},
      {"aten::atan2", {boxed(&meta::atan2)}},
      {"aten::atan2_", {boxed(&meta::atan2_)}},
      {"aten::atan_", {boxed(&meta::atan_)}},
      {"aten::atanh", {boxed(&meta::atanh)}},
      {"aten::atanh_", {boxed(&meta::atanh_)}},
      {"aten::baddbmm", {boxed(&meta::baddbmm)}},
      {"aten::baddbmm_", {boxed(&meta::baddbmm_)}},
      {"aten::bitwise_and.Tensor", {boxed(&meta::bitwise_and), Takes::Integral}},
      {"aten::bitwise_and_.Tensor", {boxed(&meta::bitwise_and_), Takes::Integral}},
      {"aten::bitwise_not", {boxed(&meta::bitwise_not), Takes::Integral}},
      {"aten::bitwise_not_", {boxed(&meta::bitwise_not_), Takes::Integral}},
      {"aten::bitwise_or.Tensor", {boxed(&meta::bitwise_or), Takes::Integral}},
      {"aten::bitwise_or_.Tensor", {boxed(&meta::bitwise_or_), Takes::Integral}},
      {"aten::bitwise_xor.Tensor", {boxed(&meta::bitwise_xor), Takes::Integral}},
      {"aten::bitwise_xor_.Tensor", {boxed(&meta::bitwise_xor_), Takes::Integral}},
      {"aten::bmm", {boxed(&meta::bmm)}},
      {"aten::cat", {boxed(&meta::cat), Takes::Any}},
      {"aten::ceil", {boxed(&meta::ceil)}},
      {"aten::ceil_", {boxed(&meta::ceil_)}},
      {"aten::clamp", {boxed<Out(In, MaybeNumber, MaybeNumber)>(&meta::clamp)}},
      {"aten::clamp.Tensor", {boxed<Out(In, MaybeIn, MaybeIn)>(&meta::clamp)}},
      {"aten::clamp_", {boxed<InPlace(InPlace, MaybeNumber, MaybeNumber)>(&meta::clamp_)}},
      {"aten::clamp_.Tensor", {boxed<InPlace(InPlace, MaybeIn, MaybeIn)>(&meta::clamp_)}},
      {"aten::clamp_max", {boxed<Out(In, Number)>(&meta::clamp_max)}},
      {"aten::clamp_max.Tensor", {boxed<Out(In, In)>(&meta::clamp_max)}},
      {"aten::clamp_max_", {boxed<InPlace(InPlace, Number)>(&meta::clamp_max_)}},
      {"aten::clamp_max_.Tensor", {boxed<InPlace(InPlace, In)>(&meta::clamp_max_)}},
      {"aten::clamp_min", {boxed<Out(In, Number)>(&meta::clamp_min)}},
      {"aten::clamp_min.Tensor", {boxed<Out(In, In)>(&meta::clamp_min)}},
      {"aten::clamp_min_", {boxed<InPlace(InPlace, Number)>(&meta::clamp_min_)}},
      {"aten::clamp_min_.Tensor", {boxed<InPlace(InPlace, In)>(&meta::clamp_min_)}},
      {"aten::copysign.Tensor", {boxed(&meta::copysign)}},
      {"aten::copysign_.Tensor", {boxed(&meta::copysign_)}},
      {"aten::cos", {boxed(&meta::cos)}},
      {"aten::cos_", {boxed(&meta::cos_)}},
      {"aten::cosh", {boxed(&meta::cosh)}},
      {"aten::cosh_", {boxed(&meta::cosh_)}},
      {"aten::digamma", {boxed(&meta::digamma)}},
      {"aten::digamma_", {boxed(&meta::digamma_)}},
      {"aten::div.Tensor", {boxed<Out(In, In)>(&meta::div), Takes::Any}},
      {"aten::div.Tensor_mode", {boxed<Out(In, In, std::optional<c10::string_view>)>(&meta::div)}},
      {"aten::div_.Tensor", {boxed<InPlace(InPlace, In)>(&meta::div_), Takes::Any}},
      {"aten::div_.Tensor_mode",
       {boxed<InPlace(InPlace, In, std::optional<c10::string_view>)>(&meta::div_)}},
      {"aten::elu", {boxed(&meta::elu)}},
      {"aten::elu_", {boxed(&meta::elu_)}},
      {"aten::elu_backward", {boxed(&meta::elu_backward)}},
      {"aten::eq.Scalar", {boxed<Out(In, Number)>(&meta::eq), Takes::Any}},
      {"aten::eq.Tensor", {boxed<Out(In, In)>(&meta::eq), Takes::Any}},
      {"aten::eq_.Scalar", {boxed<InPlace(InPlace, Number)>(&meta::eq_), Takes::Any}},
      {"aten::eq_.Tensor", {boxed<InPlace(InPlace, In)>(&meta::eq_), Takes::Any}},
      {"aten::erf", {boxed(&meta::erf)}},
      {"aten::erf_", {boxed(&meta::erf_)}},
      {"aten::erfc", {boxed(&meta::erfc)}},
      {"aten::erfc_", {boxed(&meta::erfc_)}},
      {"aten::erfinv", {boxed(&meta::erfinv)}},
      {"aten::erfinv_", {boxed(&meta::erfinv_)}},
      {"aten::exp", {boxed(&meta::exp)}},
      {"aten::exp2", {boxed(&meta::exp2)}},
      {"aten::exp2_", {boxed(&meta::exp2_)}},
      {"aten::exp_", {boxed(&meta::exp_)}},
      {"aten::expm1", {boxed(&meta::expm1)}},
      {"aten::expm1_", {boxed(&meta::expm1_)}},
      {"aten::floor", {boxed(&meta::floor)}},
      {"aten::floor_", {boxed(&meta::floor_)}},
      {"aten::fmax", {boxed(&meta::fmax)}},
      {"aten::fmin", {boxed(&meta::fmin)}},
      {"aten::fmod.Tensor", {boxed(&meta::fmod)}},
      {"aten::fmod_.Tensor", {boxed(&meta::fmod_)}},
      {"aten::frac", {boxed(&meta::frac)}},
      {"aten::frac_", {boxed(&meta::frac_)}},
      {"aten::gather", {boxed(&meta::gather), Takes::Any}},
      {"aten::ge.Scalar", {boxed<Out(In, Number)>(&meta::ge), Takes::Any}},
      {"aten::ge.Tensor", {boxed<Out(In, In)>(&meta::ge), Takes::Any}},
      {"aten::ge_.Scalar", {boxed<InPlace(InPlace, Number)>(&meta::ge_), Takes::Any}},
      {"aten::ge_.Tensor", {boxed<InPlace(InPlace, In)>(&meta::ge_), Takes::Any}},
      {"aten::gelu_backward", {boxed(&meta::gelu_backward)}},
      {"aten::glu", {boxed(&meta::glu)}},
      {"aten::gt.Scalar", {boxed<Out(In, Number)>(&meta::gt), Takes::Any}},
      {"aten::gt.Tensor", {boxed<Out(In, In)>(&meta::gt), Takes::Any}},
      {"aten::gt_.Scalar", {boxed<InPlace(InPlace, Number)>(&meta::gt_), Takes::Any}},
      {"aten::gt_.Tensor", {boxed<InPlace(InPlace, In)>(&meta::gt_), Takes::Any}},
      {"aten::hardshrink", {boxed(&meta::hardshrink)}},
      {"aten::hardshrink_backward", {boxed(&meta::hardshrink_backward)}},
      {"aten::hardsigmoid", {boxed(&meta::hardsigmoid)}},
      {"aten::hardsigmoid_", {boxed(&meta::hardsigmoid_)}},
      {"aten::hardsigmoid_backward", {boxed(&meta::hardsigmoid_backward)}},
      {"aten::heaviside", {boxed(&meta::heaviside)}},
      {"aten::heaviside_", {boxed(&meta::heaviside_)}},
      {"aten::hypot", {boxed(&meta::hypot)}},
      {"aten::hypot_", {boxed(&meta::hypot_)}},
      {"aten::i0", {boxed(&meta::i0)}},
      {"aten::i0_", {boxed(&meta::i0_)}},
      {"aten::index_add", {boxed(&meta::index_add), Takes::Indexed}},
      {"aten::isin.Tensor_Tensor", {boxed<Out(In, In, bool, bool)>(&meta::isin), Takes::Any}},
      {"aten::isneginf", {boxed(&meta::isneginf)}},
      {"aten::isposinf", {boxed(&meta::isposinf)}},
      {"aten::le.Scalar", {boxed<Out(In, Number)>(&meta::le), Takes::Any}},
      {"aten::le.Tensor", {boxed<Out(In, In)>(&meta::le), Takes::Any}},
      {"aten::le_.Scalar", {boxed<InPlace(InPlace, Number)>(&meta::le_), Takes::Any}},
      {"aten::le_.Tensor", {boxed<InPlace(InPlace, In)>(&meta::le_), Takes::Any}},
      {"aten::leaky_relu", {boxed(&meta::leaky_relu)}},
      {"aten::leaky_relu_", {boxed(&meta::leaky_relu_)}},
      {"aten::leaky_relu_backward", {boxed(&meta::leaky_relu_backward)}},
      {"aten::lerp.Scalar", {boxed(&lerp)}},
      {"aten::lerp.Tensor", {boxed<Out(In, In, In)>(&meta::lerp)}},
      {"aten::lerp_.Scalar", {boxed(&lerp_)}},
      {"aten::lerp_.Tensor", {boxed<InPlace(InPlace, In, In)>(&meta::lerp_)}},
      {"aten::lgamma", {boxed(&meta::lgamma)}},
      {"aten::lgamma_", {boxed(&meta::lgamma_)}},
      {"aten::log", {boxed(&meta::log)}},
      {"aten::log10", {boxed(&meta::log10)}},
      {"aten::log10_", {boxed(&meta::log10_)}},
      {"aten::log1p", {boxed(&meta::log1p)}},
      {"aten::log1p_", {boxed(&meta::log1p_)}},
      {"aten::log2", {boxed(&meta::log2)}},
      {"aten::log2_", {boxed(&meta::log2_)}},
      {"aten::log_", {boxed(&meta::log_)}},
      {"aten::logaddexp", {boxed(&meta::logaddexp)}},
      {"aten::logaddexp2", {boxed(&meta::logaddexp2)}},
      {"aten::logit_backward", {boxed(&meta::logit_backward)}},
      {"aten::lt.Scalar", {boxed<Out(In, Number)>(&meta::lt), Takes::Any}},
      {"aten::lt.Tensor", {boxed<Out(In, In)>(&meta::lt), Takes::Any}},
      {"aten::lt_.Scalar", {boxed<InPlace(InPlace, Number)>(&meta::lt_), Takes::Any}},
      {"aten::lt_.Tensor", {boxed<InPlace(InPlace, In)>(&meta::lt_), Takes::Any}},
      {"aten::max.dim", {boxed(&meta::max)}},
      {"aten::maximum", {boxed(&meta::maximum), Takes::Any}},
      {"aten::mean.dim", {boxed(&meta::mean)}},
      {"aten::min.dim", {boxed(&meta::min)}},
      {"aten::minimum", {boxed(&meta::minimum), Takes::Any}},
      {"aten::mish", {boxed(&meta::mish)}},
      {"aten::mish_", {boxed(&meta::mish_)}},
      {"aten::mm", {boxed(&meta::mm)}},
      {"aten::mse_loss", {boxed(&meta::mse_loss)}},
      {"aten::mul.Tensor", {boxed(&meta::mul), Takes::Any}},
      {"aten::mul_.Tensor", {boxed(&meta::mul_), Takes::Any}},
      {"aten::ne.Scalar", {boxed<Out(In, Number)>(&meta::ne), Takes::Any}},
      {"aten::ne.Tensor", {boxed<Out(In, In)>(&meta::ne), Takes::Any}},
      {"aten::ne_.Scalar", {boxed<InPlace(InPlace, Number)>(&meta::ne_), Takes::Any}},
      {"aten::ne_.Tensor", {boxed<InPlace(InPlace, In)>(&meta::ne_), Takes::Any}},
      {"aten::neg", {boxed(&meta::neg)}},
      {"aten::neg_", {boxed(&meta::neg_)}},
      {"aten::nextafter", {boxed(&meta::nextafter)}},
      {"aten::nextafter_", {boxed(&meta::nextafter_)}},
      {"aten::nll_loss_backward", {boxed(&meta::nll_loss_backward), Takes::Indexed}},
      {"aten::nll_loss_forward", {boxed(&meta::nll_loss_forward), Takes::Indexed}},
      {"aten::pow.Scalar", {boxed<Out(Number, In)>(&meta::pow)}},
      {"aten::pow.Tensor_Scalar", {boxed<Out(In, Number)>(&meta::pow)}},
      {"aten::pow.Tensor_Tensor", {boxed<Out(In, In)>(&meta::pow)}},
      {"aten::pow_.Scalar", {boxed<InPlace(InPlace, Number)>(&meta::pow_)}},
      {"aten::pow_.Tensor", {boxed<InPlace(InPlace, In)>(&meta::pow_)}},
      {"aten::prod.dim_int", {boxed(&meta::prod)}},
      {"aten::reciprocal", {boxed(&meta::reciprocal)}},
      {"aten::reciprocal_", {boxed(&meta::reciprocal_)}},
      {"aten::remainder.Tensor", {boxed(&meta::remainder)}},
      {"aten::remainder_.Tensor", {boxed(&meta::remainder_)}},
      {"aten::round", {boxed<Out(In)>(&meta::round)}},
      {"aten::round.decimals", {boxed<Out(In, int64_t)>(&meta::round)}},
      {"aten::round_", {boxed<InPlace(InPlace)>(&meta::round_)}},
      {"aten::round_.decimals", {boxed<InPlace(InPlace, int64_t)>(&meta::round_)}},
      {"aten::rsqrt", {boxed(&meta::rsqrt)}},
      {"aten::rsqrt_", {boxed(&meta::rsqrt_)}},
      {"aten::scatter.src", {boxed<Out(In, int64_t, In, In)>(&meta::scatter), Takes::Any}},
      {"aten::scatter.value", {boxed<Out(In, int64_t, In, Number)>(&meta::scatter), Takes::Any}},
      {"aten::scatter_.src",
       {boxed<InPlace(InPlace, int64_t, In, In)>(&meta::scatter_), Takes::Any}},
      {"aten::scatter_.value",
       {boxed<InPlace(InPlace, int64_t, In, Number)>(&meta::scatter_), Takes::Any}},
      {"aten::scatter_add", {boxed(&meta::scatter_add), Takes::Any}},
      {"aten::scatter_add_", {boxed(&meta::scatter_add_), Takes::Any}},
      {"aten::sgn", {boxed(&meta::sgn)}},
      {"aten::sgn_", {boxed(&meta::sgn_)}},
      {"aten::sigmoid", {boxed(&meta::sigmoid)}},
      {"aten::sigmoid_", {boxed(&meta::sigmoid_)}},
      {"aten::sigmoid_backward", {boxed(&meta::sigmoid_backward)}},
      {"aten::sign", {boxed(&meta::sign)}},
      {"aten::sign_", {boxed(&meta::sign_)}},
      {"aten::signbit", {boxed(&meta::signbit)}},
      {"aten::silu", {boxed(&meta::silu)}},
      {"aten::silu_", {boxed(&meta::silu_)}},
      {"aten::silu_backward", {boxed(&meta::silu_backward)}},
      {"aten::sin", {boxed(&meta::sin)}},
      {"aten::sin_", {boxed(&meta::sin_)}},
      {"aten::sinc", {boxed(&meta::sinc)}},
      {"aten::sinc_", {boxed(&meta::sinc_)}},
      {"aten::sinh", {boxed(&meta::sinh)}},
      {"aten::sinh_", {boxed(&meta::sinh_)}},
      {"aten::smooth_l1_loss", {boxed(&meta::smooth_l1_loss)}},
      {"aten::softplus", {boxed(&meta::softplus)}},
      {"aten::softplus_backward", {boxed(&meta::softplus_backward)}},
      {"aten::softshrink", {boxed(&meta::softshrink)}},
      {"aten::softshrink_backward", {boxed(&meta::softshrink_backward)}},
      {"aten::sort.stable", {boxed(&meta::sort)}},
      {"aten::sqrt", {boxed(&meta::sqrt)}},
      {"aten::sqrt_", {boxed(&meta::sqrt_)}},
      {"aten::sub.Tensor", {boxed(&meta::sub), Takes::Any}},
      {"aten::sub_.Tensor", {boxed(&meta::sub_), Takes::Any}},
      {"aten::sum.dim_IntList", {boxed(&meta::sum), Takes::Any}},
      {"aten::tan", {boxed(&meta::tan)}},
      {"aten::tan_", {boxed(&meta::tan_)}},
      {"aten::tanh", {boxed(&meta::tanh)}},
      {"aten::tanh_", {boxed(&meta::tanh_)}},
      {"aten::tanh_backward", {boxed(&meta::tanh_backward)}},
      {"aten::threshold", {boxed(&meta::threshold)}},
      {"aten::threshold_", {boxed(&meta::threshold_)}},
      {"aten::threshold_backward", {boxed(&meta::threshold_backward)}},
      {"aten::topk", {boxed(&meta::topk)}},
      {"aten::tril", {boxed(&meta::tril), Takes::Any}},
      {"aten::tril_", {boxed(&meta::tril_), Takes::Any}},
      {"aten::triu", {boxed(&meta::triu), Takes::Any}},
      {"aten::triu_", {boxed(&meta::triu_), Takes::Any}},
      {"aten::trunc", {boxed(&meta::trunc)}},
      {"aten::trunc_", {boxed(&meta::trunc_)}},
      {"aten::xlogy.Tensor", {boxed(&meta::xlogy)}},
      {"aten::xlogy_.Tensor", {boxed(&meta::xlogy_)}},
  };
}

// Left out of the first: out= variants, which may resize what they are given and so are learned;
// those that take what the CPU's kernel does not (gelu's `approximate`, cumsum's `dtype`), for
// which there are rules.
const MetaTable& table() {
  static const auto* kernels = [] {
    auto* made = new MetaTable(pytorchs());
    add_creation_rules(*made);
    add_pointwise_rules(*made);
    add_foreach_rules(*made);
    add_indexing_rules(*made);
    add_norm_rules(*made);
    add_network_rules(*made);
    add_recurrent_rules(*made);
    return made;
  }();
  return *kernels;
}

}  // namespace

const MetaKernel* meta_kernel(std::string_view op) {
  const auto found = table().find(op);
  return found == table().end() ? nullptr : &found->second;
}

}  // namespace trireme::record
