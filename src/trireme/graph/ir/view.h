// SPDX-License-Identifier: Apache-2.0
// An index map: where the elements of an n-dimensional array lie in a value, which is flat. The
// element at (i0, i1, ...) is the value's element offset + i0*strides[0] + i1*strides[1] + ... A
// stride of 0 repeats elements (broadcasting). Reshapes, transposes, slices and expansions are
// views, so they cost nothing. Sizes, strides and offset count elements.
#pragma once

#include "trireme/graph/ir/extent.h"

namespace trireme::graph {

struct View {
  Extents sizes;
  Extents strides;
  Extent offset = 0;

  // Row-major over all of a value.
  static View row_major(Extents sizes);

  size_t rank() const { return sizes.size(); }
  Extent element_count() const { return product(sizes); }
  // Whether nothing of it varies.
  bool is_constant() const;
  // Row-major without gaps from element 0 on. Strides of dimensions of size 1 do not count.
  bool is_row_major() const;
  // Visits each element of a value of `count` elements exactly once (in some order of dimensions).
  bool covers(const Extent& count) const;

  // Whether two points may be one element: surely not when false. Dimensions whose size or stride
  // varies are taken to lie apart from the others, unless the stride is 0.
  bool may_overlap() const;

  bool operator==(const View&) const = default;
};

}  // namespace trireme::graph
