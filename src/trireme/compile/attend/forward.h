// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "trireme/compile/attend/scores.h"

namespace trireme::compile::detail {

// Scores become weights; the running maximum and sum of each query; what is to be done to what was
// summed with the maximum before is left in scratch.factor. Meanwhile the next tile's keys and
// values come from memory.
template <class Isa>
void weigh(const Tile& tile, const AttendScratch& scratch, const Matrix& next_key,
           const Matrix& next_value) {
  using Floats = typename Isa::Floats;
  for (int64_t lane = 0; lane < tile.lanes; lane += Isa::kLanes) {
    float* scores = scratch.scores + lane;
    const auto before = load<Floats>(scratch.highest + lane);
    Floats highest = before;
    for (int64_t key = 0; key < tile.columns; ++key) {
      const auto score = load<Floats>(scores + key * kAttendTile);
      highest = score > highest ? score : highest;
    }
    store(scratch.highest + lane, highest);
    const Floats pivot = highest == kNone ? Floats{} : highest;
    const Floats factor = exp<Isa>(before - pivot);
    Floats sum = load<Floats>(scratch.sum + lane) * factor;
    for (int64_t key = 0; key < tile.columns; ++key) {
      if (lane == 0) {
        fetch_row(next_key, key);
        fetch_row(next_value, key);
      }
      float* here = scores + key * kAttendTile;
      const Floats weight = exp<Isa>(load<Floats>(here) - pivot);
      store(here, weight);
      sum += weight;
    }
    store(scratch.sum + lane, sum);
    store(scratch.factor + lane, factor);
  }
}

[[gnu::always_inline]] inline void write_logarithm(const AttendProblem& problem, int64_t batch,
                                                   int64_t head, int64_t row, float highest,
                                                   float sum) {
  const auto& strides = problem.logarithm.strides;
  auto* to = reinterpret_cast<float*>(problem.logarithm.data) + batch * strides[0] +
             head * strides[1] + row * strides[2];
  *to = sum == 0 ? kNone : highest + __builtin_logf(sum);
}

// Nothing takes part: zeros, as of ATen's kernel.
[[gnu::always_inline]] inline float inverse(float sum) { return sum == 0 ? 0 : 1 / sum; }

template <class Isa>
void forward(const AttendProblem& problem, int64_t batch, int64_t head, int64_t number,
             float* memory) {
  using Floats = typename Isa::Floats;
  const AttendScratch scratch = attend_scratch_of(problem, memory);
  Tile tile{.batch = batch,
            .head = head,
            .group = head / problem.heads_per_group(),
            .row = number * kAttendTile};
  const int64_t left = problem.rows - tile.row;
  tile.rows = left < kAttendTile ? left : kAttendTile;
  tile.lanes = attend_padded(tile.rows);
  pack_columns<Isa>(matrix(problem.query, batch, head, tile.row, tile.rows, problem.depth),
                    scratch.query_t, problem.scale);
  for (int64_t lane = 0; lane < tile.lanes; lane += Isa::kLanes) {
    store(scratch.highest + lane, Floats{} + kNone);
    store(scratch.sum + lane, Floats{});
  }
  const int64_t keys = keys_of(problem, tile);
  for (; tile.column < keys; tile.column += kAttendTile) {
    const int64_t rest = keys - tile.column;
    tile.columns = rest < kAttendTile ? rest : kAttendTile;
    const int64_t width = attend_padded(problem.width);
    pack_rows<Isa>(matrix(problem.key, batch, tile.group, tile.column, tile.columns, problem.depth),
                   scratch.key, attend_padded(problem.depth));
    pack_rows<Isa>(
        matrix(problem.value, batch, tile.group, tile.column, tile.columns, problem.width),
        scratch.value, width);
    make_scores<Isa>(problem, tile, scratch);
    const int64_t next = tile.column + kAttendTile;
    const int64_t ahead = next < keys ? (keys - next < kAttendTile ? keys - next : kAttendTile) : 0;
    weigh<Isa>(tile, scratch, matrix(problem.key, batch, tile.group, next, ahead, problem.depth),
               matrix(problem.value, batch, tile.group, next, ahead, problem.width));
    product<Isa, true>({.rows = problem.width,
                        .lanes = tile.lanes,
                        .count = tile.columns,
                        .a = scratch.value,
                        .a_step = width,
                        .b = scratch.scores,
                        .b_step = kAttendTile,
                        .c = scratch.out_t,
                        .c_step = kAttendTile,
                        .adds = tile.column != 0,
                        .factor = tile.column != 0 ? scratch.factor : nullptr},
                       cut_of(problem, tile, Cut::CountIsKeys));
  }
  if (keys == 0) {
    for (int64_t i = 0; i < problem.width * kAttendTile; ++i) scratch.out_t[i] = 0;
  }
  for (int64_t row = 0; row < tile.lanes; ++row) {
    const float sum = scratch.sum[row];
    scratch.factor[row] = inverse(sum);
    if (row < tile.rows) {
      write_logarithm(problem, batch, head, tile.row + row, scratch.highest[row], sum);
    }
  }
  write_columns<Isa>(matrix(problem.out, batch, head, tile.row, tile.rows, problem.width),
                     scratch.out_t, scratch.factor);
}

}  // namespace trireme::compile::detail
