// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/random/fill.h"

namespace trireme::run::detail {

LogicalView::LogicalView(const at::TensorBase& tensor) : numel_(tensor.numel()) {
  if (tensor.is_contiguous()) {
    sizes_ = {numel_};
    strides_ = {1};
    return;
  }
  const auto sizes = tensor.sizes();
  const auto strides = tensor.strides();
  for (size_t dim = 0; dim < sizes.size(); ++dim) {
    if (sizes[dim] == 1) continue;
    if (!sizes_.empty() && strides_.back() == sizes[dim] * strides[dim]) {
      sizes_.back() *= sizes[dim];
      strides_.back() = strides[dim];
    } else {
      sizes_.push_back(sizes[dim]);
      strides_.push_back(strides[dim]);
    }
  }
  if (sizes_.empty()) {
    sizes_ = {numel_};
    strides_ = {1};
  }
}

}  // namespace trireme::run::detail
