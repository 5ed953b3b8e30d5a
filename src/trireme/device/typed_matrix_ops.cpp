// SPDX-License-Identifier: Apache-2.0
// Products, convolutions, attention, pooling, recurrent cells.
#include <ATen/core/Tensor.h>
#include <ATen/ops/_adaptive_avg_pool2d_backward_ops.h>
#include <ATen/ops/_adaptive_avg_pool2d_ops.h>
#include <ATen/ops/_scaled_dot_product_attention_math_ops.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu_backward_ops.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu_ops.h>
#include <ATen/ops/_thnn_fused_gru_cell_ops.h>
#include <ATen/ops/_thnn_fused_lstm_cell_ops.h>
#include <ATen/ops/addmm_ops.h>
#include <ATen/ops/addmv_ops.h>
#include <ATen/ops/avg_pool2d_backward_ops.h>
#include <ATen/ops/avg_pool2d_ops.h>
#include <ATen/ops/baddbmm_ops.h>
#include <ATen/ops/bmm_ops.h>
#include <ATen/ops/convolution_backward_ops.h>
#include <ATen/ops/convolution_ops.h>
#include <ATen/ops/convolution_overrideable_ops.h>
#include <ATen/ops/dot_ops.h>
#include <ATen/ops/linear_backward_ops.h>
#include <ATen/ops/linear_ops.h>
#include <ATen/ops/max_pool2d_with_indices_backward_ops.h>
#include <ATen/ops/max_pool2d_with_indices_ops.h>
#include <ATen/ops/mkldnn_linear_ops.h>
#include <ATen/ops/mm_ops.h>
#include <ATen/ops/mv_ops.h>
#include <ATen/ops/upsample_bilinear2d_backward_ops.h>
#include <ATen/ops/upsample_bilinear2d_ops.h>
#include <ATen/ops/upsample_nearest2d_backward_ops.h>
#include <ATen/ops/upsample_nearest2d_ops.h>

#include "trireme/device/add_typed.h"

namespace trireme::device {

void add_matrix_ops(TypedOps& ops) {
  namespace aten = at::_ops;
  add_typed<aten::_adaptive_avg_pool2d, aten::_adaptive_avg_pool2d_backward,
            aten::_scaled_dot_product_attention_math,
            aten::_scaled_dot_product_flash_attention_for_cpu,
            aten::_scaled_dot_product_flash_attention_for_cpu_backward, aten::_thnn_fused_gru_cell,
            aten::_thnn_fused_lstm_cell, aten::addmm, aten::addmm_, aten::addmv, aten::avg_pool2d,
            aten::avg_pool2d_backward, aten::baddbmm, aten::baddbmm_, aten::bmm, aten::bmm_out,
            aten::convolution, aten::convolution_backward, aten::convolution_overrideable,
            aten::dot, aten::linear, aten::linear_backward, aten::max_pool2d_with_indices,
            aten::max_pool2d_with_indices_backward, aten::mkldnn_linear, aten::mm, aten::mm_out,
            aten::mv, aten::upsample_bilinear2d, aten::upsample_bilinear2d_backward,
            aten::upsample_nearest2d, aten::upsample_nearest2d_backward>(ops);
}

}  // namespace trireme::device
