// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/ir/view.h"

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

namespace trireme::graph {

View View::row_major(Extents sizes) {
  View view;
  view.strides.resize(sizes.size());
  Extent stride = 1;
  for (size_t i = sizes.size(); i-- > 0;) {
    view.strides[i] = stride;
    stride *= sizes[i];
  }
  view.sizes = std::move(sizes);
  return view;
}

bool View::is_constant() const {
  return offset.is_constant() && std::ranges::all_of(sizes, &Extent::is_constant) &&
         std::ranges::all_of(strides, &Extent::is_constant);
}

bool View::is_row_major() const {
  if (!offset.is(0)) return false;
  Extent stride = 1;
  for (size_t i = sizes.size(); i-- > 0;) {
    if (sizes[i].is(1)) continue;
    if (strides[i] != stride) return false;
    stride *= sizes[i];
  }
  return true;
}

bool View::covers(const Extent& count) const {
  if (!offset.is(0) || element_count() != count) return false;
  // Dense in some order: each next larger stride is the size of what lies within.
  std::vector<bool> used(rank());
  Extent stride = 1;
  for (size_t step = 0; step < rank(); ++step) {
    bool found = false;
    for (size_t i = rank(); i-- > 0 && !found;) {
      if (used[i]) continue;
      if (!sizes[i].is(1) && strides[i] != stride) continue;
      used[i] = found = true;
      stride *= sizes[i];
    }
    if (!found) return false;
  }
  return true;
}

bool View::may_overlap() const {
  struct Dim {
    int64_t stride;
    int64_t reach;
  };
  if (std::ranges::any_of(sizes, [](const Extent& size) { return size.is(0); })) return false;
  std::vector<Dim> dims;
  for (size_t i = 0; i < rank(); ++i) {
    if (sizes[i].is(1)) continue;
    if (strides[i].is(0)) return true;
    const auto size = sizes[i].constant();
    const auto stride = strides[i].constant();
    if (!size || !stride) continue;
    dims.push_back({std::abs(*stride), (*size - 1) * std::abs(*stride)});
  }
  std::ranges::sort(dims, {}, &Dim::stride);
  int64_t within = 0;  // how far the dimensions of smaller strides reach
  for (const Dim& dim : dims) {
    if (dim.stride <= within) return true;
    within += dim.reach;
  }
  return false;
}

}  // namespace trireme::graph
