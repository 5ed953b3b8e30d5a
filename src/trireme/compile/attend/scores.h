// SPDX-License-Identifier: Apache-2.0
// A tile of scores, with a query in each lane.
#pragma once

#include "trireme/compile/attend/pack.h"
#include "trireme/compile/attend/product.h"

namespace trireme::compile::detail {

// Queries [row, row + rows) of a head, and keys [column, column + columns).
struct Tile {
  int64_t batch = 0;
  int64_t head = 0;
  int64_t group = 0;
  int64_t row = 0;
  int64_t rows = 0;
  int64_t lanes = 0;  // rows, up to a multiple of 16
  int64_t column = 0;
  int64_t columns = 0;
};

// Whether the tile lies on the diagonal, and what that spares.
[[gnu::always_inline]] inline Cut cut_of(const AttendProblem& problem, const Tile& tile, Cut cut) {
  constexpr int64_t kHalf = kAttendTile / 2;
  const bool diagonal = problem.causal && tile.row == tile.column;
  return diagonal && tile.columns > kHalf && tile.lanes > kHalf ? cut : Cut::None;
}

// scores[key][query] += the mask
template <class Isa>
void add_mask(const AttendProblem& problem, const Tile& tile, const AttendScratch& scratch) {
  using Floats = typename Isa::Floats;
  Matrix mask = matrix(problem.mask, tile.batch, tile.head, tile.row, tile.rows, tile.columns);
  const int64_t element = mask.dtype == graph::DType::Float32 ? 4
                          : mask.dtype == graph::DType::Bool  ? 1
                                                              : 2;
  mask.data += tile.column * mask.column_stride * element;
  if (mask.row_stride == 0) {  // one number for each key
    Matrix turned = mask;
    turned.rows = tile.columns;
    turned.row_stride = mask.column_stride;
    turned.columns = 1;
    pack_mask<Isa>(turned, scratch.bias);
    for (int64_t key = 0; key < tile.columns; ++key) {
      float* scores = scratch.scores + key * kAttendTile;
      const float bias = scratch.bias[key];
      for (int64_t lane = 0; lane < tile.lanes; lane += Isa::kLanes) {
        store(scores + lane, load<Floats>(scores + lane) + bias);
      }
    }
    return;
  }
  pack_mask<Isa>(mask, scratch.bias);
  for (int64_t key = 0; key < tile.columns; ++key) {
    float* scores = scratch.scores + key * kAttendTile;
    const float* bias = scratch.bias + key * kAttendTile;
    for (int64_t lane = 0; lane < tile.lanes; lane += Isa::kLanes) {
      store(scores + lane, load<Floats>(scores + lane) + load<Floats>(bias + lane));
    }
  }
}

// Keys after the query take no part.
template <class Isa>
void cut_diagonal(const Tile& tile, float* scores) {
  using Floats = typename Isa::Floats;
  Floats query;
  for (int i = 0; i < Isa::kLanes; ++i) query[i] = static_cast<float>(i);
  // The first queries see none of the last keys.
  const int64_t first = tile.row - tile.column + 1;
  for (int64_t key = first > 0 ? first : 0; key < tile.columns; ++key) {
    const auto at =
        static_cast<float>(tile.column + key - tile.row);  // the first query that sees it
    for (int64_t lane = 0; lane < tile.lanes; lane += Isa::kLanes) {
      float* here = scores + key * kAttendTile + lane;
      const Floats number = query + static_cast<float>(lane);
      store(here, number < at ? Floats{} + kNone : load<Floats>(here));
    }
  }
}

// From scratch.key and scratch.query_t, which is times the scale.
template <class Isa>
void make_scores(const AttendProblem& problem, const Tile& tile, const AttendScratch& scratch) {
  product<Isa, false>({.rows = tile.columns,
                       .lanes = tile.lanes,
                       .count = problem.depth,
                       .a = scratch.key,
                       .a_step = attend_padded(problem.depth),
                       .b = scratch.query_t,
                       .b_step = kAttendTile,
                       .c = scratch.scores,
                       .c_step = kAttendTile},
                      cut_of(problem, tile, Cut::RowsAreKeys));
  if (problem.masked) add_mask<Isa>(problem, tile, scratch);
  if (problem.causal) cut_diagonal<Isa>(tile, scratch.scores);
}

// Keys that some query of the tile sees.
[[gnu::always_inline]] inline int64_t keys_of(const AttendProblem& problem, const Tile& tile) {
  const int64_t seen = tile.row + tile.rows;
  return problem.causal && seen < problem.columns ? seen : problem.columns;
}

}  // namespace trireme::compile::detail
