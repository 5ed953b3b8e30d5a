// SPDX-License-Identifier: Apache-2.0
#include "trireme/device/rnn_layer.h"

#include <ATen/FuncTorchTLS.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/library.h>

#include <utility>

#include "trireme/device/rnn_layer_kernels.h"
#include "trireme/record/rnn_layer_rules.h"
#include "trireme/run/executor.h"

namespace trireme::device {

using at::Tensor;
using MaybeTensor = std::optional<Tensor>;

TORCH_LIBRARY(trireme, m) {
  m.def(
      "rnn_layer(Tensor gates, Tensor weight, Tensor? bias, Tensor h, Tensor? c, Tensor? "
      "batch_sizes, int cell, bool reverse, bool keep) -> (Tensor, Tensor, Tensor, Tensor)");
  m.def(
      "rnn_layer_backward(Tensor kept, Tensor weight, Tensor h, Tensor? c, Tensor? batch_sizes, "
      "Tensor? grad_sequence, Tensor? grad_h, Tensor? grad_c, int cell, bool reverse, bool "
      "wants_weight) -> (Tensor, Tensor, Tensor, Tensor, Tensor)");
}

TORCH_LIBRARY_IMPL(trireme, Meta, m) {
  m.impl("rnn_layer", TORCH_FN(record::rnn_layer_rule));
  m.impl("rnn_layer_backward", TORCH_FN(record::rnn_layer_backward_rule));
}

RnnLayerOutputs rnn_layer(const Tensor& gates, const Tensor& weight, const MaybeTensor& bias,
                          const Tensor& h, const MaybeTensor& c, const MaybeTensor& batch_sizes,
                          Cell cell, bool reverse, bool keep) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("trireme::rnn_layer", "")
                             .typed<decltype(record::rnn_layer_rule)>();
  return op.call(gates, weight, bias, h, c, batch_sizes, static_cast<int64_t>(cell), reverse, keep);
}

RnnLayerGradients rnn_layer_backward(const Tensor& kept, const Tensor& weight, const Tensor& h,
                                     const MaybeTensor& c, const MaybeTensor& batch_sizes,
                                     const MaybeTensor& grad_sequence, const MaybeTensor& grad_h,
                                     const MaybeTensor& grad_c, Cell cell, bool reverse,
                                     bool wants_weight) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("trireme::rnn_layer_backward", "")
                             .typed<decltype(record::rnn_layer_backward_rule)>();
  return op.call(kept, weight, h, c, batch_sizes, grad_sequence, grad_h, grad_c,
                 static_cast<int64_t>(cell), reverse, wants_weight);
}

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

MaybeTensor if_defined(const Tensor& tensor) {
  return tensor.defined() ? MaybeTensor(tensor) : std::nullopt;
}

class LayerFunction : public torch::autograd::Function<LayerFunction> {
 public:
  static variable_list forward(AutogradContext* context, const Tensor& gates, const Tensor& weight,
                               const MaybeTensor& bias, const Tensor& h, const MaybeTensor& c,
                               Cell cell, const RnnSequence& sequence, bool reverse) {
    const at::AutoDispatchBelowADInplaceOrView below;
    auto [all, h_last, c_last, kept] =
        rnn_layer(gates, weight, bias, h, c, if_defined(sequence.on_device), cell, reverse,
                  /*keep=*/true);
    context->save_for_backward({gates, weight, bias.value_or(Tensor()), h, c.value_or(Tensor()),
                                kept, sequence.on_device});
    context->saved_data["cell"] = static_cast<int64_t>(cell);
    context->saved_data["rows"] = sequence.rows;
    context->saved_data["reverse"] = reverse;
    context->set_materialize_grads(false);
    if (cell != Cell::Lstm) return {all, h_last};
    return {all, h_last, c_last};
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const auto saved = context->get_saved_variables();
    const auto cell = static_cast<Cell>(context->saved_data["cell"].toInt());
    const bool reverse = context->saved_data["reverse"].toBool();
    const RnnSequence sequence{context->saved_data["rows"].toIntVector(), saved[6]};
    const Tensor &gates = saved[0], &weight = saved[1], &bias = saved[2], &h = saved[3],
                 &c = saved[4];
    variable_list result;
    if (at::GradMode::is_enabled()) {
      result = composed({gates, weight, bias, h, c}, cell, sequence, reverse, grads);
    } else {
      // by the tensors given: 2 is the bias, if there is one
      const bool wants_weight =
          context->needs_input_grad(1) || (bias.defined() && context->needs_input_grad(2));
      auto [of_gates, of_weight, of_bias, of_h, of_c] = rnn_layer_backward(
          saved[5], weight, h, if_defined(c), if_defined(saved[6]), if_defined(grads[0]),
          if_defined(grads[1]), cell == Cell::Lstm ? if_defined(grads[2]) : std::nullopt, cell,
          reverse, wants_weight);
      result = {of_gates, wants_weight ? of_weight : Tensor(),
                wants_weight && bias.defined() ? of_bias : Tensor(), of_h,
                cell == Cell::Lstm ? of_c : Tensor()};
    }
    result.resize(8);  // the others are no tensors
    return result;
  }

