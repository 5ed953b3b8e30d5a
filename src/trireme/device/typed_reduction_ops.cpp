// SPDX-License-Identifier: Apache-2.0
// Reductions, softmax, normalisation, losses, indexing.
#include <ATen/core/Tensor.h>
#include <ATen/ops/_fused_rms_norm_backward_ops.h>
#include <ATen/ops/_fused_rms_norm_ops.h>
#include <ATen/ops/_index_put_impl_ops.h>
#include <ATen/ops/_log_softmax_backward_data_ops.h>
#include <ATen/ops/_log_softmax_ops.h>
#include <ATen/ops/_native_batch_norm_legit_no_training_ops.h>
#include <ATen/ops/_native_batch_norm_legit_ops.h>
#include <ATen/ops/_softmax_backward_data_ops.h>
#include <ATen/ops/_softmax_ops.h>
#include <ATen/ops/all_ops.h>
#include <ATen/ops/amax_ops.h>
#include <ATen/ops/amin_ops.h>
#include <ATen/ops/any_ops.h>
#include <ATen/ops/argmax_ops.h>
#include <ATen/ops/argmin_ops.h>
#include <ATen/ops/binary_cross_entropy_backward_ops.h>
#include <ATen/ops/binary_cross_entropy_ops.h>
#include <ATen/ops/binary_cross_entropy_with_logits_ops.h>
#include <ATen/ops/cat_ops.h>
#include <ATen/ops/constant_pad_nd_ops.h>
#include <ATen/ops/cumsum_ops.h>
#include <ATen/ops/embedding_dense_backward_ops.h>
#include <ATen/ops/embedding_ops.h>
#include <ATen/ops/flip_ops.h>
#include <ATen/ops/gather_backward_ops.h>
#include <ATen/ops/gather_ops.h>
#include <ATen/ops/index_add_ops.h>
#include <ATen/ops/index_ops.h>
#include <ATen/ops/index_put_ops.h>
#include <ATen/ops/index_select_ops.h>
#include <ATen/ops/linalg_vector_norm_ops.h>
#include <ATen/ops/logsumexp_ops.h>
#include <ATen/ops/max_ops.h>
#include <ATen/ops/mean_ops.h>
#include <ATen/ops/min_ops.h>
#include <ATen/ops/mse_loss_backward_ops.h>
#include <ATen/ops/mse_loss_ops.h>
#include <ATen/ops/native_batch_norm_backward_ops.h>
#include <ATen/ops/native_batch_norm_ops.h>
#include <ATen/ops/native_group_norm_backward_ops.h>
#include <ATen/ops/native_group_norm_ops.h>
#include <ATen/ops/native_layer_norm_backward_ops.h>
#include <ATen/ops/native_layer_norm_ops.h>
#include <ATen/ops/nll_loss2d_backward_ops.h>
#include <ATen/ops/nll_loss2d_forward_ops.h>
#include <ATen/ops/nll_loss_backward_ops.h>
#include <ATen/ops/nll_loss_forward_ops.h>
#include <ATen/ops/norm_ops.h>
#include <ATen/ops/one_hot_ops.h>
#include <ATen/ops/prod_ops.h>
#include <ATen/ops/repeat_interleave_ops.h>
#include <ATen/ops/roll_ops.h>
#include <ATen/ops/scatter_add_ops.h>
#include <ATen/ops/scatter_ops.h>
#include <ATen/ops/select_backward_ops.h>
#include <ATen/ops/select_scatter_ops.h>
#include <ATen/ops/slice_backward_ops.h>
#include <ATen/ops/slice_scatter_ops.h>
#include <ATen/ops/smooth_l1_loss_backward_ops.h>
#include <ATen/ops/smooth_l1_loss_ops.h>
#include <ATen/ops/sort_ops.h>
#include <ATen/ops/stack_ops.h>
#include <ATen/ops/std_ops.h>
#include <ATen/ops/sum_ops.h>
#include <ATen/ops/topk_ops.h>
#include <ATen/ops/var_mean_ops.h>
#include <ATen/ops/var_ops.h>

#include "trireme/device/add_typed.h"

namespace trireme::device {

void add_reduction_ops(TypedOps& ops) {
  namespace aten = at::_ops;
  add_typed<
      aten::_fused_rms_norm, aten::_fused_rms_norm_backward, aten::_index_put_impl_,
      aten::_log_softmax, aten::_log_softmax_backward_data, aten::_native_batch_norm_legit,
      aten::_native_batch_norm_legit_no_training, aten::_softmax, aten::_softmax_backward_data,
      aten::all, aten::all_dim, aten::amax, aten::amin, aten::any, aten::any_dim, aten::argmax,
      aten::argmin, aten::binary_cross_entropy, aten::binary_cross_entropy_backward,
      aten::binary_cross_entropy_with_logits, aten::cat, aten::constant_pad_nd, aten::cumsum,
      aten::embedding, aten::embedding_dense_backward, aten::flip, aten::gather,
      aten::gather_backward, aten::index_Tensor, aten::index_add, aten::index_add_,
      aten::index_put_, aten::index_select, aten::linalg_vector_norm, aten::logsumexp, aten::max,
      aten::max_dim, aten::mean, aten::mean_dim, aten::min, aten::min_dim, aten::mse_loss,
      aten::mse_loss_backward, aten::native_batch_norm, aten::native_batch_norm_backward,
      aten::native_group_norm, aten::native_group_norm_backward, aten::native_layer_norm,
      aten::native_layer_norm_backward, aten::nll_loss2d_backward, aten::nll_loss2d_forward,
      aten::nll_loss_backward, aten::nll_loss_forward, aten::norm_Scalar, aten::norm_ScalarOpt_dim,
      aten::one_hot, aten::prod, aten::repeat_interleave_self_int, aten::roll, aten::scatter_add,
      aten::scatter_add_, aten::scatter_src, aten::scatter_value, aten::select_backward,
      aten::select_scatter, aten::slice_backward, aten::slice_scatter, aten::smooth_l1_loss,
      aten::smooth_l1_loss_backward, aten::sort, aten::stack, aten::std_correction, aten::sum,
      aten::sum_dim_IntList, aten::topk, aten::var_correction, aten::var_mean_correction>(ops);
}

}  // namespace trireme::device
