// SPDX-License-Identifier: Apache-2.0
// The operations trireme::rnn_layer and trireme::rnn_layer_backward.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <tuple>

#include "trireme/device/rnn_cells.h"

namespace trireme::device {

using RnnLayerOutputs = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor>;
using RnnLayerGradients = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor>;

// gates [rows, gates * hidden]; batch_sizes [steps] int64, on the device, none: as many rows in
// each step as `h` has. Returns h after each step [rows, hidden], the last h and c [batch, hidden]
// (c: no elements but for LSTM), and, with `keep`, what the backward pass reads: [planes, rows,
// hidden].
RnnLayerOutputs rnn_layer(const at::Tensor& gates, const at::Tensor& weight,
                          const std::optional<at::Tensor>& bias, const at::Tensor& h,
                          const std::optional<at::Tensor>& c,
                          const std::optional<at::Tensor>& batch_sizes, Cell cell, bool reverse,
                          bool keep);

// Of gates, weight, bias, h and c; those of weight and bias without elements unless asked for.
RnnLayerGradients rnn_layer_backward(const at::Tensor& kept, const at::Tensor& weight,
                                     const at::Tensor& h, const std::optional<at::Tensor>& c,
                                     const std::optional<at::Tensor>& batch_sizes,
                                     const std::optional<at::Tensor>& grad_sequence,
                                     const std::optional<at::Tensor>& grad_h,
                                     const std::optional<at::Tensor>& grad_c, Cell cell,
                                     bool reverse, bool wants_weight);

}  // namespace trireme::device
