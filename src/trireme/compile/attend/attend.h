// SPDX-License-Identifier: Apache-2.0
// Scaled dot product attention on plain memory: softmax(scale * q k^T + mask) v and its gradients,
// tile by tile, so that the matrix of scores is never in memory. Tri Dao, "FlashAttention-2"
// (2023).
//
// Everything is computed in f32. The inner loops are compiled once per instruction set.
// Nothing here depends on threads: the caller hands out the pieces and gives each thread its
// scratch.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "trireme/graph/ir/dtype.h"

namespace trireme::compile {

// Where a tensor's elements lie: f32, bf16 or f16; a mask may be bool.
struct AttendTensor {
  std::byte* data = nullptr;
  graph::DType dtype = graph::DType::Float32;
  std::array<int64_t, 4> strides{};  // elements; of three dimensions the last is 0
};

// graph::Attend says what the operands are. Backward reads `out` and `logarithm`, too, and writes
// the gradients; forward writes these two.
struct AttendProblem {
  int64_t batch = 0;
  int64_t heads = 0;    // of the query, a multiple of ..
  int64_t groups = 0;   // .. the heads of key and value
  int64_t rows = 0;     // queries
  int64_t columns = 0;  // keys
  int64_t depth = 0;    // elements of a query
  int64_t width = 0;    // elements of a value
  bool backward = false;
  bool causal = false;
  float scale = 1;
  AttendTensor query;  // [batch, heads, rows, depth]
  AttendTensor key;    // [batch, groups, columns, depth]
  AttendTensor value;  // [batch, groups, columns, width]
  AttendTensor mask;   // [batch, heads, rows, columns]; without data: none
  bool masked = false;
  AttendTensor out;        // [batch, heads, rows, width]
  AttendTensor logarithm;  // [batch, heads, rows], f32
  AttendTensor grad_out;
  AttendTensor grad_query;
  AttendTensor grad_key;
  AttendTensor grad_value;

  int64_t heads_per_group() const { return heads / groups; }
};

// Queries, and keys, of a tile.
inline constexpr int64_t kAttendTile = 64;

inline int64_t attend_tiles(int64_t rows) { return (rows + kAttendTile - 1) / kAttendTile; }

// Rows of a group's heads that one pass over the keys serves (`few_rows`).
inline constexpr int64_t kAttendFewRows = 8;

enum class AttendIsa : uint8_t { Baseline, Avx2, Avx512 };

struct AttendKernels {
  // Forward: one tile of one head's queries.
  void (*forward)(const AttendProblem& problem, int64_t batch, int64_t head, int64_t tile,
                  float* scratch);
  // Forward of all queries of a group's heads, at most kAttendFewRows: as fast as keys and values
  // come from memory.
  void (*few_rows)(const AttendProblem& problem, int64_t batch, int64_t group, float* scratch);
  // Backward: every `step`-th from `first` of the tiles of a group's heads, head by head. Writes
  // the query's gradient, and leaves what these tiles add to those of keys and values in `sums`.
  void (*backward)(const AttendProblem& problem, int64_t batch, int64_t group, int64_t first,
                   int64_t step, float* sums, float* scratch);
  // The gradients of a group's keys and values, from `parts` sums, one behind the other.
  void (*finish)(const AttendProblem& problem, int64_t batch, int64_t group, int64_t parts,
                 const float* sums);
};

// What this CPU has; null: it has not got it.
const AttendKernels* attend_kernels_for(AttendIsa isa);
// The best of them.
const AttendKernels& attend_kernels();

// Floats that a thread needs, whichever kernel it runs.
size_t attend_scratch(const AttendProblem& problem);
// Floats of the `sums` of a part.
size_t attend_sums(const AttendProblem& problem);

namespace detail {
extern const AttendKernels kBaselineAttend;
extern const AttendKernels kAvx2Attend;
extern const AttendKernels kAvx512Attend;
}  // namespace detail

}  // namespace trireme::compile
