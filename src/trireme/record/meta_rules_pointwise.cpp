// SPDX-License-Identifier: Apache-2.0
// Rules of pointwise ops and of those over one dimension.
#include <ATen/ATen.h>
#include <ATen/MetaFunctions.h>
#include <ATen/ScalarOps.h>

#include "trireme/record/meta_rules.h"

namespace trireme::record {
namespace {

namespace meta = at::meta;
using In = const at::Tensor&;
using InPlace = at::Tensor&;
using Number = const at::Scalar&;
using Generator = std::optional<at::Generator>;

at::Tensor number(Number value) { return at::native::wrapped_scalar_tensor(value); }

// The CPU's kernels of `op.Scalar` are those of `op.Tensor` with the number as a tensor.
at::Tensor add(In self, Number other, Number alpha) {
  return meta::add(self, number(other), alpha);
}
at::Tensor sub(In self, Number other, Number alpha) {
  return meta::sub(self, number(other), alpha);
}
at::Tensor mul(In self, Number other) { return meta::mul(self, number(other)); }
at::Tensor div(In self, Number other) { return meta::div(self, number(other)); }
at::Tensor rsub(In self, Number other, Number alpha) {
  require(at::isFloatingType(self.scalar_type()) && !other.isComplex());
  return meta::sub(self, number(other), alpha);
}
InPlace add_(InPlace self, Number other, Number alpha) {
  return meta::add_(self, number(other), alpha);
}
InPlace sub_(InPlace self, Number other, Number alpha) {
  return meta::sub_(self, number(other), alpha);
}
InPlace mul_(InPlace self, Number other) { return meta::mul_(self, number(other)); }
InPlace div_(InPlace self, Number other) { return meta::div_(self, number(other)); }

at::Tensor relu(In self) { return meta::clamp_min(self, at::Scalar(0)); }
InPlace relu_(InPlace self) { return meta::clamp_min_(self, at::Scalar(0)); }

at::Tensor gelu(In self, c10::string_view approximate) {
  require(approximate == "none" || approximate == "tanh");
  return meta::gelu(self, approximate);
}

at::Tensor cumsum(In self, int64_t dim, std::optional<at::ScalarType> dtype) {
  require(!dtype);
  return meta::cumsum(self, dim, dtype);
}

at::Tensor safe_softmax(In self, int64_t dim, std::optional<at::ScalarType> dtype) {
  require(!dtype && self.is_contiguous() && self.dim() > 0);
  require(dim >= -self.dim() && dim < self.dim());
  return like(self);
}

// Over all elements, the sum over no dimensions named.
at::Tensor sum(In self, std::optional<at::ScalarType> dtype) {
  require(!dtype);
  return meta::sum(self, at::IntArrayRef{}, false, dtype);
}

at::Tensor mean(In self, std::optional<at::ScalarType> dtype) {
  require(!dtype);
  return meta::mean(self, at::IntArrayRef{}, false, dtype);
}

at::Tensor vector_norm(In self, Number order, at::OptionalIntArrayRef dims, bool keepdim,
                       std::optional<at::ScalarType> dtype) {
  require(!dtype && !order.isComplex());
  return meta::linalg_vector_norm(self, order, dims, keepdim, dtype);
}

at::Tensor mse_loss_backward(In grad, In self, In target, int64_t reduction) {
  require(self.sizes() == target.sizes() && reduction >= 0 && reduction <= 2);
  require(grad.dim() == 0 || grad.sizes() == self.sizes());
  return row_major(self.sizes(), self.scalar_type());
}

std::tuple<at::Tensor, at::Tensor> native_dropout(In self, double p, std::optional<bool> train) {
  require(p >= 0 && p <= 1 && train.value_or(true) && self.is_contiguous());
  return {like(self), like(self, at::kBool)};
}

at::Tensor native_dropout_backward(In grad, In mask, double /*scale*/) {
  require(grad.sizes() == mask.sizes() && grad.is_contiguous() && mask.is_contiguous());
  require(mask.scalar_type() == at::kBool);
  return like(grad);
}

InPlace uniform_(InPlace self, double from, double to, const Generator& /*generator*/) {
  require(is_writable(self) && from <= to && to - from < 3e38);
  return self;
}

InPlace normal_(InPlace self, double /*mean*/, double std, const Generator& /*generator*/) {
  require(is_writable(self) && std >= 0);
  return self;
}

template <class Function>
MetaKernel rule(Function* function, Takes takes) {
  return {c10::KernelFunction::makeFromUnboxedRuntimeFunction(function), takes};
}

}  // namespace

void add_pointwise_rules(MetaTable& table) {
  table.insert({
      {"aten::_safe_softmax", rule(&safe_softmax, Takes::Floating)},
      {"aten::add.Scalar", rule(&add, Takes::Any)},
      {"aten::add_.Scalar", rule(&add_, Takes::Any)},
      {"aten::cumsum", rule(&cumsum, Takes::Any)},
      {"aten::div.Scalar", rule(&div, Takes::Any)},
      {"aten::div_.Scalar", rule(&div_, Takes::Any)},
      {"aten::gelu", rule(&gelu, Takes::Floating)},
      {"aten::linalg_vector_norm", rule(&vector_norm, Takes::Floating)},
      {"aten::mean", rule(&mean, Takes::Floating)},
      {"aten::mse_loss_backward", rule(&mse_loss_backward, Takes::Floating)},
      {"aten::mul.Scalar", rule(&mul, Takes::Any)},
      {"aten::mul_.Scalar", rule(&mul_, Takes::Any)},
      {"aten::native_dropout", rule(&native_dropout, Takes::Floating)},
      {"aten::native_dropout_backward", rule(&native_dropout_backward, Takes::Indexed)},
      {"aten::normal_", rule(&normal_, Takes::Floating)},
      {"aten::relu", rule(&relu, Takes::Floating)},
      {"aten::relu_", rule(&relu_, Takes::Floating)},
      {"aten::rsub.Scalar", rule(&rsub, Takes::Any)},
      {"aten::sub.Scalar", rule(&sub, Takes::Any)},
      {"aten::sub_.Scalar", rule(&sub_, Takes::Any)},
      {"aten::sum", rule(&sum, Takes::Any)},
      {"aten::uniform_", rule(&uniform_, Takes::Floating)},
  });
}

}  // namespace trireme::record
