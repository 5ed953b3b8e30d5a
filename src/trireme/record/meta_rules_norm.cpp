// SPDX-License-Identifier: Apache-2.0
// Rules of normalisations, with all tensors of one dtype.
#include <ATen/ATen.h>

#include <array>

#include "trireme/record/meta_rules.h"

namespace trireme::record {
namespace {

using In = const at::Tensor&;
using MaybeIn = const std::optional<at::Tensor>&;
using Three = std::tuple<at::Tensor, at::Tensor, at::Tensor>;
using Mask = std::array<bool, 3>;

// bfloat16 keeps its statistics in other dtypes, by the weight's.
void require_wide(In tensor) {
  require(tensor.scalar_type() == at::kFloat || tensor.scalar_type() == at::kDouble);
}

void require_sizes(MaybeIn tensor, at::IntArrayRef sizes) {
  if (tensor && tensor->defined()) require(tensor->sizes() == sizes);
}

at::Tensor gradient(bool wanted, at::IntArrayRef sizes, In of) {
  return wanted ? row_major(sizes, of.scalar_type()) : at::Tensor();
}

void require_trailing(In input, at::IntArrayRef normalized) {
  require(!normalized.empty() && normalized.size() <= input.sizes().size());
  require(input.sizes().slice(input.dim() - normalized.size()) == normalized);
}

at::DimVector layer_statistics(In input, at::IntArrayRef normalized) {
  at::DimVector sizes(input.sizes());
  std::fill_n(sizes.end() - static_cast<std::ptrdiff_t>(normalized.size()), normalized.size(), 1);
  return sizes;
}

Three layer_norm(In input, at::IntArrayRef normalized, MaybeIn weight, MaybeIn bias,
                 double /*eps*/) {
  require_wide(input);
  require_trailing(input, normalized);
  require_sizes(weight, normalized);
  require_sizes(bias, normalized);
  const auto sizes = layer_statistics(input, normalized);
  const auto dtype = input.scalar_type();
  return {row_major(input.sizes(), dtype), row_major(sizes, dtype), row_major(sizes, dtype)};
}

Three layer_norm_backward(In grad, In input, at::IntArrayRef normalized, In mean, In rstd,
                          MaybeIn weight, MaybeIn bias, Mask mask) {
  require_wide(input);
  require_trailing(input, normalized);
  const auto sizes = layer_statistics(input, normalized);
  require(grad.sizes() == input.sizes() && mean.sizes() == at::IntArrayRef(sizes) &&
          rstd.sizes() == at::IntArrayRef(sizes));
  require(weight && weight->defined() && weight->sizes() == normalized);
  require(bias && bias->defined() && bias->sizes() == normalized);
  return {gradient(mask[0], input.sizes(), input), gradient(mask[1], normalized, input),
          gradient(mask[2], normalized, input)};
}

Three batch_norm(In input, MaybeIn weight, MaybeIn bias, MaybeIn running_mean, MaybeIn running_var,
                 bool training, double /*momentum*/, double /*eps*/) {
  require_wide(input);
  require(input.dim() >= 2 && is_row_major(input));
  const std::array channels{input.size(1)};
  for (const auto* tensor : {&weight, &bias, &running_mean, &running_var})
    require_sizes(*tensor, channels);
  require(training || (running_mean && running_mean->defined() && running_var));
  const std::array saved{training ? channels[0] : 0};
  const auto dtype = input.scalar_type();
  return {row_major(input.sizes(), dtype), row_major(saved, dtype), row_major(saved, dtype)};
}

Three batch_norm_backward(In grad, In input, MaybeIn weight, MaybeIn /*running_mean*/,
                          MaybeIn /*running_var*/, MaybeIn save_mean, MaybeIn save_invstd,
                          bool train, double /*eps*/, Mask mask) {
  require_wide(input);
  require(input.dim() >= 2 && is_row_major(input) && grad.sizes() == input.sizes() && train);
  const std::array channels{input.size(1)};
  for (const auto* tensor : {&save_mean, &save_invstd})
    require(*tensor && (*tensor)->defined() && (*tensor)->sizes() == at::IntArrayRef(channels));
  require_sizes(weight, channels);
  return {gradient(mask[0], input.sizes(), input), gradient(mask[1], channels, input),
          gradient(mask[2], channels, input)};
}

Three group_norm(In input, MaybeIn weight, MaybeIn bias, int64_t batch, int64_t channels,
                 int64_t area, int64_t groups, double /*eps*/) {
  require_wide(input);
  require(is_row_major(input) && groups > 0 && channels % groups == 0 &&
          input.numel() == batch * channels * area);
  require_sizes(weight, {channels});
  require_sizes(bias, {channels});
  const auto dtype = input.scalar_type();
  return {row_major(input.sizes(), dtype), row_major({batch, groups}, dtype),
          row_major({batch, groups}, dtype)};
}

Three group_norm_backward(In grad, In input, In mean, In rstd, MaybeIn weight, int64_t batch,
                          int64_t channels, int64_t area, int64_t groups, Mask mask) {
  require_wide(input);
  require(is_row_major(input) && groups > 0 && channels % groups == 0);
  require(input.numel() == batch * channels * area && grad.sizes() == input.sizes());
  require(mean.numel() == batch * groups && rstd.numel() == batch * groups);
  require_sizes(weight, {channels});
  return {gradient(mask[0], input.sizes(), input), gradient(mask[1], {channels}, input),
          gradient(mask[2], {channels}, input)};
}

template <class Function>
MetaKernel floating(Function* function) {
  return {c10::KernelFunction::makeFromUnboxedRuntimeFunction(function), Takes::Floating};
}

}  // namespace

void add_norm_rules(MetaTable& table) {
  table.insert({
      {"aten::native_batch_norm", floating(&batch_norm)},
      {"aten::native_batch_norm_backward", floating(&batch_norm_backward)},
      {"aten::native_group_norm", floating(&group_norm)},
      {"aten::native_group_norm_backward", floating(&group_norm_backward)},
      {"aten::native_layer_norm", floating(&layer_norm)},
      {"aten::native_layer_norm_backward", floating(&layer_norm_backward)},
  });
}

}  // namespace trireme::record
