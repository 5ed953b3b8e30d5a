// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/ir/view.h"

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

}  // namespace trireme::graph
