// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/build/tensor_views.h"

#include <algorithm>
#include <utility>

#include "trireme/graph/build/lowering.h"

namespace trireme::graph {

size_t wrap_dim(int64_t dim, size_t rank) {
  const auto dims = static_cast<int64_t>(std::max<size_t>(rank, 1));
  if (dim < 0) dim += dims;
  if (dim < 0 || dim >= dims) decline("a dimension out of range");
  return static_cast<size_t>(dim);
}

Tensor permute(const Tensor& tensor, std::span<const size_t> order) {
  Tensor result = tensor;
  for (size_t i = 0; i < order.size(); ++i) {
    result.sizes[i] = tensor.sizes[order[i]];
    result.strides[i] = tensor.strides[order[i]];
  }
  return result;
}

Tensor transpose(const Tensor& tensor, size_t a, size_t b) {
  Tensor result = tensor;
  std::swap(result.sizes[a], result.sizes[b]);
  std::swap(result.strides[a], result.strides[b]);
  return result;
}

Tensor expand(const Tensor& tensor, const Extents& sizes) {
  if (tensor.rank() > sizes.size()) decline("an argument with more dimensions than the result");
  Tensor result = tensor;
  const size_t added = sizes.size() - tensor.rank();
  result.sizes = sizes;
  result.strides.assign(sizes.size(), 0);
  for (size_t i = 0; i < tensor.rank(); ++i) {
    if (tensor.sizes[i] == sizes[added + i]) {
      result.strides[added + i] = tensor.strides[i];
    } else if (!tensor.sizes[i].is(1)) {
      decline("sizes that do not broadcast");
    }
  }
  return result;
}

Tensor unsqueeze(const Tensor& tensor, size_t dim, const Extent& size) {
  Tensor result = tensor;
  result.sizes.insert(result.sizes.begin() + static_cast<ptrdiff_t>(dim), size);
  result.strides.insert(result.strides.begin() + static_cast<ptrdiff_t>(dim), 0);
  return result;
}

Tensor squeeze(const Tensor& tensor, size_t dim) {
  Tensor result = tensor;
  result.sizes.erase(result.sizes.begin() + static_cast<ptrdiff_t>(dim));
  result.strides.erase(result.strides.begin() + static_cast<ptrdiff_t>(dim));
  return result;
}

Tensor narrow(const Tensor& tensor, size_t dim, const Extent& start, const Extent& length) {
  Tensor result = tensor;
  result.offset += tensor.strides[dim] * start;
  result.sizes[dim] = length;
  return result;
}

Tensor select(const Tensor& tensor, size_t dim, const Extent& index) {
  return squeeze(narrow(tensor, dim, index, 1), dim);
}

std::vector<size_t> parallel_first(size_t rank, std::span<const size_t> reduced) {
  std::vector<size_t> order;
  for (size_t i = 0; i < rank; ++i) {
    if (std::ranges::find(reduced, i) == reduced.end()) order.push_back(i);
  }
  std::vector<size_t> last(reduced.begin(), reduced.end());
  std::ranges::sort(last);
  order.insert(order.end(), last.begin(), last.end());
  return order;
}

Extents broadcast_sizes(std::span<const Extents> sizes) {
  Extents result;
  for (const Extents& one : sizes) {
    if (one.size() > result.size()) result.insert(result.begin(), one.size() - result.size(), 1);
    const size_t added = result.size() - one.size();
    for (size_t i = 0; i < one.size(); ++i) {
      if (one[i].is(1) || result[added + i] == one[i]) continue;
      if (!result[added + i].is(1)) decline("sizes that do not broadcast");
      result[added + i] = one[i];
    }
  }
  return result;
}

View view_of(const Tensor& tensor) { return {tensor.sizes, tensor.strides, tensor.offset}; }

}  // namespace trireme::graph
