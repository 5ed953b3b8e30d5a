// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/program/check_indices.h"

#include <stdexcept>
#include <string>
#include <vector>

namespace trireme::compile {
namespace {

struct Walk {
  std::vector<int64_t> sizes;  // dimensions along which the indices change
  std::vector<int64_t> strides;
  int64_t low;
  int64_t bound;
};

template <class T>
void check(const T* indices, const Walk& walk, size_t dim) {
  if (dim + 1 < walk.sizes.size()) {
    for (int64_t i = 0; i < walk.sizes[dim]; ++i) {
      check(indices + i * walk.strides[dim], walk, dim + 1);
    }
    return;
  }
  const int64_t count = walk.sizes.empty() ? 1 : walk.sizes.back();
  const int64_t stride = walk.sizes.empty() ? 0 : walk.strides.back();
  bool outside = false;
  for (int64_t i = 0; i < count; ++i) {
    const auto index = static_cast<int64_t>(indices[i * stride]);
    outside |= index < walk.low || index >= walk.bound;
  }
  if (!outside) return;
  for (int64_t i = 0; i < count; ++i) {
    const auto index = static_cast<int64_t>(indices[i * stride]);
    if (index >= walk.low && index < walk.bound) continue;
    throw std::out_of_range("index " + std::to_string(index) +
                            " is out of bounds for dimension with size " +
                            std::to_string(walk.bound));
  }
}

}  // namespace

void check_indices(const IndexCheck& check_of, const std::byte* memory,
                   std::span<const int64_t> symbols) {
  const graph::View& view = check_of.indices.view;
  const int64_t bound = check_of.bound.evaluate(symbols);
  Walk walk{{}, {}, check_of.wraps ? -bound : 0, bound};
  for (size_t dim = 0; dim < view.rank(); ++dim) {
    const int64_t size = view.sizes[dim].evaluate(symbols);
    if (size == 0) return;
    if (size == 1 || view.strides[dim].is(0)) continue;
    walk.sizes.push_back(size);
    walk.strides.push_back(view.strides[dim].evaluate(symbols));
  }
  const int64_t offset = view.offset.evaluate(symbols);
  if (check_of.indices.dtype == DType::Int32) {
    check(reinterpret_cast<const int32_t*>(memory) + offset, walk, 0);
  } else {
    check(reinterpret_cast<const int64_t*>(memory) + offset, walk, 0);
  }
}

}  // namespace trireme::compile
