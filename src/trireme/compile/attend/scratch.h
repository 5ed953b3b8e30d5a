// SPDX-License-Identifier: Apache-2.0
// A thread's scratch memory in attention. Matrices are dense; those with a query per column have
// rows of kAttendTile. Each begins at a cache line. Inlined always: some callers are compiled for
// CPUs that may be absent.
#pragma once

#include "trireme/compile/attend/attend.h"

namespace trireme::compile::detail {

// Row lengths are multiples of a vector.
[[gnu::always_inline]] inline int64_t attend_padded(int64_t size) { return (size + 15) / 16 * 16; }

struct AttendScratch {
  float* key = nullptr;      // [key, depth]
  float* value = nullptr;    // [key, width]
  float* scores = nullptr;   // [key, query]; then weights
  float* bias = nullptr;     // [key, query]: the mask
  float* query_t = nullptr;  // [depth, query]
  float* out_t = nullptr;    // [width, query]
  float* highest = nullptr;  // by query: the highest score; backward: the logarithm
  float* sum = nullptr;      // by query: of weights; backward: of grad_out * out
  float* factor = nullptr;   // by query
  // of backward alone
  float* query = nullptr;         // [query, depth]
  float* grad_out = nullptr;      // [query, width]
  float* grad_out_t = nullptr;    // [width, query]
  float* grad_query_t = nullptr;  // [depth, query]
  float* products = nullptr;      // [key, query]: gradients of weights, then of scores
  int64_t floats = 0;             // all
};

[[gnu::always_inline]] inline AttendScratch attend_scratch_of(const AttendProblem& problem,
                                                              float* memory) {
  constexpr int64_t kTile = kAttendTile;
  const int64_t depth = attend_padded(problem.depth);
  const int64_t width = attend_padded(problem.width);
  AttendScratch scratch;
  const auto take = [&](int64_t floats) {
    const int64_t at = scratch.floats;
    scratch.floats += attend_padded(floats);
    return memory == nullptr ? nullptr : memory + at;
  };
  const int64_t keys = problem.backward ? problem.columns : kTile;
  scratch.key = take(keys * depth);
  scratch.value = take(keys * width);
  scratch.scores = take(kTile * kTile);
  scratch.bias = take(kTile * kTile);
  scratch.query_t = take(depth * kTile);
  scratch.out_t = take(width * kTile);
  scratch.highest = take(kTile);
  scratch.sum = take(kTile);
  scratch.factor = take(kTile);
  if (!problem.backward) return scratch;
  scratch.query = take(kTile * depth);
  scratch.grad_out = take(kTile * width);
  scratch.grad_out_t = take(width * kTile);
  scratch.grad_query_t = take(depth * kTile);
  scratch.products = take(kTile * kTile);
  return scratch;
}

}  // namespace trireme::compile::detail
