// SPDX-License-Identifier: Apache-2.0
// Pointwise ops, copies and fills, and their gradients.
#include <ATen/core/Tensor.h>
#include <ATen/ops/abs_ops.h>
#include <ATen/ops/add_ops.h>
#include <ATen/ops/addcdiv_ops.h>
#include <ATen/ops/addcmul_ops.h>
#include <ATen/ops/arange_ops.h>
#include <ATen/ops/bernoulli_ops.h>
#include <ATen/ops/bitwise_and_ops.h>
#include <ATen/ops/bitwise_not_ops.h>
#include <ATen/ops/bitwise_or_ops.h>
#include <ATen/ops/bitwise_xor_ops.h>
#include <ATen/ops/ceil_ops.h>
#include <ATen/ops/clamp_max_ops.h>
#include <ATen/ops/clamp_min_ops.h>
#include <ATen/ops/clamp_ops.h>
#include <ATen/ops/clone_ops.h>
#include <ATen/ops/cos_ops.h>
#include <ATen/ops/div_ops.h>
#include <ATen/ops/elu_backward_ops.h>
#include <ATen/ops/elu_ops.h>
#include <ATen/ops/eq_ops.h>
#include <ATen/ops/erf_ops.h>
#include <ATen/ops/exp_ops.h>
#include <ATen/ops/fill_ops.h>
#include <ATen/ops/floor_ops.h>
#include <ATen/ops/fmod_ops.h>
#include <ATen/ops/full_like_ops.h>
#include <ATen/ops/full_ops.h>
#include <ATen/ops/ge_ops.h>
#include <ATen/ops/gelu_backward_ops.h>
#include <ATen/ops/gelu_ops.h>
#include <ATen/ops/gt_ops.h>
#include <ATen/ops/hardswish_backward_ops.h>
#include <ATen/ops/hardswish_ops.h>
#include <ATen/ops/hardtanh_backward_ops.h>
#include <ATen/ops/hardtanh_ops.h>
#include <ATen/ops/isnan_ops.h>
#include <ATen/ops/le_ops.h>
#include <ATen/ops/leaky_relu_backward_ops.h>
#include <ATen/ops/leaky_relu_ops.h>
#include <ATen/ops/lerp_ops.h>
#include <ATen/ops/log1p_ops.h>
#include <ATen/ops/log_ops.h>
#include <ATen/ops/logical_and_ops.h>
#include <ATen/ops/logical_not_ops.h>
#include <ATen/ops/logical_or_ops.h>
#include <ATen/ops/lt_ops.h>
#include <ATen/ops/masked_fill_ops.h>
#include <ATen/ops/maximum_ops.h>
#include <ATen/ops/minimum_ops.h>
#include <ATen/ops/mish_backward_ops.h>
#include <ATen/ops/mish_ops.h>
#include <ATen/ops/mul_ops.h>
#include <ATen/ops/native_dropout_backward_ops.h>
#include <ATen/ops/native_dropout_ops.h>
#include <ATen/ops/ne_ops.h>
#include <ATen/ops/neg_ops.h>
#include <ATen/ops/normal_ops.h>
#include <ATen/ops/ones_like_ops.h>
#include <ATen/ops/ones_ops.h>
#include <ATen/ops/pow_ops.h>
#include <ATen/ops/rand_like_ops.h>
#include <ATen/ops/rand_ops.h>
#include <ATen/ops/randint_ops.h>
#include <ATen/ops/randn_like_ops.h>
#include <ATen/ops/randn_ops.h>
#include <ATen/ops/reciprocal_ops.h>
#include <ATen/ops/relu_ops.h>
#include <ATen/ops/remainder_ops.h>
#include <ATen/ops/round_ops.h>
#include <ATen/ops/rsqrt_ops.h>
#include <ATen/ops/rsub_ops.h>
#include <ATen/ops/sigmoid_backward_ops.h>
#include <ATen/ops/sigmoid_ops.h>
#include <ATen/ops/sign_ops.h>
#include <ATen/ops/silu_backward_ops.h>
#include <ATen/ops/silu_ops.h>
#include <ATen/ops/sin_ops.h>
#include <ATen/ops/softplus_backward_ops.h>
#include <ATen/ops/softplus_ops.h>
#include <ATen/ops/sqrt_ops.h>
#include <ATen/ops/sub_ops.h>
#include <ATen/ops/tanh_backward_ops.h>
#include <ATen/ops/tanh_ops.h>
#include <ATen/ops/threshold_backward_ops.h>
#include <ATen/ops/tril_ops.h>
#include <ATen/ops/triu_ops.h>
#include <ATen/ops/uniform_ops.h>
#include <ATen/ops/where_ops.h>
#include <ATen/ops/zero_ops.h>
#include <ATen/ops/zeros_like_ops.h>
#include <ATen/ops/zeros_ops.h>

