// SPDX-License-Identifier: Apache-2.0
// More view operations on tensors of the op table: geometry only, nothing moves.
#pragma once

#include <cstdint>
#include <span>

#include "trireme/graph/build/op_call.h"

namespace trireme::graph {

// Dimension `dim` as two, `outer` times `inner` elements: the caller says that their product is its
// size.
Tensor split_dim(const Tensor& tensor, size_t dim, const Extent& outer, const Extent& inner);
// Backwards along the dimension: its stride is negative.
Tensor flip(const Tensor& tensor, size_t dim);
// `length` elements from `start` on, each `step` after the one before.
Tensor strided_slice(const Tensor& tensor, size_t dim, const Extent& start, const Extent& length,
                     const Extent& step);
// As torch.diagonal: the diagonal is the last dimension. Declines where sizes vary.
Tensor diagonal(const Tensor& tensor, int64_t offset, size_t dim1, size_t dim2);
// As torch.Tensor.unfold: windows along `dim`, their elements as the last dimension. Declines where
// the size varies and the step is not 1.
Tensor unfold(const Tensor& tensor, size_t dim, const Extent& size, const Extent& step);
// The tensor's dimensions at the places `at` of an iteration space, stride 0 along the others. The
// tensor may be larger along a dimension than the space. Declines what would read outside, where it
// is known.
Tensor placed(const Tensor& tensor, const Extents& space, std::span<const size_t> at);
// A complex tensor as pairs of reals.
Tensor as_real(const Tensor& tensor);
// A scalar as a vector of one element; others as they are.
Tensor with_dimension(const Tensor& tensor);
// Whether two tensors are one: the same elements of one storage, in the same order.
bool same_elements(const Tensor& left, const Tensor& right);

// Row-major over the same storage, where `tensor` is row-major but for an offset; sizes have as
// many elements.
bool is_contiguous(const Tensor& tensor);
Tensor reshaped_contiguous(const Tensor& tensor, const Extents& sizes);

}  // namespace trireme::graph
