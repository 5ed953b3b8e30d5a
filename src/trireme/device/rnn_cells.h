// SPDX-License-Identifier: Apache-2.0
// One step of a recurrent network, from the operations that PyTorch composes it of on the CPU.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace trireme::device {

enum class Cell : uint8_t { Lstm, Gru, Tanh, Relu };

constexpr int64_t gates_of(Cell cell) { return cell == Cell::Lstm ? 4 : cell == Cell::Gru ? 3 : 1; }

// h, and c for LSTM: [batch, hidden] each.
using RnnState = std::vector<at::Tensor>;

struct RnnWeights {
  at::Tensor input, hidden;            // [gates * hidden, features], [gates * hidden, hidden]
  at::Tensor input_bias, hidden_bias;  // undefined: none
  at::Tensor projection;               // undefined: none; LSTM only
};

// What the input adds to the gates.
at::Tensor gates_by_input(const at::Tensor& input, const RnnWeights& weights);

// The state after a step, from the one before and what the input adds to the gates.
RnnState rnn_step(Cell cell, const at::Tensor& gates, const RnnState& state,
                  const RnnWeights& weights);

}  // namespace trireme::device
