// SPDX-License-Identifier: Apache-2.0
// What the rows that reduce share.
#pragma once

#include <span>
#include <vector>

#include "trireme/graph/build/loop.h"
#include "trireme/graph/build/lowering.h"

namespace trireme::graph {

// The dimensions that an argument names (an int, a list, or None), sorted; none named: all.
std::vector<size_t> reduced_dims(const Lowering& lowering, size_t arg, size_t rank);
std::vector<size_t> all_dims(size_t rank);

// The sizes at these dimensions.
Extents sizes_at(const Tensor& tensor, std::span<const size_t> dims);
Extents sizes_without(const Tensor& tensor, std::span<const size_t> dims);

// The reduction's result without its kept dimensions of size 1, which it has where its rank is the
// source's.
Tensor without_kept(const Tensor& target, std::span<const size_t> dims, size_t source_rank);

// A tensor over the parallel dimensions of a reduction, repeated along the reduced ones, in the
// order of parallel_first.
Tensor repeated(const Tensor& kept, const Extents& reduced);
// ... put back where `dims` are in the source.
Tensor repeated_at(const Tensor& kept, std::span<const size_t> dims, const Extents& sizes);

// How many elements, as a number of `dtype`.
Scalar count_of(Loop& loop, const Extents& sizes, DType dtype);

// The type that sums of this type are computed in: i64 for integers, f32 for f16 and bf16.
DType accumulate_type(DType dtype);

// Mean and sum of squared differences over `dims`, of dtype `compute`, over the kept dimensions.
struct Moments {
  Tensor mean;
  Tensor squares;
};
Moments moments(Lowering& lowering, const Tensor& source, std::span<const size_t> dims,
                DType compute);

// The dimension split in two: `outer` times the rest. Declines where it does not divide.
Tensor split_dim(const Tensor& tensor, size_t dim, const Extent& outer);

}  // namespace trireme::graph
