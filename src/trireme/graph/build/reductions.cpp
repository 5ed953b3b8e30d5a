// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/build/reductions.h"

#include <algorithm>
#include <numeric>

#include "trireme/graph/build/shape_views.h"

namespace trireme::graph {

std::vector<size_t> all_dims(size_t rank) {
  std::vector<size_t> dims(rank);
  std::iota(dims.begin(), dims.end(), size_t{0});
  return dims;
}

std::vector<size_t> reduced_dims(const Lowering& lowering, size_t arg, size_t rank) {
  if (!lowering.given(arg)) return all_dims(rank);
  std::vector<size_t> dims;
  for (const int64_t dim : lowering.integers(arg)) dims.push_back(wrap_dim(dim, rank));
  if (dims.empty() || rank == 0) return all_dims(rank);
  std::ranges::sort(dims);
  return dims;
}

Extents sizes_at(const Tensor& tensor, std::span<const size_t> dims) {
  Extents sizes;
  for (const size_t dim : dims) sizes.push_back(tensor.sizes[dim]);
  return sizes;
}

Extents sizes_without(const Tensor& tensor, std::span<const size_t> dims) {
  Extents sizes;
  for (size_t dim = 0; dim < tensor.rank(); ++dim) {
    if (std::ranges::find(dims, dim) == dims.end()) sizes.push_back(tensor.sizes[dim]);
  }
  return sizes;
}

Tensor without_kept(const Tensor& target, std::span<const size_t> dims, size_t source_rank) {
  if (dims.empty() || target.rank() != source_rank) return target;
  Tensor result = target;
  for (size_t i = dims.size(); i-- > 0;) result = squeeze(result, dims[i]);
  return result;
}

Tensor repeated(const Tensor& kept, const Extents& reduced) {
  Tensor result = kept;
  for (const Extent& size : reduced) result = unsqueeze(result, result.rank(), size);
  return result;
}

Tensor repeated_at(const Tensor& kept, std::span<const size_t> dims, const Extents& sizes) {
  Tensor result = kept;
  for (const size_t dim : dims) result = unsqueeze(result, dim, sizes[dim]);
  return result;
}

Scalar count_of(Loop& loop, const Extents& sizes, DType dtype) {
  const Extent count = product(sizes);
  if (const auto known = count.constant()) return loop.constant(static_cast<double>(*known), dtype);
  Scalar result = loop.constant(1.0, dtype);
  for (const Extent& size : sizes) result = result * cast(loop.size(size), dtype);
  return result;
}

DType accumulate_type(DType dtype) {
  return is_integral(dtype) ? DType::Int64 : compute_type(dtype);
}

Moments moments(Lowering& lowering, const Tensor& source, std::span<const size_t> dims,
                DType compute) {
  const Tensor ordered = permute(source, parallel_first(source.rank(), dims));
  const Extents kept = sizes_without(source, dims);
  Moments result{lowering.temporary(compute, kept), lowering.temporary(compute, kept)};
  Loop loop(lowering, kept, sizes_at(source, dims));
  const Scalar value = loop.load(ordered, compute);
  loop.store(result.mean, value);
  loop.store(result.squares, value);
  loop.reduce(ReduceOp::Welford);
  return result;
}

Tensor split_dim(const Tensor& tensor, size_t dim, const Extent& outer) {
  const auto inner = tensor.sizes[dim].divided_by(outer);
  if (!inner) decline("a dimension that does not divide");
  return split_dim(tensor, dim, outer, *inner);
}

}  // namespace trireme::graph
