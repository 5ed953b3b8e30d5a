// SPDX-License-Identifier: Apache-2.0
// Recurrent networks take the path that they take on the CPU, op for op. PyTorch's own composites
// ask for the device and would take the one made for CUDA's fused cells: other roundings, other
// gradients.
#include <ATen/Context.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/native/RNN.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/dropout.h>
#include <ATen/ops/mkldnn_rnn_layer.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <vector>

#include "trireme/device/rnn_cells.h"
#include "trireme/device/rnn_layer.h"

namespace trireme::device {
namespace {

using at::Tensor;
using at::TensorList;

struct Options {
  Cell cell = Cell::Lstm;
  int64_t layers = 1;
  double dropout = 0;
  bool train = false;
  bool bidirectional = false;
};

// --- one layer, one direction ---

// Padded sequences: [steps, batch, features].
struct Padded {
  RnnOutput run(Cell cell, const Tensor& input, const RnnState& first, const RnnWeights& weights,
                bool reverse) const {
    const int64_t steps = input.size(0);
    const int64_t batch = input.size(1);
    TORCH_CHECK(steps > 0, "Expected sequence length to be larger than 0 in RNN");
    const Tensor gates = gates_by_input(input, weights);
    const RnnSequence sequence{std::vector<int64_t>(static_cast<size_t>(steps), batch), {}};
    RnnOutput output = run_rnn_layer(cell, sequence, gates.flatten(0, 1), first, weights, reverse);
    output.sequence = output.sequence.view({steps, batch, output.sequence.size(1)});
    return output;
  }
};

// Packed sequences: the steps' rows one after another, fewer from step to step as sequences end.
struct Packed {
  Packed(const Tensor& batch_sizes, const Tensor& data) {
    TORCH_CHECK(batch_sizes.device().is_cpu() && batch_sizes.scalar_type() == at::kLong &&
                    batch_sizes.dim() == 1,
                "batch_sizes of a packed sequence should be a 1D CPU int64 tensor, got ",
                batch_sizes.dim(), "D ", batch_sizes.device(), " ", batch_sizes.scalar_type());
    const Tensor sizes = batch_sizes.contiguous();
    sequence.rows.assign(sizes.const_data_ptr<int64_t>(),
                         sizes.const_data_ptr<int64_t>() + sizes.numel());
    TORCH_CHECK(!sequence.rows.empty(), "Expected sequence length to be larger than 0 in RNN");
    if (!sequence.uniform()) sequence.on_device = sizes.to(data.device());
  }

  RnnOutput run(Cell cell, const Tensor& input, const RnnState& first, const RnnWeights& weights,
                bool reverse) const {
    return run_rnn_layer(cell, sequence, gates_by_input(input, weights), first, weights, reverse);
  }

