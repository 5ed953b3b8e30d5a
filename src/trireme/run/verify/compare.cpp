// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/verify/compare.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/ne.h>
#include <ATen/ops/view_as_real.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <c10/util/irange.h>

#include <algorithm>
#include <sstream>

namespace trireme::run {
namespace {

// How much of a tolerance relative to the inputs is allowed: a few units in their last place.
constexpr double kOfInputs = 0.25;

// Of two real tensors: true where they differ.
at::Tensor differs(const at::Tensor& computed, const at::Tensor& expected, double tolerated,
                   double inputs) {
  const at::Tensor both_nan = computed.isnan().logical_and(expected.isnan());
  at::Tensor wrong = computed.ne(expected).logical_and(both_nan.logical_not());
  if (tolerated == 0) return wrong;
  const at::Tensor a = computed.to(at::kDouble);
  const at::Tensor b = expected.to(at::kDouble);
  const at::Tensor finite = a.isfinite().logical_and(b.isfinite());
  const at::Tensor magnitude = at::where(finite, b.abs(), at::zeros_like(b));
  const double largest = std::max(largest_magnitude(b), inputs * kOfInputs);
  const at::Tensor close =
      (a - b).abs().le(magnitude.maximum(a.abs()) * tolerated + (largest + 1e-5) * tolerated);
  return wrong.logical_and(finite.logical_and(close).logical_not());
}

}  // namespace

double tolerance(c10::ScalarType dtype) {
  switch (dtype) {
    case c10::ScalarType::Double:
    case c10::ScalarType::ComplexDouble:
      return 1e-10;
    case c10::ScalarType::Float:
    case c10::ScalarType::ComplexFloat:
      return 1e-5;
    case c10::ScalarType::Half:
      return 2e-3;
    case c10::ScalarType::BFloat16:
      return 1.6e-2;
    default:
      return 0;
  }
}

double largest_magnitude(const at::Tensor& tensor) {
  if (tensor.numel() == 0) return 0;
  const at::Tensor real = tensor.is_complex() ? at::view_as_real(tensor.resolve_conj()) : tensor;
  const at::Tensor size = real.to(at::kDouble).abs();
  return at::where(size.isfinite(), size, at::zeros_like(size)).max().item<double>();
}

std::string difference(const at::Tensor& computed, const at::Tensor& expected, double inputs) {
  const double tolerated = tolerance(expected.scalar_type());
  at::Tensor wrong;
  if (expected.is_complex()) {
    wrong =
        differs(at::view_as_real(computed), at::view_as_real(expected), tolerated, inputs).any(-1);
  } else {
    wrong = differs(computed, expected, tolerated, inputs);
  }
  const at::Tensor where = wrong.nonzero();
  if (where.size(0) == 0) return {};
  std::ostringstream text;
  at::Tensor left = computed;
  at::Tensor right = expected;
  text << where.size(0) << " of " << expected.numel() << " elements differ; element [";
  for (const auto dim : c10::irange(where.size(1))) {
    const auto index = where[0][dim].item<int64_t>();
    text << (dim == 0 ? "" : ", ") << index;
    left = left.select(0, index);
    right = right.select(0, index);
  }
  text << "] of " << expected.sizes() << " is " << left.item() << ", expected " << right.item();
  return text.str();
}

}  // namespace trireme::run