#include "trireme/device/add_typed.h"

namespace trireme::device {

void add_pointwise_ops(TypedOps& ops) {
  namespace aten = at::_ops;
  add_typed<
      aten::abs, aten::abs_, aten::add_Scalar, aten::add_Tensor, aten::add__Scalar,
      aten::add__Tensor, aten::add_out, aten::addcdiv, aten::addcdiv_, aten::addcmul,
      aten::addcmul_, aten::arange, aten::arange_start, aten::arange_start_step,
      aten::bernoulli__Tensor, aten::bernoulli__float, aten::bitwise_and_Tensor, aten::bitwise_not,
      aten::bitwise_or_Tensor, aten::bitwise_xor_Tensor, aten::ceil, aten::clamp, aten::clamp_,
      aten::clamp_Tensor, aten::clamp_max, aten::clamp_min, aten::clamp_min_, aten::clone,
      aten::cos, aten::div_Scalar, aten::div_Tensor, aten::div_Tensor_mode, aten::div__Scalar,
      aten::div__Tensor, aten::div_out, aten::elu, aten::elu_backward, aten::eq_Scalar,
      aten::eq_Tensor, aten::erf, aten::exp, aten::exp_, aten::fill__Scalar, aten::fill__Tensor,
      aten::floor, aten::fmod_Scalar, aten::full, aten::full_like, aten::ge_Scalar, aten::ge_Tensor,
      aten::gelu, aten::gelu_, aten::gelu_backward, aten::gt_Scalar, aten::gt_Tensor,
      aten::hardswish, aten::hardswish_, aten::hardswish_backward, aten::hardtanh, aten::hardtanh_,
      aten::hardtanh_backward, aten::isnan, aten::le_Scalar, aten::le_Tensor, aten::leaky_relu,
      aten::leaky_relu_, aten::leaky_relu_backward, aten::lerp_Scalar, aten::lerp_Tensor,
      aten::lerp__Scalar, aten::lerp__Tensor, aten::log, aten::log1p, aten::log_, aten::logical_and,
      aten::logical_not, aten::logical_or, aten::lt_Scalar, aten::lt_Tensor,
      aten::masked_fill_Scalar, aten::masked_fill_Tensor, aten::masked_fill__Scalar,
      aten::masked_fill__Tensor, aten::maximum, aten::minimum, aten::mish, aten::mish_backward,
      aten::mul_Scalar, aten::mul_Tensor, aten::mul__Scalar, aten::mul__Tensor, aten::mul_out,
      aten::native_dropout, aten::native_dropout_backward, aten::ne_Scalar, aten::ne_Tensor,
      aten::neg, aten::neg_, aten::normal_, aten::ones, aten::ones_like, aten::pow_Tensor_Scalar,
      aten::pow_Tensor_Tensor, aten::pow__Scalar, aten::rand, aten::rand_like, aten::randint,
      aten::randn, aten::randn_like, aten::reciprocal, aten::relu, aten::relu_,
      aten::remainder_Scalar, aten::remainder_Tensor, aten::round, aten::rsqrt, aten::rsqrt_,
      aten::rsub_Scalar, aten::rsub_Tensor, aten::sigmoid, aten::sigmoid_, aten::sigmoid_backward,
      aten::sign, aten::silu, aten::silu_, aten::silu_backward, aten::sin, aten::softplus,
      aten::softplus_backward, aten::sqrt, aten::sqrt_, aten::sub_Scalar, aten::sub_Tensor,
      aten::sub__Tensor, aten::tanh, aten::tanh_, aten::tanh_backward, aten::threshold_backward,
      aten::tril, aten::triu, aten::uniform_, aten::where_self, aten::zero_, aten::zeros,
      aten::zeros_like>(ops);
}

}  // namespace trireme::device