  RnnSequence sequence;
};

// --- the layers ---

std::vector<RnnWeights> gather(TensorList params, bool biases, bool projections) {
  const size_t each = 2 + (biases ? 2 : 0) + (projections ? 1 : 0);
  TORCH_CHECK(params.size() % each == 0, "got an incorrect number of RNN parameters");
  std::vector<RnnWeights> all;
  for (size_t i = 0; i < params.size(); i += each) {
    RnnWeights weights{params[i], params[i + 1], {}, {}, {}};
    if (biases) {
      weights.input_bias = params[i + 2];
      weights.hidden_bias = params[i + 3];
    }
    if (projections) weights.projection = params[i + each - 1];
    all.push_back(std::move(weights));
  }
  return all;
}

struct StackOutput {
  Tensor sequence;
  RnnState last;  // each over all layers and directions
};

template <class Sequence>
StackOutput run_layers(const Options& options, const Sequence& sequence, const Tensor& input,
                       const std::vector<RnnWeights>& weights, const RnnState& initial) {
  const size_t directions = options.bidirectional ? 2 : 1;
  const auto total = static_cast<size_t>(options.layers) * directions;
  std::vector<RnnState> states;
  for (const Tensor& item : initial) {
    const auto items = item.unbind(0);
    TORCH_CHECK(items.size() == total, "Expected more hidden states in stacked_rnn");
    states.resize(total);
    for (size_t i = 0; i < total; ++i) states[i].push_back(items[i]);
  }
  TORCH_CHECK(weights.size() == total, "Expected more weights in stacked_rnn");
  Tensor current = input;
  std::vector<RnnState> last(initial.size());
  for (size_t layer = 0; layer < static_cast<size_t>(options.layers); ++layer) {
    std::vector<Tensor> outputs;
    for (size_t direction = 0; direction < directions; ++direction) {
      const size_t i = layer * directions + direction;
      RnnOutput output = sequence.run(options.cell, current, states[i], weights[i], direction == 1);
      outputs.push_back(std::move(output.sequence));
      for (size_t k = 0; k < last.size(); ++k) last[k].push_back(output.last[k]);
    }
    current = directions == 1 ? outputs[0] : at::cat(outputs, -1);
    if (options.dropout != 0 && options.train && layer + 1 < static_cast<size_t>(options.layers)) {
      current = at::dropout(current, options.dropout, /*train=*/true);
    }
  }
  StackOutput result{current, {}};
  for (const RnnState& items : last) result.last.push_back(at::stack(items, 0));
  return result;
}

// --- LSTM ---

using Three = std::tuple<Tensor, Tensor, Tensor>;
using Two = std::tuple<Tensor, Tensor>;

bool supported_by_onednn(const char* question) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(question, "").typed<bool()>().call();
}

bool takes_onednn(const Tensor& input) {
  if (!at::globalContext().userEnabledMkldnn() || input.numel() == 0) return false;
  if (input.scalar_type() == at::kFloat) return true;
  if (input.scalar_type() == at::kBFloat16) {
    static const bool supported = supported_by_onednn("mkldnn::_is_mkldnn_bf16_supported");
    return supported;
  }
  if (input.scalar_type() == at::kHalf && !at::GradMode::is_enabled()) {
    static const bool supported = supported_by_onednn("mkldnn::_is_mkldnn_fp16_supported");
    return supported;
  }
  return false;
}

// One oneDNN primitive for each layer and direction.
Three lstm_onednn(const Options& options, const Tensor& given, TensorList hx, TensorList params,
                  bool biases, bool batch_first) {
  constexpr int64_t kLstmMode = 2;  // of ideep's rnn_kind
  const int64_t hidden_size = hx[0].size(2);
  const size_t directions = options.bidirectional ? 2 : 1;
  const auto layers = static_cast<size_t>(options.layers);
  const size_t each = biases ? 4 : 2;
  TORCH_CHECK(params.size() == layers * directions * each,
              "got an incorrect number of RNN parameters");
  Tensor current = (batch_first ? given.transpose(0, 1) : given).contiguous();
  const Tensor h_first = hx[0].contiguous();
  const Tensor c_first = hx[1].contiguous();
  RnnState h_last;
  RnnState c_last;
  for (size_t layer = 0; layer < layers; ++layer) {
    std::vector<Tensor> outputs;
    for (size_t direction = 0; direction < directions; ++direction) {
      const size_t i = layer * directions + direction;
      const TensorList weights = params.slice(i * each, each);
      const Tensor h = h_first[static_cast<int64_t>(i)];
      const Tensor c = c_first[static_cast<int64_t>(i)];
      const Tensor input_bias =
          biases ? weights[2] : at::zeros(weights[0].sizes(), weights[0].options());
      const Tensor hidden_bias =
          biases ? weights[3] : at::zeros(weights[1].sizes(), weights[1].options());
      const auto result = at::mkldnn_rnn_layer(
          current, weights[0], weights[1], input_bias, hidden_bias, h, c, direction == 1,
          /*batch_sizes=*/{}, kLstmMode, hidden_size, options.layers, biases, options.bidirectional,
          batch_first, options.train);
      outputs.push_back(std::get<0>(result));
      h_last.push_back(std::get<1>(result));
      c_last.push_back(std::get<2>(result));
    }
    current = directions == 1 ? outputs[0] : at::cat(outputs, -1);
    if (options.dropout != 0 && options.train && layer + 1 < layers) {
      current = at::dropout(current, options.dropout, /*train=*/true);
    }
  }
  const Tensor h = at::stack(h_last, 0);
  const Tensor c = at::stack(c_last, 0);
  return {batch_first ? current.transpose(0, 1) : current, h, c};
}

void check_lstm_state(TensorList hx, const Options& options) {
  TORCH_CHECK(hx.size() == 2, "lstm expects two hidden states");
  const int64_t expected = options.layers * (options.bidirectional ? 2 : 1);
  for (const auto& [name, state] : {std::pair("h_0", hx[0]), std::pair("c_0", hx[1])}) {
    TORCH_CHECK(state.dim() == 3, "For batched 3-D input, ", name, " should be 3-D but got ",
                state.dim(), "-D tensor");
    TORCH_CHECK(state.size(0) == expected, "Expected ", name, " size(0) to be ", expected,
                " (num_layers * num_directions), but got ", state.size(0));
  }
}

Three lstm_input(const Tensor& given, TensorList hx, TensorList params, bool biases, int64_t layers,
                 double dropout, bool train, bool bidirectional, bool batch_first) {
  const Options options{Cell::Lstm, layers, dropout, train, bidirectional};
  check_lstm_state(hx, options);
  at::native::check_attributes(given, params, hx);
  const bool projections = hx[0].size(2) != hx[1].size(2);
  if (takes_onednn(given)) {
    if (!projections) {
      return lstm_onednn(options, given, hx, params, biases, batch_first);
    }
    TORCH_WARN_ONCE(
        "LSTM with projections is not supported with oneDNN. Using default implementation.");
  }
  const Tensor input = batch_first ? given.transpose(0, 1) : given;
  auto result = run_layers(options, Padded{}, input, gather(params, biases, projections), hx.vec());
  if (batch_first) result.sequence = result.sequence.transpose(0, 1);
  return {result.sequence, result.last[0], result.last[1]};
}

Three lstm_data(const Tensor& data, const Tensor& batch_sizes, TensorList hx, TensorList params,
                bool biases, int64_t layers, double dropout, bool train, bool bidirectional) {
  const Options options{Cell::Lstm, layers, dropout, train, bidirectional};
  check_lstm_state(hx, options);
  const bool projections = hx[0].size(2) != hx[1].size(2);
  const Packed packed(batch_sizes, data);
  // Sequences of one length are padded ones.
  if (packed.sequence.uniform() && !projections && takes_onednn(data)) {
    const auto steps = static_cast<int64_t>(packed.sequence.rows.size());
    const Tensor padded = data.view({steps, packed.sequence.rows.front(), data.size(1)});
    auto [sequence, h, c] = lstm_onednn(options, padded, hx, params, biases, /*batch_first=*/false);
    return {sequence.flatten(0, 1), h, c};
  }
  const auto result =
      run_layers(options, packed, data, gather(params, biases, projections), hx.vec());
  return {result.sequence, result.last[0], result.last[1]};
}

// --- the others ---

template <Cell cell>
Two rnn_input(const Tensor& given, const Tensor& hx, TensorList params, bool biases, int64_t layers,
              double dropout, bool train, bool bidirectional, bool batch_first) {
  at::native::check_attributes(given, params, hx);
  const Tensor input = batch_first ? given.transpose(0, 1) : given;
  auto result = run_layers({cell, layers, dropout, train, bidirectional}, Padded{}, input,
                           gather(params, biases, /*projections=*/false), {hx});
  if (batch_first) result.sequence.transpose_(0, 1);
  return {result.sequence, result.last[0]};
}

template <Cell cell>
Two rnn_data(const Tensor& data, const Tensor& batch_sizes, const Tensor& hx, TensorList params,
             bool biases, int64_t layers, double dropout, bool train, bool bidirectional) {
  const auto result =
      run_layers({cell, layers, dropout, train, bidirectional}, Packed(batch_sizes, data), data,
                 gather(params, biases, /*projections=*/false), {hx});
  return {result.sequence, result.last[0]};
}

// --- single cells ---

void check_cell(Cell cell, const Tensor& input, TensorList state, const Tensor& input_weight,
                const Tensor& hidden_weight) {
  const int64_t features = input_weight.size(1);
  const int64_t hidden = hidden_weight.size(1);
  const int64_t rows = gates_of(cell) * hidden;
  TORCH_CHECK(input.size(1) == features, "input has inconsistent input_size: got ", input.size(1),
              " expected ", features);
  TORCH_CHECK(input_weight.size(0) == rows, "weight_ih first dim must be ", gates_of(cell),
              " * hidden_size = ", rows, ", but got ", input_weight.size(0));
  TORCH_CHECK(hidden_weight.size(0) == rows, "weight_hh first dim must be ", gates_of(cell),
              " * hidden_size = ", rows, ", but got ", hidden_weight.size(0));
  for (size_t i = 0; i < state.size(); ++i) {
    TORCH_CHECK(input.size(0) == state[i].size(0), "Input batch size ", input.size(0),
                " doesn't match hidden", i, " batch size ", state[i].size(0));
    TORCH_CHECK(state[i].size(1) == hidden, "hidden", i, " has inconsistent hidden_size: got ",
                state[i].size(1), ", expected ", hidden);
  }
}

RnnState cell_step(Cell cell, const Tensor& input, TensorList state, const Tensor& input_weight,
                   const Tensor& hidden_weight, const std::optional<Tensor>& input_bias,
                   const std::optional<Tensor>& hidden_bias) {
  check_cell(cell, input, state, input_weight, hidden_weight);
  const RnnWeights weights{input_weight,
                           hidden_weight,
                           input_bias.value_or(Tensor()),
                           hidden_bias.value_or(Tensor()),
                           {}};
  return rnn_step(cell, gates_by_input(input, weights), state.vec(), weights);
}

Two lstm_cell(const Tensor& input, TensorList hx, const Tensor& input_weight,
              const Tensor& hidden_weight, const std::optional<Tensor>& input_bias,
              const std::optional<Tensor>& hidden_bias) {
  TORCH_CHECK(hx.size() == 2, "lstm_cell expects two hidden states");
  const RnnState state =
      cell_step(Cell::Lstm, input, hx, input_weight, hidden_weight, input_bias, hidden_bias);
  return {state[0], state[1]};
}

template <Cell cell>
Tensor rnn_cell(const Tensor& input, const Tensor& hx, const Tensor& input_weight,
                const Tensor& hidden_weight, const std::optional<Tensor>& input_bias,
                const std::optional<Tensor>& hidden_bias) {
  return cell_step(cell, input, hx, input_weight, hidden_weight, input_bias, hidden_bias)[0];
}

void implement(torch::Library& m) {
  m.impl("lstm.input", TORCH_FN(lstm_input));
  m.impl("lstm.data", TORCH_FN(lstm_data));
  m.impl("lstm_cell", TORCH_FN(lstm_cell));
  m.impl("gru.input", TORCH_FN(rnn_input<Cell::Gru>));
  m.impl("gru.data", TORCH_FN(rnn_data<Cell::Gru>));
  m.impl("gru_cell", TORCH_FN(rnn_cell<Cell::Gru>));
  m.impl("rnn_tanh.input", TORCH_FN(rnn_input<Cell::Tanh>));
  m.impl("rnn_tanh.data", TORCH_FN(rnn_data<Cell::Tanh>));
  m.impl("rnn_tanh_cell", TORCH_FN(rnn_cell<Cell::Tanh>));
  m.impl("rnn_relu.input", TORCH_FN(rnn_input<Cell::Relu>));
  m.impl("rnn_relu.data", TORCH_FN(rnn_data<Cell::Relu>));
  m.impl("rnn_relu_cell", TORCH_FN(rnn_cell<Cell::Relu>));
}

// Composites: what they are made of is differentiated and recorded.
TORCH_LIBRARY_IMPL(aten, AutogradPrivateUse1, m) { implement(m); }
TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) { implement(m); }

}  // namespace
}  // namespace trireme::device
