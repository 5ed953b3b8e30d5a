// SPDX-License-Identifier: Apache-2.0
// Rules of the layers of recurrent networks.
#include <ATen/ATen.h>

#include "trireme/record/meta_rules.h"
#include "trireme/record/rnn_layer_rules.h"

namespace trireme::record {
namespace {

using In = const at::Tensor&;
using MaybeIn = const std::optional<at::Tensor>&;

at::Tensor state_like(MaybeIn state, at::ScalarType dtype) {
  return state ? row_major(state->sizes(), dtype) : row_major({0}, dtype);
}

}  // namespace

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> rnn_layer_rule(
    In gates, In weight, MaybeIn /*bias*/, In h, MaybeIn c, MaybeIn /*batch_sizes*/, int64_t cell,
    bool /*reverse*/, bool keep) {
  require(gates.dim() == 2 && weight.dim() == 2 && h.dim() == 2);
  const at::ScalarType dtype = gates.scalar_type();
  require(weight.scalar_type() == dtype && h.scalar_type() == dtype);
  const int64_t rows = gates.size(0);
  const int64_t hidden = weight.size(1);
  return {row_major({rows, hidden}, dtype), row_major(h.sizes(), dtype), state_like(c, dtype),
          keep ? row_major({kRnnPlanes.at(static_cast<size_t>(cell)), rows, hidden}, dtype)
               : row_major({0}, dtype)};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor> rnn_layer_backward_rule(
    In kept, In weight, In h, MaybeIn c, MaybeIn /*batch_sizes*/, MaybeIn /*grad_sequence*/,
    MaybeIn /*grad_h*/, MaybeIn /*grad_c*/, int64_t /*cell*/, bool /*reverse*/, bool wants_weight) {
  require(kept.dim() == 3 && weight.dim() == 2 && h.dim() == 2);
  const at::ScalarType dtype = kept.scalar_type();
  require(weight.scalar_type() == dtype && h.scalar_type() == dtype);
  const int64_t gates = weight.size(0);
  return {row_major({kept.size(1), gates}, dtype),
          wants_weight ? row_major(weight.sizes(), dtype) : row_major({0}, dtype),
          wants_weight ? row_major({gates}, dtype) : row_major({0}, dtype),
          row_major(h.sizes(), dtype), state_like(c, dtype)};
}

void add_recurrent_rules(MetaTable& table) {
  const auto rule = [](auto* function) {
    return MetaKernel{c10::KernelFunction::makeFromUnboxedRuntimeFunction(function),
                      Takes::Indexed};
  };
  table.insert({{"trireme::rnn_layer", rule(&rnn_layer_rule)},
                {"trireme::rnn_layer_backward", rule(&rnn_layer_backward_rule)}});
}

}  // namespace trireme::record
