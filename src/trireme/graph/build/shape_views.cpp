// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/build/shape_views.h"

#include <algorithm>
#include <utility>

#include "trireme/graph/build/lowering.h"
#include "trireme/graph/build/tensor_views.h"

namespace trireme::graph {

Tensor split_dim(const Tensor& tensor, size_t dim, const Extent& outer, const Extent& inner) {
  Tensor result = unsqueeze(tensor, dim, outer);
  result.strides[dim] = tensor.strides[dim] * inner;
  result.sizes[dim + 1] = inner;
  return result;
}

Tensor flip(const Tensor& tensor, size_t dim) {
  if (tensor.sizes[dim].is(0)) return tensor;
  Tensor result = tensor;
  result.offset += (tensor.sizes[dim] - 1) * tensor.strides[dim];
  result.strides[dim] = tensor.strides[dim] * -1;
  return result;
}

Tensor strided_slice(const Tensor& tensor, size_t dim, const Extent& start, const Extent& length,
                     const Extent& step) {
  Tensor result = narrow(tensor, dim, start, length);
  result.strides[dim] *= step;
  return result;
}

Tensor diagonal(const Tensor& tensor, int64_t offset, size_t dim1, size_t dim2) {
  require(dim1 != dim2 && tensor.rank() >= 2, "a diagonal of one dimension");
  const auto rows = tensor.sizes[dim1].constant();
  const auto columns = tensor.sizes[dim2].constant();
  if (!rows || !columns) decline("a diagonal of a size that varies");
  const int64_t length =
      offset >= 0 ? std::min(*rows, *columns - offset) : std::min(*rows + offset, *columns);
  Tensor result = tensor;
  if (length > 0) {
    result.offset +=
        offset >= 0 ? tensor.strides[dim2] * offset : tensor.strides[dim1] * Extent(-offset);
  }
  result = squeeze(squeeze(result, std::max(dim1, dim2)), std::min(dim1, dim2));
  result.sizes.emplace_back(std::max<int64_t>(length, 0));
  result.strides.push_back(tensor.strides[dim1] + tensor.strides[dim2]);
  return result;
}

Tensor unfold(const Tensor& tensor, size_t dim, const Extent& size, const Extent& step) {
  if (tensor.rank() == 0) {
    Tensor result = unsqueeze(tensor, 0, size);
    result.strides[0] = 1;
    return result;
  }
  Extent windows = tensor.sizes[dim] - size;
  if (!step.is(1)) {
    const auto room = windows.constant();
    const auto by = step.constant();
    if (!room || !by || *by <= 0) decline("windows whose number varies");
    windows = *room / *by;
  }
  Tensor result = tensor;
  result.sizes[dim] = windows + 1;
  result.strides[dim] = tensor.strides[dim] * step;
  result.sizes.push_back(size);
  result.strides.push_back(tensor.strides[dim]);
  return result;
}

Tensor placed(const Tensor& tensor, const Extents& space, std::span<const size_t> at) {
  require(tensor.rank() == at.size(), "an argument with another number of dimensions");
  Tensor result = tensor;
  result.sizes = space;
  result.strides.assign(space.size(), 0);
  for (size_t i = 0; i < at.size(); ++i) {
    const auto has = tensor.sizes[i].constant();
    const auto wants = space[at[i]].constant();
    if (has && wants && *has < *wants) decline("an argument smaller than what is read of it");
    result.strides[at[i]] = tensor.strides[i];
  }
  return result;
}

Tensor as_real(const Tensor& tensor) {
  Tensor result = tensor;
  result.dtype = tensor.dtype == DType::Complex128 ? DType::Float64 : DType::Float32;
  for (Extent& stride : result.strides) stride *= 2;
  result.offset *= 2;
  result.sizes.emplace_back(2);
  result.strides.emplace_back(1);
  return result;
}

Tensor with_dimension(const Tensor& tensor) {
  return tensor.rank() == 0 ? unsqueeze(tensor, 0) : tensor;
}

bool same_elements(const Tensor& left, const Tensor& right) {
  return left.storage != kNoStorage && left.storage == right.storage && left.dtype == right.dtype &&
         left.conj == right.conj && left.neg == right.neg && left.sizes == right.sizes &&
         left.strides == right.strides && left.offset == right.offset;
}

bool is_contiguous(const Tensor& tensor) {
  View view = view_of(tensor);
  view.offset = 0;
  return view.is_row_major();
}

Tensor reshaped_contiguous(const Tensor& tensor, const Extents& sizes) {
  require(product(tensor.sizes) == product(sizes), "a reshape to another number of elements");
  View view = View::row_major(sizes);
  Tensor result = tensor;
  result.sizes = std::move(view.sizes);
  result.strides = std::move(view.strides);
  return result;
}

}  // namespace trireme::graph
