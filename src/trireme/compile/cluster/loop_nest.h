// SPDX-License-Identifier: Apache-2.0
// Which loops run over an iteration space, in which order, and which one is vectorised.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "trireme/graph/ir/extent.h"

namespace trireme::compile {

// One loop, of dimensions that lie in each view as one.
struct NestLoop {
  graph::Extent size = 1;
  graph::Extents strides;  // per view
  bool reduction = false;
  bool vector = false;
  // The dimensions it is made of, outermost first: one, where an expression needs coordinates.
  std::vector<uint32_t> dims;
};

struct NestView {
  graph::Extents strides;  // per dimension; 0 along those that it has not
};

// Outermost first: parallel loops, then reductions; at least one parallel loop. The vector loop is
// the one along which most views are contiguous: the last of all, or the last parallel one. With
// `keeps_dims` no dimensions become one.
std::vector<NestLoop> make_nest(std::span<const graph::Extent> dims, uint32_t parallel,
                                std::span<const NestView> views, bool keeps_dims);

}  // namespace trireme::compile
