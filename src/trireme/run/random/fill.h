// SPDX-License-Identifier: Apache-2.0
// Fills a CPU tensor, whatever its dtype and strides, with the values that a block kernel gives to
// its elements' logical (row-major) indices. Values do not depend on how the work is divided.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/TensorBase.h>
#include <c10/util/SmallVector.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "trireme/run/random/block_kernels.h"

namespace trireme::run {

// One random call on one tensor. `first_index` is the logical index of the tensor's first element:
// not 0 where the tensor is a piece of a larger one.
struct Draw {
  PhiloxState state;
  uint64_t first_index = 0;
};

namespace detail {

inline constexpr int64_t kChunk = 1024;  // elements; a multiple of every batch, small enough for L1
inline constexpr int64_t kGrainChunks = 128;  // less is done before another thread has woken up

// out[0, count) = elements [first, first + count) of the stream, from any first.
template <class Kernel>
void draw_elements(const Kernel& kernel, const typename Kernel::Arguments& args, PhiloxState state,
                   uint64_t first, int64_t count, typename Kernel::Value* out) {
  constexpr auto kPerBlock = static_cast<uint64_t>(Kernel::kPerBlock);
  uint64_t block = first / kPerBlock;
  const auto skip = static_cast<int64_t>(first % kPerBlock);
  if (skip != 0) {
    std::array<typename Kernel::Value, Kernel::kPerBlock> partial;
    kernel.run(partial.data(), state, block, Kernel::kPerBlock, args);
    const int64_t take = std::min(Kernel::kPerBlock - skip, count);
    std::copy_n(partial.data() + skip, take, out);
    out += take;
    count -= take;
    ++block;
  }
  if (count > 0) kernel.run(out, state, block, count, args);
}

// A tensor as nested loops in logical order, with neighbouring dimensions merged where their
// strides allow.
class LogicalView {
 public:
  explicit LogicalView(const at::TensorBase& tensor);

  int64_t numel() const { return numel_; }

  // Calls visit(element_offset, stride, count, position) for the runs of the innermost dimension
  // that make up logical elements [first, first + count); `position` counts from 0.
  template <class Visit>
  void visit_runs(int64_t first, int64_t count, const Visit& visit) const {
    const int64_t inner = sizes_.back();
    const int64_t inner_stride = strides_.back();
    for (int64_t position = 0; position < count;) {
      const int64_t logical = first + position;
      const int64_t within = logical % inner;
      const int64_t run = std::min(inner - within, count - position);
      visit(outer_offset(logical / inner) + within * inner_stride, inner_stride, run, position);
      position += run;
    }
  }

 private:
  int64_t outer_offset(int64_t row) const {
    int64_t offset = 0;
    for (size_t dim = sizes_.size() - 1; dim-- > 0;) {
      offset += (row % sizes_[dim]) * strides_[dim];
      row /= sizes_[dim];
    }
    return offset;
  }

  c10::SmallVector<int64_t, 5> sizes_;
  c10::SmallVector<int64_t, 5> strides_;
  int64_t numel_ = 0;
};

// Runs body(first, count) on pieces of [0, numel) that begin at multiples of kChunk, on ATen's
// threads where there is enough to do.
template <class Body>
void for_spans(int64_t numel, const Body& body) {
  const int64_t chunks = (numel + kChunk - 1) / kChunk;
  if (chunks <= kGrainChunks) {
    body(int64_t{0}, numel);
    return;
  }
  at::parallel_for(0, chunks, kGrainChunks, [&](int64_t begin, int64_t end) {
    body(begin * kChunk, std::min(end * kChunk, numel) - begin * kChunk);
  });
}

// The same in pieces of at most kChunk.
template <class Body>
void for_chunks(int64_t numel, const Body& body) {
  for_spans(numel, [&](int64_t first, int64_t count) {
    const int64_t end = first + count;
    for (; first < end; first += kChunk) body(first, std::min(kChunk, end - first));
  });
}

template <typename To, typename From>
void store_run(const From* values, To* out, int64_t stride, int64_t count) {
  if constexpr (std::is_same_v<To, From>) {
    if (stride == 1) {
      std::memcpy(out, values, static_cast<size_t>(count) * sizeof(To));
      return;
    }
  } else if constexpr (std::is_same_v<From, float> && std::is_same_v<To, c10::Half>) {
    if (stride == 1) {
      block_kernels().to_half(values, reinterpret_cast<uint16_t*>(out), count);
      return;
    }
  } else if constexpr (std::is_same_v<From, float> && std::is_same_v<To, c10::BFloat16>) {
    if (stride == 1) {
      block_kernels().to_bfloat16(values, reinterpret_cast<uint16_t*>(out), count);
      return;
    }
  }
  for (int64_t i = 0; i < count; ++i) out[i * stride] = static_cast<To>(values[i]);
}

// The general path: chunks of `From` made by generate(first, count, buffer), stored as `To`.
template <typename To, typename From, class Generate>
void fill_chunks(const at::TensorBase& out, const LogicalView& view, const Generate& generate) {
  auto* data = static_cast<To*>(out.mutable_data_ptr());
  for_chunks(view.numel(), [&](int64_t first, int64_t count) {
    alignas(64) From buffer[kChunk];
    generate(first, count, static_cast<From*>(buffer));
    view.visit_runs(first, count,
                    [&](int64_t offset, int64_t stride, int64_t run, int64_t position) {
                      store_run<To, From>(buffer + position, data + offset, stride, run);
                    });
  });
}

}  // namespace detail

// The tensor's elements, which are of type To, from `kernel`.
template <typename To, class Kernel>
void fill(const at::TensorBase& out, const Draw& draw, const Kernel& kernel,
          const typename Kernel::Arguments& args) {
  using From = typename Kernel::Value;
  if constexpr (std::is_same_v<To, From>) {
    if (out.is_contiguous()) {
      auto* data = static_cast<To*>(out.mutable_data_ptr());
      detail::for_spans(out.numel(), [&](int64_t first, int64_t count) {
        detail::draw_elements(kernel, args, draw.state,
                              draw.first_index + static_cast<uint64_t>(first), count, data + first);
      });
      return;
    }
  }
  const detail::LogicalView view(out);
  detail::fill_chunks<To, From>(out, view, [&](int64_t first, int64_t count, From* buffer) {
    detail::draw_elements(kernel, args, draw.state, draw.first_index + static_cast<uint64_t>(first),
                          count, buffer);
  });
}

}  // namespace trireme::run
