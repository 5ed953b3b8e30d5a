// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "trireme/compile/attend/scores.h"

namespace trireme::compile::detail {

// What backward needs of a tile's queries.
template <class Isa>
void pack_queries(const AttendProblem& problem, const Tile& tile, const AttendScratch& scratch) {
  using Floats = typename Isa::Floats;
  const int64_t width = attend_padded(problem.width);
  const Matrix query =
      matrix(problem.query, tile.batch, tile.head, tile.row, tile.rows, problem.depth);
  const Matrix grad =
      matrix(problem.grad_out, tile.batch, tile.head, tile.row, tile.rows, problem.width);
  pack_rows<Isa>(query, scratch.query, attend_padded(problem.depth));
  pack_columns<Isa>(query, scratch.query_t, problem.scale);
  pack_rows<Isa>(grad, scratch.grad_out, width);
  pack_columns<Isa>(grad, scratch.grad_out_t, 1);
  // The weights' gradients are less the sum of weights times them, which is that of grad_out * out.
  for (int64_t row = 0; row < tile.lanes; ++row) {
    scratch.sum[row] = 0;
    scratch.highest[row] = 0;
    if (row >= tile.rows) continue;
    pack_rows<Isa>(matrix(problem.out, tile.batch, tile.head, tile.row + row, 1, problem.width),
                   scratch.out_t, width);
    Floats sum = Floats{};
    for (int64_t e = 0; e < width; e += Isa::kLanes) {
      sum += load<Floats>(scratch.out_t + e) * load<Floats>(scratch.grad_out + row * width + e);
    }
    scratch.sum[row] = sum_of<Isa>(sum);
    const auto& strides = problem.logarithm.strides;
    const float logarithm = reinterpret_cast<const float*>(
        problem.logarithm.data)[tile.batch * strides[0] + tile.head * strides[1] +
                                (tile.row + row) * strides[2]];
    // Where nothing takes part all scores are none, and so are the weights.
    scratch.highest[row] = logarithm == kNone ? 0 : logarithm;
  }
}

// Scores become weights, gradients of weights those of scores (but for the scale).
template <class Isa>
void weigh_gradients(const Tile& tile, const AttendScratch& scratch) {
  using Floats = typename Isa::Floats;
  for (int64_t lane = 0; lane < tile.lanes; lane += Isa::kLanes) {
    const auto logarithm = load<Floats>(scratch.highest + lane);
    const auto sum = load<Floats>(scratch.sum + lane);
    for (int64_t key = 0; key < tile.columns; ++key) {
      float* score = scratch.scores + key * kAttendTile + lane;
      float* product = scratch.products + key * kAttendTile + lane;
      const Floats weight = exp<Isa>(load<Floats>(score) - logarithm);
      store(score, weight);
      // Where there is no weight, its gradient may not have been computed.
      store(product, weight == 0 ? Floats{} : weight * (load<Floats>(product) - sum));
    }
  }
}

// One tile of queries with all keys that they see, which are packed. `grad_key` and `grad_value`:
// sums, by key.
template <class Isa>
void backward_tile(const AttendProblem& problem, Tile tile, const AttendScratch& scratch,
                   float* grad_key, float* grad_value) {
  const int64_t depth = attend_padded(problem.depth);
  const int64_t width = attend_padded(problem.width);
  pack_queries<Isa>(problem, tile, scratch);
  const int64_t keys = keys_of(problem, tile);
  for (; tile.column < keys; tile.column += kAttendTile) {
    const int64_t rest = keys - tile.column;
    tile.columns = rest < kAttendTile ? rest : kAttendTile;
    AttendScratch here = scratch;
    here.key += tile.column * depth;
    here.value += tile.column * width;
    make_scores<Isa>(problem, tile, here);
    product<Isa, false>({.rows = tile.columns,
                         .lanes = tile.lanes,
                         .count = problem.width,
                         .a = here.value,
                         .a_step = width,
                         .b = scratch.grad_out_t,
                         .b_step = kAttendTile,
                         .c = scratch.products,
                         .c_step = kAttendTile},
                        cut_of(problem, tile, Cut::RowsAreKeys));
    weigh_gradients<Isa>(tile, scratch);
    product<Isa, false>({.rows = tile.columns,
                         .lanes = width,
                         .count = tile.rows,
                         .a = scratch.scores,
                         .a_step = kAttendTile,
                         .b = scratch.grad_out,
                         .b_step = width,
                         .c = grad_value + tile.column * width,
                         .c_step = width,
                         .adds = true},
                        cut_of(problem, tile, Cut::CountIsQueries));
    product<Isa, false>({.rows = tile.columns,
                         .lanes = depth,
                         .count = tile.rows,
                         .a = scratch.products,
                         .a_step = kAttendTile,
                         .b = scratch.query,
                         .b_step = depth,
                         .c = grad_key + tile.column * depth,
                         .c_step = depth,
                         .adds = true},
                        cut_of(problem, tile, Cut::CountIsQueries));
    product<Isa, true>({.rows = problem.depth,
                        .lanes = tile.lanes,
                        .count = tile.columns,
                        .a = here.key,
                        .a_step = depth,
                        .b = scratch.products,
                        .b_step = kAttendTile,
                        .c = scratch.grad_query_t,
                        .c_step = kAttendTile,
                        .adds = tile.column != 0},
                       cut_of(problem, tile, Cut::CountIsKeys));
  }
  if (keys == 0) {
    for (int64_t i = 0; i < problem.depth * kAttendTile; ++i) scratch.grad_query_t[i] = 0;
  }
  for (int64_t row = 0; row < kAttendTile; ++row) scratch.factor[row] = problem.scale;
  write_columns<Isa>(
      matrix(problem.grad_query, tile.batch, tile.head, tile.row, tile.rows, problem.depth),
      scratch.grad_query_t, scratch.factor);
}

template <class Isa>
void backward(const AttendProblem& problem, int64_t batch, int64_t group, int64_t first,
              int64_t step, float* sums, float* memory) {
  const AttendScratch scratch = attend_scratch_of(problem, memory);
  const int64_t heads = problem.heads_per_group();
  const int64_t tiles = attend_tiles(problem.rows);
  const int64_t depth = attend_padded(problem.depth);
  float* grad_value = sums + problem.columns * depth;
  const int64_t floats = problem.columns * (depth + attend_padded(problem.width));
  for (int64_t i = 0; i < floats; ++i) sums[i] = 0;
  // Once for all tiles: as they lie, the rows of a head share few sets of a cache with each other.
  pack_rows<Isa>(matrix(problem.key, batch, group, 0, problem.columns, problem.depth), scratch.key,
                 depth);
  pack_rows<Isa>(matrix(problem.value, batch, group, 0, problem.columns, problem.width),
                 scratch.value, attend_padded(problem.width));
  for (int64_t number = first; number < heads * tiles; number += step) {
    Tile tile{.batch = batch,
              .head = group * heads + number / tiles,
              .group = group,
              .row = number % tiles * kAttendTile};
    const int64_t left = problem.rows - tile.row;
    tile.rows = left < kAttendTile ? left : kAttendTile;
    tile.lanes = attend_padded(tile.rows);
    backward_tile<Isa>(problem, tile, scratch, sums, grad_value);
  }
}

template <class Isa>
void finish(const AttendProblem& problem, int64_t batch, int64_t group, int64_t parts,
            const float* sums) {
  const int64_t depth = attend_padded(problem.depth);
  const int64_t width = attend_padded(problem.width);
  const int64_t distance = problem.columns * (depth + width);
  write_sums<Isa>(matrix(problem.grad_key, batch, group, 0, problem.columns, problem.depth), sums,
                  depth, parts, distance, problem.scale);
  write_sums<Isa>(matrix(problem.grad_value, batch, group, 0, problem.columns, problem.width),
                  sums + problem.columns * depth, width, parts, distance, 1);
}

}  // namespace trireme::compile::detail
