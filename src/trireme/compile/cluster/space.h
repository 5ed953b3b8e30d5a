// SPDX-License-Identifier: Apache-2.0
// One iteration space for several nodes. A dimension may always be split into factors, so spaces of
// one order of points can be refined until they are the same: [4, 64, 128] and [256, 128].
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "trireme/graph/ir/extent.h"
#include "trireme/graph/ir/graph.h"

namespace trireme::compile {

using graph::Extent;
using graph::Extents;

// The coarsest dimensions that both can be split into, outermost first. None: there are none, or it
// depends on the values of symbols. Dimensions of size 1 are left out of the result.
std::optional<Extents> common_refinement(std::span<const Extent> left,
                                         std::span<const Extent> right);

// Strides along dimensions that `dims` was split into.
Extents refine_strides(std::span<const Extent> dims, std::span<const Extent> strides,
                       std::span<const Extent> refined);

// How many of the refined dimensions make up `dims`, which some of them, from the first on, do.
size_t prefix_of(std::span<const Extent> refined, const Extent& points);

// The iteration space of a cluster: its first `outer` dimensions are common to all of its nodes;
// along the others run the rows of reductions and of what is computed for each element of a row.
struct Space {
  Extents dims;
  size_t outer = 0;

  std::span<const Extent> outer_dims() const { return std::span(dims).first(outer); }
  std::span<const Extent> inner_dims() const { return std::span(dims).subspan(outer); }
  bool has_rows() const { return outer != dims.size(); }
};

// How a node lies in a space.
enum class Part : uint8_t {
  Whole,   // a Map over all dimensions
  Row,     // a Map over the outer ones
  Reduce,  // over the inner ones, for each point of the outer ones
};

// None: the node has another space.
std::optional<Part> part_of(const graph::Node& node, const Space& space);

// The space of what is in `space` and of the node, the one's points being the other's in the same
// order. What was in a space without rows may lie along the outer dimensions of the new one.
std::optional<Space> unite(const Space& space, const graph::Node& node);

// The space of one node.
Space space_of(const graph::Node& node);

}  // namespace trireme::compile
