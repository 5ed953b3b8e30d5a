// SPDX-License-Identifier: Apache-2.0
// Rules of convolutions, pooling, embeddings and attention, over row-major tensors.
#include <ATen/ATen.h>
#include <ATen/MetaFunctions.h>

#include <array>

#include "trireme/record/meta_rules.h"

namespace trireme::record {
namespace {

using In = const at::Tensor&;
using MaybeIn = const std::optional<at::Tensor>&;
using Ints = at::IntArrayRef;
using Three = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

bool is_index(In tensor) {
  return tensor.scalar_type() == at::kLong || tensor.scalar_type() == at::kInt;
}

at::Tensor embedding(In weight, In indices, int64_t /*padding*/, bool /*scale*/, bool /*sparse*/) {
  require(weight.dim() == 2 && is_index(indices));
  at::DimVector sizes(indices.sizes());
  sizes.push_back(weight.size(1));
  return row_major(sizes, weight.scalar_type());
}

at::Tensor embedding_backward(In grad, In indices, int64_t weights, int64_t /*padding*/,
                              bool /*scale*/) {
  require(is_index(indices) && weights > 0 && grad.dim() == indices.dim() + 1);
  require(grad.sizes().slice(0, indices.dim()) == indices.sizes());
  return row_major({weights, grad.size(-1)}, grad.scalar_type());
}

// One value for each dimension of the image.
int64_t at_dim(Ints values, size_t dim) { return values.size() == 1 ? values[0] : values[dim]; }

at::DimVector convolved_sizes(In input, In weight, Ints stride, Ints padding, Ints dilation,
                              bool transposed, int64_t groups) {
  require(!transposed && input.dim() >= 3 && input.dim() <= 5 && weight.dim() == input.dim());
  require(is_row_major(input) && is_row_major(weight) && groups > 0);
  require(input.size(1) == weight.size(1) * groups && weight.size(0) % groups == 0);
  const auto dims = static_cast<size_t>(input.dim() - 2);
  for (const Ints values : {stride, padding, dilation})
    require(values.size() == 1 || values.size() == dims);
  at::DimVector sizes{input.size(0), weight.size(0)};
  for (size_t i = 0; i < dims; ++i) {
    const auto dim = static_cast<int64_t>(i) + 2;
    require(at_dim(stride, i) > 0 && at_dim(padding, i) >= 0 && at_dim(dilation, i) > 0);
    const int64_t reach = at_dim(dilation, i) * (weight.size(dim) - 1) + 1;
    const int64_t room = input.size(dim) + 2 * at_dim(padding, i) - reach;
    require(room >= 0);
    sizes.push_back(room / at_dim(stride, i) + 1);
  }
  return sizes;
}

at::Tensor convolution(In input, In weight, MaybeIn bias, Ints stride, Ints padding, Ints dilation,
                       bool transposed, Ints /*output_padding*/, int64_t groups) {
  const auto sizes = convolved_sizes(input, weight, stride, padding, dilation, transposed, groups);
  if (bias && bias->defined()) require(bias->sizes() == Ints({weight.size(0)}));
  return row_major(sizes, input.scalar_type());
}

Three convolution_backward(In grad, In input, In weight, at::OptionalIntArrayRef bias, Ints stride,
                           Ints padding, Ints dilation, bool transposed, Ints /*output_padding*/,
                           int64_t groups, std::array<bool, 3> mask) {
  const auto sizes = convolved_sizes(input, weight, stride, padding, dilation, transposed, groups);
  require(grad.sizes() == Ints(sizes));
  require(!mask[2] || (bias && *bias == Ints({weight.size(0)})));
  const auto dtype = input.scalar_type();
  const auto gradient = [&](bool wanted, Ints of) {
    return wanted ? row_major(of, dtype) : at::Tensor();
  };
  return {gradient(mask[0], input.sizes()), gradient(mask[1], weight.sizes()),
          gradient(mask[2], {weight.size(0)})};
}

std::tuple<at::Tensor, at::Tensor> max_pool2d(In self, Ints kernel, Ints stride, Ints padding,
                                              Ints dilation, bool ceil_mode) {
  require(is_row_major(self));
  return at::meta::max_pool2d_with_indices(self, kernel, stride, padding, dilation, ceil_mode);
}

at::Tensor max_pool2d_backward(In grad, In self, Ints /*kernel*/, Ints /*stride*/, Ints /*padding*/,
                               Ints /*dilation*/, bool /*ceil_mode*/, In indices) {
  require(is_row_major(self) && is_row_major(grad) && indices.scalar_type() == at::kLong);
  require(grad.sizes() == indices.sizes() && grad.dim() == self.dim());
  require(grad.sizes().slice(0, grad.dim() - 2) == self.sizes().slice(0, self.dim() - 2));
  return row_major(self.sizes(), self.scalar_type());
}

// (batch, heads, length, width), laid out as (batch, length, heads, width).
at::Tensor heads_inside(In tensor) {
  return row_major({tensor.size(0), tensor.size(2), tensor.size(1), tensor.size(3)},
                   tensor.scalar_type())
      .transpose(1, 2);
}

void require_heads(In query, In key, In value, double dropout, MaybeIn mask) {
  require(query.dim() == 4 && key.dim() == 4 && value.dim() == 4 && dropout == 0);
  require(key.sizes() == value.sizes());
  require(query.size(0) == key.size(0) && query.size(3) == key.size(3));
  require(query.size(1) % key.size(1) == 0);  // groups of heads share a key
  if (!mask || !mask->defined()) return;
  const std::array full{query.size(0), query.size(1), query.size(2), key.size(2)};
  require(mask->dim() == 2 || mask->dim() == 4);
  for (int64_t dim = 1; dim <= mask->dim(); ++dim)
    require(mask->size(-dim) == full[4 - dim] || (dim > 2 && mask->size(-dim) == 1));
}

std::tuple<at::Tensor, at::Tensor> attention(In query, In key, In value, double dropout,
                                             bool /*causal*/, MaybeIn mask,
                                             std::optional<double> /*scale*/) {
  require_heads(query, key, value, dropout, mask);
  const auto dtype = query.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  return {like(query),
          row_major({query.size(0), query.size(2), query.size(1)}, dtype).transpose(1, 2)};
}

Three attention_backward(In grad, In query, In key, In value, In out, In logsumexp, double dropout,
                         bool /*causal*/, MaybeIn mask, std::optional<double> /*scale*/) {
  require_heads(query, key, value, dropout, mask);
  require(grad.sizes() == query.sizes() && out.sizes() == query.sizes());
  require(logsumexp.sizes() == query.sizes().slice(0, 3));
  return {heads_inside(query), heads_inside(key), heads_inside(value)};
}

template <class Function>
MetaKernel rule(Function* function, Takes takes) {
  return {c10::KernelFunction::makeFromUnboxedRuntimeFunction(function), takes};
}

}  // namespace

void add_network_rules(MetaTable& table) {
  table.insert({
      {"aten::_scaled_dot_product_flash_attention_for_cpu", rule(&attention, Takes::Floating)},
      {"aten::_scaled_dot_product_flash_attention_for_cpu_backward",
       rule(&attention_backward, Takes::Floating)},
      {"aten::convolution", rule(&convolution, Takes::Floating)},
      {"aten::convolution_backward", rule(&convolution_backward, Takes::Floating)},
      {"aten::embedding", rule(&embedding, Takes::Indexed)},
      {"aten::embedding_dense_backward", rule(&embedding_backward, Takes::Indexed)},
      {"aten::max_pool2d_with_indices", rule(&max_pool2d, Takes::Floating)},
      {"aten::max_pool2d_with_indices_backward", rule(&max_pool2d_backward, Takes::Indexed)},
  });
}

}  // namespace trireme::record
