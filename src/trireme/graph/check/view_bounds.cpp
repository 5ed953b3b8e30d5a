// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/check/view_bounds.h"

#include <algorithm>
#include <unordered_set>
#include <utility>
#include <vector>

namespace trireme::graph {
namespace {

constexpr int64_t kMostEnumerated = 1 << 14;  // elements of a view that are looked at one by one

struct Dim {
  int64_t stride;
  int64_t size;
};

void extend(Reach& reach, int64_t size, int64_t stride) {
  if (size <= 0) {
    reach.empty = true;
    return;
  }
  const Wide span = Wide{size - 1} * stride;
  (span < 0 ? reach.low : reach.high) += span;
}

// Dimensions of more than one element, by stride; none: not all are constants.
std::optional<std::vector<Dim>> constant_dims(const View& view) {
  std::vector<Dim> dims;
  for (size_t i = 0; i < view.rank(); ++i) {
    const auto size = view.sizes[i].constant();
    const auto stride = view.strides[i].constant();
    if (!size || !stride) return std::nullopt;
    // A dimension that runs backwards reaches the same elements forwards from another offset.
    if (*size != 1) dims.push_back({*stride < 0 ? -*stride : *stride, *size});
  }
  std::ranges::sort(dims, {}, &Dim::stride);
  return dims;
}

// Each stride steps over all that the smaller ones reach.
bool nested(std::span<const Dim> dims) {
  Wide reached = 0;
  for (const Dim& dim : dims) {
    if (dim.stride <= reached) return false;
    reached += Wide{dim.size - 1} * dim.stride;
  }
  return true;
}

bool repeats_enumerated(std::span<const Dim> dims) {
  std::unordered_set<int64_t> elements = {0};
  for (const Dim& dim : dims) {
    const std::vector<int64_t> before(elements.begin(), elements.end());
    for (int64_t i = 1; i < dim.size; ++i) {
      for (const int64_t element : before) {
        if (!elements.insert(element + i * dim.stride).second) return true;
      }
    }
  }
  return false;
}

}  // namespace

std::optional<Reach> reach_of(const View& view) { return reach_of(view, {}); }

std::optional<Reach> reach_of(const View& view, std::span<const IndexedDim> indexed) {
  const auto offset = view.offset.constant();
  if (!offset) return std::nullopt;
  Reach reach{.low = *offset, .high = *offset};
  const auto dim = [&](const Extent& size, const Extent& stride) {
    if (size.is(1)) return true;
    if (!size.constant() || !stride.constant()) return false;
    extend(reach, *size.constant(), *stride.constant());
    return true;
  };
  for (size_t i = 0; i < view.rank(); ++i) {
    if (!dim(view.sizes[i], view.strides[i])) return std::nullopt;
  }
  for (const IndexedDim& one : indexed) {
    if (!dim(one.bound, one.stride)) return std::nullopt;
  }
  return reach;
}

bool repeats_elements(const View& view) {
  bool constant_zero = false;
  for (size_t i = 0; i < view.rank(); ++i) {
    const auto size = view.sizes[i].constant();
    if (size && *size == 0) return false;
    if (view.strides[i].is(0) && size && *size > 1) constant_zero = true;
  }
  if (constant_zero) return true;
  const auto dims = constant_dims(view);
  if (!dims || nested(*dims)) return false;
  const auto count = view.element_count().constant();
  return count && *count <= kMostEnumerated && repeats_enumerated(*dims);
}

}  // namespace trireme::graph
