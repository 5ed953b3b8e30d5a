// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/cluster/space.h"

#include <algorithm>
#include <utility>

namespace trireme::compile {
namespace {

using graph::Node;

Extents without_ones(std::span<const Extent> dims) {
  Extents kept;
  std::ranges::copy_if(dims, std::back_inserter(kept), [](const Extent& d) { return !d.is(1); });
  return kept;
}

Extents join(std::span<const Extent> outer, std::span<const Extent> inner) {
  Extents all(outer.begin(), outer.end());
  all.insert(all.end(), inner.begin(), inner.end());
  return all;
}

std::span<const Extent> parallel_of(const Node& node) {
  return std::span(node.dims).first(node.parallel);
}
std::span<const Extent> reduced_of(const Node& node) {
  return std::span(node.dims).subspan(node.parallel);
}

// Rows are the innermost dimensions along which no index changes: there the address is computed
// once, and what is read lies side by side.
Space space_of_gather(const Node& node) {
  size_t outer = node.dims.size();
  const auto moves = [&](size_t dim) {
    return std::any_of(node.operands.begin() + 1, node.operands.end(), [&](const auto& index) {
      return !index.view.strides[dim].is(0) && !node.dims[dim].is(1);
    });
  };
  while (outer > 0 && !moves(outer - 1)) --outer;
  const Extents first = without_ones(std::span(node.dims).first(outer));
  return {join(first, without_ones(std::span(node.dims).subspan(outer))), first.size()};
}

bool is_reduce(const Node& node) { return node.as<graph::Reduce>() != nullptr; }

}  // namespace

std::optional<Extents> common_refinement(std::span<const Extent> left,
                                         std::span<const Extent> right) {
  const Extents a = without_ones(left);
  const Extents b = without_ones(right);
  Extents refined;
  size_t i = 0;
  size_t j = 0;
  Extent rest_a = a.empty() ? Extent(1) : a[0];
  Extent rest_b = b.empty() ? Extent(1) : b[0];
  while (i < a.size() && j < b.size()) {
    if (rest_a == rest_b) {
      refined.push_back(rest_a);
      if (++i < a.size()) rest_a = a[i];
      if (++j < b.size()) rest_b = b[j];
    } else if (const auto of_a = rest_a.is(0) ? std::nullopt : rest_a.divided_by(rest_b)) {
      refined.push_back(rest_b);
      rest_a = *of_a;
      if (++j < b.size()) rest_b = b[j];
    } else if (const auto of_b = rest_b.is(0) ? std::nullopt : rest_b.divided_by(rest_a)) {
      refined.push_back(rest_a);
      rest_b = *of_b;
      if (++i < a.size()) rest_a = a[i];
    } else {
      return std::nullopt;
    }
  }
  if (i != a.size() || j != b.size()) return std::nullopt;
  return refined;
}

Extents refine_strides(std::span<const Extent> dims, std::span<const Extent> strides,
                       std::span<const Extent> refined) {
  Extents result(refined.size());
  size_t next = 0;
  for (size_t dim = 0; dim < dims.size(); ++dim) {
    if (dims[dim].is(1)) continue;
    Extent points = 1;
    const size_t first = next;
    while (next < refined.size() && !(points == dims[dim])) points *= refined[next++];
    Extent stride = strides[dim];
    for (size_t at = next; at-- > first;) {
      result[at] = stride;
      stride *= refined[at];
    }
  }
  return result;
}

size_t prefix_of(std::span<const Extent> refined, const Extent& points) {
  Extent product = 1;
  size_t count = 0;
  while (count < refined.size() && !(product == points)) product *= refined[count++];
  return count;
}

std::optional<Part> part_of(const Node& node, const Space& space) {
  const auto same = [](std::span<const Extent> dims, std::span<const Extent> refined) {
    const auto common = common_refinement(dims, refined);
    return common && std::ranges::equal(*common, refined);
  };
  if (is_reduce(node)) {
    const bool fits =
        same(parallel_of(node), space.outer_dims()) && same(reduced_of(node), space.inner_dims());
    return fits ? std::optional(Part::Reduce) : std::nullopt;
  }
  if (same(node.dims, space.dims)) return Part::Whole;
  if (same(node.dims, space.outer_dims())) return Part::Row;
  return std::nullopt;
}

std::optional<Space> unite(const Space& space, const Node& node) {
  if (space.has_rows()) {
    if (is_reduce(node)) {
      const auto outer = common_refinement(space.outer_dims(), parallel_of(node));
      const auto inner = common_refinement(space.inner_dims(), reduced_of(node));
      if (!outer || !inner) return std::nullopt;
      return Space{join(*outer, *inner), outer->size()};
    }
    if (const auto all = common_refinement(space.dims, node.dims)) {
      return Space{*all, prefix_of(*all, graph::product(space.outer_dims()))};
    }
    if (const auto outer = common_refinement(space.outer_dims(), node.dims)) {
      return Space{join(*outer, space.inner_dims()), outer->size()};
    }
    return std::nullopt;
  }
  if (const auto all = common_refinement(space.dims, node.dims)) {
    if (!is_reduce(node)) return Space{*all, all->size()};
    return Space{*all, prefix_of(*all, graph::product(parallel_of(node)))};
  }
  if (is_reduce(node)) {
    const auto outer = common_refinement(space.dims, parallel_of(node));
    if (!outer) return std::nullopt;
    return Space{join(*outer, without_ones(reduced_of(node))), outer->size()};
  }
  // Rows over the points so far.
  for (size_t split = node.dims.size(); split-- > 0;) {
    const auto outer = common_refinement(space.dims, std::span(node.dims).first(split));
    if (!outer) continue;
    return Space{join(*outer, without_ones(std::span(node.dims).subspan(split))), outer->size()};
  }
  return std::nullopt;
}

Space space_of(const Node& node) {
  if (node.as<graph::Gather>() != nullptr) return space_of_gather(node);
  const Extents outer = without_ones(parallel_of(node));
  return {join(outer, without_ones(reduced_of(node))), outer.size()};
}

}  // namespace trireme::compile
