// SPDX-License-Identifier: Apache-2.0
// Ops over lists of tensors: what optimizers and gradient clipping issue.
#include <ATen/core/Tensor.h>
#include <ATen/ops/_foreach_add_ops.h>
#include <ATen/ops/_foreach_addcdiv_ops.h>
#include <ATen/ops/_foreach_addcmul_ops.h>
#include <ATen/ops/_foreach_clamp_min_ops.h>
#include <ATen/ops/_foreach_copy_ops.h>
#include <ATen/ops/_foreach_div_ops.h>
#include <ATen/ops/_foreach_lerp_ops.h>
#include <ATen/ops/_foreach_maximum_ops.h>
#include <ATen/ops/_foreach_mul_ops.h>
#include <ATen/ops/_foreach_neg_ops.h>
#include <ATen/ops/_foreach_norm_ops.h>
#include <ATen/ops/_foreach_pow_ops.h>
#include <ATen/ops/_foreach_reciprocal_ops.h>
#include <ATen/ops/_foreach_sign_ops.h>
#include <ATen/ops/_foreach_sqrt_ops.h>
#include <ATen/ops/_foreach_sub_ops.h>
#include <ATen/ops/_foreach_zero_ops.h>
#include <ATen/ops/_fused_adagrad_ops.h>
#include <ATen/ops/_fused_adam_ops.h>
#include <ATen/ops/_fused_adamw_ops.h>
#include <ATen/ops/_fused_sgd_ops.h>

#include "trireme/device/add_typed.h"

namespace trireme::device {

void add_foreach_ops(TypedOps& ops) {
  namespace aten = at::_ops;
  add_typed<aten::_foreach_add_List, aten::_foreach_add_Scalar, aten::_foreach_add__List,
            aten::_foreach_add__Scalar, aten::_foreach_add__ScalarList, aten::_foreach_add__Tensor,
            aten::_foreach_addcdiv_Scalar, aten::_foreach_addcdiv__Scalar,
            aten::_foreach_addcdiv__ScalarList, aten::_foreach_addcdiv__Tensor,
            aten::_foreach_addcmul__Scalar, aten::_foreach_addcmul__ScalarList,
            aten::_foreach_addcmul__Tensor, aten::_foreach_clamp_min__Scalar, aten::_foreach_copy_,
            aten::_foreach_div_List, aten::_foreach_div_Scalar, aten::_foreach_div_ScalarList,
            aten::_foreach_div__List, aten::_foreach_div__Scalar, aten::_foreach_div__ScalarList,
            aten::_foreach_div__Tensor, aten::_foreach_lerp_Scalar, aten::_foreach_lerp__List,
            aten::_foreach_lerp__Scalar, aten::_foreach_maximum_List, aten::_foreach_maximum__List,
            aten::_foreach_mul_List, aten::_foreach_mul_Scalar, aten::_foreach_mul_Tensor,
            aten::_foreach_mul__List, aten::_foreach_mul__Scalar, aten::_foreach_mul__ScalarList,
            aten::_foreach_mul__Tensor, aten::_foreach_neg, aten::_foreach_neg_,
            aten::_foreach_norm_Scalar, aten::_foreach_pow_Scalar,
            aten::_foreach_pow_ScalarAndTensor, aten::_foreach_reciprocal,
            aten::_foreach_reciprocal_, aten::_foreach_sign, aten::_foreach_sqrt,
            aten::_foreach_sqrt_, aten::_foreach_sub_List, aten::_foreach_sub__List,
            aten::_foreach_sub__Scalar, aten::_foreach_zero_, aten::_fused_adagrad_,
            aten::_fused_adam_, aten::_fused_adam__tensor_lr, aten::_fused_adamw_,
            aten::_fused_adamw__tensor_lr, aten::_fused_sgd_, aten::_fused_sgd__tensor_lr>(ops);
}

}  // namespace trireme::device
