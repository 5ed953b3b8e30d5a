// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/cat.h>

#include <algorithm>

#include "trireme/device/rnn_layer.h"

namespace trireme::device {
namespace {

using at::Tensor;

RnnState narrow(const RnnState& state, int64_t start, int64_t end) {
  RnnState part;
  for (const Tensor& item : state) part.push_back(item.narrow(0, start, end - start));
  return part;
}

RnnState concatenate(const std::vector<RnnState>& states) {
  RnnState whole;
  for (size_t i = 0; i < states[0].size(); ++i) {
    std::vector<Tensor> items;
    items.reserve(states.size());
    for (const RnnState& state : states) items.push_back(state[i]);
    whole.push_back(at::cat(items, 0));
  }
  return whole;
}

RnnOutput forward(Cell cell, const RnnSequence& sequence, const Tensor& gates, RnnState state,
                  const RnnWeights& weights) {
  std::vector<Tensor> outputs;
  std::vector<RnnState> ended;
  const auto items = gates.split_with_sizes(sequence.rows);
  int64_t active = sequence.rows.front();
  for (const Tensor& item : items) {
    const int64_t size = item.size(0);
    if (size < active) {
      ended.push_back(narrow(state, size, active));
      state = narrow(state, 0, size);
    }
    active = size;
    state = rnn_step(cell, item, state, weights);
    outputs.push_back(state[0]);
  }
  if (ended.empty()) return {at::cat(outputs, 0), state};
  ended.push_back(state);
  std::reverse(ended.begin(), ended.end());
  return {at::cat(outputs, 0), concatenate(ended)};
}

RnnOutput backward(Cell cell, const RnnSequence& sequence, const Tensor& gates,
                   const RnnState& first, const RnnWeights& weights) {
  std::vector<Tensor> outputs;
  const auto items = gates.split_with_sizes(sequence.rows);
  int64_t active = sequence.rows.back();
  RnnState state = narrow(first, 0, active);
  for (auto item = items.rbegin(); item != items.rend(); ++item) {
    const int64_t size = item->size(0);
    if (size > active) state = concatenate({state, narrow(first, active, size)});
    active = size;
    state = rnn_step(cell, *item, state, weights);
    outputs.push_back(state[0]);
  }
  std::reverse(outputs.begin(), outputs.end());
  return {at::cat(outputs, 0), state};
}

}  // namespace

RnnOutput compose_rnn_layer(Cell cell, const RnnSequence& sequence, const Tensor& gates,
                            const RnnState& first, const RnnWeights& weights, bool reverse) {
  return reverse ? backward(cell, sequence, gates, first, weights)
                 : forward(cell, sequence, gates, first, weights);
}

}  // namespace trireme::device
