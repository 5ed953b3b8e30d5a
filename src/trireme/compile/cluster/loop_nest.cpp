// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/cluster/loop_nest.h"

#include <algorithm>

namespace trireme::compile {
namespace {

using graph::Extent;

// Whether `outer` walks on where `inner` ends, in every view.
bool continues(const NestLoop& outer, const NestLoop& inner) {
  if (outer.reduction != inner.reduction) return false;
  for (size_t i = 0; i < inner.strides.size(); ++i) {
    if (!(outer.strides[i] == inner.strides[i] * inner.size)) return false;
  }
  return true;
}

// Of the views that are touched in every trip: those that change along a reduction, if there is
// one.
int64_t contiguous_views(const std::vector<NestLoop>& loops, const NestLoop& loop) {
  int64_t count = 0;
  for (size_t view = 0; view < loop.strides.size(); ++view) {
    const bool often = !loops.back().reduction || std::ranges::any_of(loops, [&](const auto& one) {
      return one.reduction && !one.strides[view].is(0);
    });
    if (often && loop.strides[view].is(1)) ++count;
  }
  return count;
}

// The larger, the further out; unknown strides as if they were large.
int64_t reach(const NestLoop& loop) {
  int64_t most = 0;
  for (const Extent& stride : loop.strides) {
    most = std::max(most, std::abs(stride.constant().value_or(INT32_MAX)));
  }
  return most;
}

}  // namespace

std::vector<NestLoop> make_nest(std::span<const Extent> dims, uint32_t parallel,
                                std::span<const NestView> views, bool keeps_dims) {
  std::vector<NestLoop> loops;
  for (uint32_t dim = 0; dim < dims.size(); ++dim) {
    if (dims[dim].is(1)) continue;
    NestLoop loop{dims[dim], {}, dim >= parallel, false, {dim}};
    for (const NestView& view : views) loop.strides.push_back(view.strides[dim]);
    loops.push_back(std::move(loop));
  }
  std::ranges::stable_sort(loops, [](const NestLoop& a, const NestLoop& b) {
    return a.reduction != b.reduction ? b.reduction : reach(a) > reach(b);
  });
  if (!keeps_dims) {
    for (size_t i = loops.size(); i-- > 1;) {
      if (!continues(loops[i - 1], loops[i])) continue;
      loops[i].size *= loops[i - 1].size;
      loops[i].dims.insert(loops[i].dims.begin(), loops[i - 1].dims.begin(),
                           loops[i - 1].dims.end());
      loops.erase(loops.begin() + static_cast<std::ptrdiff_t>(i - 1));
    }
  }
  if (loops.empty() || loops.front().reduction) {
    loops.insert(loops.begin(),
                 NestLoop{1, graph::Extents(views.size(), Extent(0)), false, false, {}});
  }
  // A loop of one trip keeps no lane busy.
  const auto last_parallel =
      std::ranges::find(loops.rbegin(), loops.rend(), false, &NestLoop::reduction);
  NestLoop& outer = *last_parallel;
  NestLoop& inner = loops.back();
  const bool take_outer = &outer != &inner && !outer.size.is(1) &&
                          contiguous_views(loops, outer) > contiguous_views(loops, inner);
  (take_outer ? outer : inner).vector = true;
  return loops;
}

}  // namespace trireme::compile
