// SPDX-License-Identifier: Apache-2.0
#include "trireme/device/rnn_cells.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/tanh.h>

namespace trireme::device {
namespace {

using at::Tensor;

Tensor gates_by_hidden(const Tensor& hidden, const RnnWeights& weights) {
  return at::linear(hidden, weights.hidden, weights.hidden_bias);
}

RnnState lstm_step(const Tensor& by_input, const RnnState& state, const RnnWeights& weights) {
  Tensor gates = gates_by_hidden(state[0], weights);
  gates.add_(by_input);
  auto parts = gates.unsafe_chunk(4, 1);
  const Tensor in = parts[0].sigmoid_();
  const Tensor forget = parts[1].sigmoid_();
  const Tensor cell = parts[2].tanh_();
  const Tensor out = parts[3].sigmoid_();
  Tensor c = forget * state[1];
  c.add_(in * cell);
  Tensor h = out * c.tanh();
  if (weights.projection.defined()) h = at::matmul(h, weights.projection.t());
  return {h, c};
}

RnnState gru_step(const Tensor& given, const RnnState& state, const RnnWeights& weights) {
  const auto by_input = given.unsafe_chunk(3, 1);
  auto by_hidden = gates_by_hidden(state[0], weights).unsafe_chunk(3, 1);
  const Tensor reset = by_hidden[0].add_(by_input[0]).sigmoid_();
  const Tensor update = by_hidden[1].add_(by_input[1]).sigmoid_();
  const Tensor fresh = by_input[2].add(by_hidden[2].mul_(reset)).tanh_();
  return {(state[0] - fresh).mul_(update).add_(fresh)};
}

}  // namespace

Tensor gates_by_input(const Tensor& input, const RnnWeights& weights) {
  return at::linear(input, weights.input, weights.input_bias);
}

RnnState rnn_step(Cell cell, const Tensor& gates, const RnnState& state,
                  const RnnWeights& weights) {
  if (cell == Cell::Lstm) return lstm_step(gates, state, weights);
  if (cell == Cell::Gru) return gru_step(gates, state, weights);
  Tensor sum = gates_by_hidden(state[0], weights);
  sum.add_(gates);
  return {cell == Cell::Tanh ? at::tanh(sum) : at::relu(sum)};
}

}  // namespace trireme::device