 private:
  // The gradients with a graph of their own, for derivatives of them.
  static variable_list composed(const variable_list& inputs, Cell cell, const RnnSequence& sequence,
                                bool reverse, const variable_list& grads) {
    RnnState first{inputs[3]};
    if (inputs[4].defined()) first.push_back(inputs[4]);
    const RnnOutput output = compose_rnn_layer(cell, sequence, inputs[0], first,
                                               {{}, inputs[1], {}, inputs[2], {}}, reverse);
    variable_list outputs;
    variable_list given;
    const auto add = [&](const Tensor& value, const Tensor& grad) {
      if (!grad.defined()) return;
      outputs.push_back(value);
      given.push_back(grad);
    };
    add(output.sequence, grads[0]);
    for (size_t i = 0; i < output.last.size(); ++i) add(output.last[i], grads[i + 1]);
    variable_list wanted;
    for (const Tensor& input : inputs) {
      if (input.defined() && input.requires_grad()) wanted.push_back(input);
    }
    const auto found = torch::autograd::grad(outputs, wanted, given, /*retain_graph=*/true,
                                             /*create_graph=*/true, /*allow_unused=*/true);
    variable_list result(inputs.size());
    size_t next = 0;
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i].defined() && inputs[i].requires_grad()) result[i] = found[next++];
    }
    return result;
  }
};

bool has_tangent(const Tensor& tensor) {
  return tensor.defined() && tensor._fw_grad(/*level=*/0).defined();
}

// Inside of torch.func's transforms, which refuse an autograd::Function that is written in C++: the
// only one to ask is the check itself.
bool is_transformed() {
  const auto& transforms = at::functorch::functorchTLSAccessor();
  if (!transforms) return false;
  try {
    transforms->checkSupportsCppAutogradFunction();
  } catch (const c10::Error&) {
    return true;
  }
  return false;
}

bool is_one_operation(const Tensor& gates, const RnnState& first, const RnnWeights& weights) {
  if (weights.projection.defined() || gates.numel() == 0) return false;
  if (is_transformed() || !run::compiles()) return false;
  if (!at::isFloatingType(gates.scalar_type())) return false;
  std::vector<Tensor> all{gates, weights.hidden, weights.hidden_bias};
  all.insert(all.end(), first.begin(), first.end());
  for (const Tensor& tensor : all) {
    if (!tensor.defined()) continue;
    if (tensor.scalar_type() != gates.scalar_type()) return false;
    if (tensor.device().type() != c10::DeviceType::PrivateUse1) return false;
    if (has_tangent(tensor)) return false;
  }
  return true;
}

}  // namespace

RnnOutput run_rnn_layer(Cell cell, const RnnSequence& sequence, const Tensor& gates,
                        const RnnState& first, const RnnWeights& weights, bool reverse) {
  if (!is_one_operation(gates, first, weights)) {
    return compose_rnn_layer(cell, sequence, gates, first, weights, reverse);
  }
  const Tensor c = cell == Cell::Lstm ? first[1] : Tensor();
  if (torch::autograd::compute_requires_grad(gates, weights.hidden, weights.hidden_bias, first[0],
                                             c)) {
    auto outputs = LayerFunction::apply(gates, weights.hidden, if_defined(weights.hidden_bias),
                                        first[0], if_defined(c), cell, sequence, reverse);
    Tensor all = std::move(outputs.front());
    outputs.erase(outputs.begin());
    return {std::move(all), std::move(outputs)};
  }
  const at::AutoDispatchBelowADInplaceOrView below;
  auto [all, h_last, c_last, kept] =
      rnn_layer(gates, weights.hidden, if_defined(weights.hidden_bias), first[0], if_defined(c),
                if_defined(sequence.on_device), cell, reverse, /*keep=*/false);
  RnnState last{h_last};
  if (cell == Cell::Lstm) last.push_back(c_last);
  return {all, std::move(last)};
}

}  // namespace trireme::device
