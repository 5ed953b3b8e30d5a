// SPDX-License-Identifier: Apache-2.0
// The elements of a strided tensor in row-major order, as runs of bytes that lie together.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <vector>

#include "trireme/record/geometry.h"

namespace trireme::record::stream {

// Calls take(byte offset from the first element, bytes) for each run; stops when it returns false.
template <class Take>
void for_each_run(c10::IntArrayRef sizes, c10::IntArrayRef strides, size_t element, Take&& take) {
  auto run = static_cast<int64_t>(element);
  for (const int64_t size : sizes) {
    if (size == 0) return;
  }
  size_t outer = sizes.size();
  int64_t expected = 1;
  for (; outer > 0; --outer) {
    const int64_t size = sizes[outer - 1];
    if (size == 1) continue;
    if (strides[outer - 1] != expected) break;
    expected *= size;
  }
  run *= expected;
  std::vector<int64_t> index(outer, 0);
  int64_t at = 0;
  while (true) {
    if (!take(at * static_cast<int64_t>(element), static_cast<size_t>(run))) return;
    size_t d = outer;
    for (; d > 0; --d) {
      at += strides[d - 1];
      if (++index[d - 1] < sizes[d - 1]) break;
      at -= strides[d - 1] * sizes[d - 1];
      index[d - 1] = 0;
    }
    if (d == 0) return;
  }
}

// Bytes of all elements.
inline uint64_t payload_bytes(const Geometry& geometry) {
  uint64_t bytes = c10::elementSize(geometry.dtype);
  for (const int64_t size : geometry.sizes()) bytes *= static_cast<uint64_t>(size);
  return bytes;
}

// Repeated elements (stride 0) are told once.
inline Geometry without_repeats(Geometry geometry) {
  for (size_t i = 0; i < geometry.dims.size(); ++i) {
    if (geometry.dims.stride_at_unchecked(i) == 0 && geometry.dims.size_at_unchecked(i) > 1) {
      geometry.dims.size_at_unchecked(i) = 1;
    }
  }
  return geometry;
}

}  // namespace trireme::record::stream
