// SPDX-License-Identifier: Apache-2.0
// The outputs of trireme::rnn_layer and trireme::rnn_layer_backward (device/rnn_layer_kernels.h).
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <optional>
#include <tuple>

namespace trireme::record {

// Tensors [rows, hidden] that the backward pass reads, by cell: LSTM, GRU, tanh, relu.
constexpr std::array<int64_t, 4> kRnnPlanes{6, 5, 1, 1};

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> rnn_layer_rule(
    const at::Tensor& gates, const at::Tensor& weight, const std::optional<at::Tensor>& bias,
    const at::Tensor& h, const std::optional<at::Tensor>& c,
    const std::optional<at::Tensor>& batch_sizes, int64_t cell, bool reverse, bool keep);

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor> rnn_layer_backward_rule(
    const at::Tensor& kept, const at::Tensor& weight, const at::Tensor& h,
    const std::optional<at::Tensor>& c, const std::optional<at::Tensor>& batch_sizes,
    const std::optional<at::Tensor>& grad_sequence, const std::optional<at::Tensor>& grad_h,
    const std::optional<at::Tensor>& grad_c, int64_t cell, bool reverse, bool wants_weight);

}  // namespace trireme::record
