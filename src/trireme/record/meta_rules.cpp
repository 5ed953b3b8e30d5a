// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/meta_rules.h"

#include <ATen/EmptyTensor.h>
#include <ATen/ExpandUtils.h>
#include <ATen/MemoryOverlap.h>

#include <cmath>
#include <limits>

namespace trireme::record {

at::Tensor row_major(at::IntArrayRef sizes, at::ScalarType dtype) {
  return at::detail::empty_meta(sizes, dtype);
}

at::Tensor like(const at::Tensor& tensor, at::ScalarType dtype,
                std::optional<at::MemoryFormat> format) {
  const auto wanted = format.value_or(at::MemoryFormat::Preserve);
  if (wanted != at::MemoryFormat::Preserve) {
    require(wanted == at::MemoryFormat::Contiguous || tensor.dim() == 4);
    return at::detail::empty_meta(tensor.sizes(), dtype, wanted);
  }
  if (tensor.is_non_overlapping_and_dense())
    return at::detail::empty_strided_meta(tensor.sizes(), tensor.strides(), dtype);
  const auto strides = at::infer_dense_strides(tensor.sizes(), tensor.strides());
  return at::detail::empty_strided_meta(tensor.sizes(), strides, dtype);
}

bool is_row_major(const at::Tensor& tensor) {
  return tensor.is_contiguous() && tensor.suggest_memory_format() == at::MemoryFormat::Contiguous;
}

bool is_writable(const at::Tensor& tensor) {
  return at::has_internal_overlap(tensor.unsafeGetTensorImpl()) != at::MemOverlap::Yes;
}

void require_fits(const at::Scalar& value, at::ScalarType dtype) {
  require(!value.isComplex());
  const double number = value.toDouble();
  const double magnitude = std::abs(number);
  const bool finite = std::isfinite(number);
  switch (dtype) {
    case at::kDouble:
      return;
    case at::kFloat:
      return require(!finite || magnitude <= std::numeric_limits<float>::max());
    case at::kBFloat16:
      return require(!finite || magnitude <= std::numeric_limits<at::BFloat16>::max());
    case at::kLong:  // exact in double, too
      return require(magnitude < 1e15 && number == std::trunc(number));
    case at::kBool:
      return require(number == 0 || number == 1);
    default:
      throw Declined();
  }
}

}  // namespace trireme::record
