// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/program/copy.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "trireme/base/openmp.h"

namespace trireme::compile {
namespace {

constexpr size_t kParallelBytes = size_t{1} << 20;

int64_t count_of(std::span<const int64_t> sizes) {
  int64_t count = 1;
  for (const int64_t size : sizes) count *= size;
  return count;
}

// Calls `row(offset of its first element, number)` for each row along the last dimension.
template <class Row>
void for_rows(std::span<const int64_t> sizes, std::span<const int64_t> strides, Row row) {
  const size_t rank = sizes.size();
  const int64_t rows = rank == 0 ? 1 : count_of(sizes.first(rank - 1));
#pragma omp parallel for if (rows > 64)
  for (int64_t number = 0; number < rows; ++number) {
    int64_t rest = number;
    int64_t offset = 0;
    for (size_t dim = rank - 1; dim-- > 0 && rank > 1;) {
      offset += rest % sizes[dim] * strides[dim];
      rest /= sizes[dim];
    }
    row(offset, number);
  }
}

template <class T>
void copy_row(const std::byte* from, std::byte* to, int64_t count, int64_t stride) {
  const auto* source = reinterpret_cast<const T*>(from);
  auto* target = reinterpret_cast<T*>(to);
  for (int64_t i = 0; i < count; ++i) target[i] = source[i * stride];
}

}  // namespace

void copy_strided(const std::byte* from, std::byte* to, std::span<const int64_t> sizes,
                  std::span<const int64_t> strides, size_t element) {
  const int64_t width = sizes.empty() ? 1 : sizes.back();
  const int64_t stride = sizes.empty() ? 1 : strides.back();
  if (count_of(sizes) == 0) return;
  for_rows(sizes, strides, [&](int64_t offset, int64_t number) {
    const std::byte* source = from + offset * static_cast<int64_t>(element);
    std::byte* target = to + number * width * static_cast<int64_t>(element);
    if (stride == 1) {
      std::memcpy(target, source, static_cast<size_t>(width) * element);
    } else if (element == 4) {
      copy_row<uint32_t>(source, target, width, stride);
    } else if (element == 2) {
      copy_row<uint16_t>(source, target, width, stride);
    } else {
      for (int64_t i = 0; i < width; ++i) {
        std::memcpy(target + i * static_cast<int64_t>(element),
                    source + i * stride * static_cast<int64_t>(element), element);
      }
    }
  });
}

void fill_zero(std::byte* memory, std::span<const int64_t> sizes, std::span<const int64_t> strides,
               size_t element) {
  const int64_t width = sizes.empty() ? 1 : sizes.back();
  const int64_t stride = sizes.empty() ? 1 : strides.back();
  if (count_of(sizes) == 0) return;
  for_rows(sizes, strides, [&](int64_t offset, int64_t) {
    std::byte* row = memory + offset * static_cast<int64_t>(element);
    for (int64_t i = 0; i < width; ++i) {
      std::memset(row + i * stride * static_cast<int64_t>(element), 0, element);
    }
  });
}

void copy_dense(const std::byte* from, std::byte* to, size_t bytes) {
  if (bytes < kParallelBytes) {
    if (bytes != 0) std::memcpy(to, from, bytes);
    return;
  }
  const size_t pieces = static_cast<size_t>(std::max(1, omp_get_max_threads()));
  const size_t piece = (bytes / pieces + 4095) / 4096 * 4096;
#pragma omp parallel for
  for (size_t i = 0; i < pieces; ++i) {
    const size_t begin = std::min(bytes, i * piece);
    const size_t end = i + 1 == pieces ? bytes : std::min(bytes, begin + piece);
    std::memcpy(to + begin, from + begin, end - begin);
  }
}

}  // namespace trireme::compile
