// SPDX-License-Identifier: Apache-2.0
// View operations on tensors of the op table: geometry only, nothing moves.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "trireme/graph/build/op_call.h"

namespace trireme::graph {

// A dimension that may count from the end, as 0 <= dim < max(rank, 1).
size_t wrap_dim(int64_t dim, size_t rank);

// Dimensions `order[0]`, `order[1]`, ... of the tensor; all of them, once each.
Tensor permute(const Tensor& tensor, std::span<const size_t> order);
Tensor transpose(const Tensor& tensor, size_t a, size_t b);
// Broadcast: missing leading dimensions are added, those of size 1 repeated.
Tensor expand(const Tensor& tensor, const Extents& sizes);
Tensor unsqueeze(const Tensor& tensor, size_t dim, const Extent& size = 1);  // stride 0
Tensor squeeze(const Tensor& tensor, size_t dim);                            // drops it
Tensor narrow(const Tensor& tensor, size_t dim, const Extent& start, const Extent& length);
Tensor select(const Tensor& tensor, size_t dim, const Extent& index);

// The dimensions that are not in `reduced`, then those that are, each in order.
std::vector<size_t> parallel_first(size_t rank, std::span<const size_t> reduced);

// The common sizes of broadcast tensors.
Extents broadcast_sizes(std::span<const Extents> sizes);

View view_of(const Tensor& tensor);

}  // namespace trireme::graph
