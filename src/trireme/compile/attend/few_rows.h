// SPDX-License-Identifier: Apache-2.0
// Attention of few queries, as one of decoding: keys and values are read along, once for all heads
// of their group, and sums are over lanes.
#pragma once

#include "trireme/compile/attend/forward.h"

namespace trireme::compile::detail {

// Rows of keys or values, as vectors can read them.
struct DenseRows {
  const float* at = nullptr;
  int64_t step = 0;
};

// Where they lie; copied to `scratch` where they do not lie like that.
template <class Isa>
DenseRows dense_rows(const Matrix& from, float* scratch) {
  const int64_t padded = attend_padded(from.columns);
  if (from.dtype == graph::DType::Float32 && from.column_stride == 1 && padded == from.columns) {
    return {reinterpret_cast<const float*>(from.data), from.row_stride};
  }
  pack_rows<Isa>(from, scratch, padded);
  return {scratch, padded};
}

// scores[key] = query * key. Writes up to a multiple of the lanes.
template <class Isa>
void score_row(const float* query, const DenseRows& keys, int64_t count, int64_t depth,
               float* scores) {
  using Floats = typename Isa::Floats;
  for (int64_t key = 0; key < count; key += Isa::kLanes) {
    const float* rows[Isa::kLanes];
    for (int64_t i = 0; i < Isa::kLanes; ++i) {
      rows[i] = keys.at + (key + i < count ? key + i : count - 1) * keys.step;
    }
    Floats sums[Isa::kLanes];
#pragma GCC unroll 16
    for (int i = 0; i < Isa::kLanes; ++i) sums[i] = Floats{};
    for (int64_t d = 0; d < depth; d += Isa::kLanes) {
      const auto q = load<Floats>(query + d);
#pragma GCC unroll 16
      for (int i = 0; i < Isa::kLanes; ++i) sums[i] += load<Floats>(rows[i] + d) * q;
    }
    store(scores + key, sums_of<Isa>(sums));
  }
}

// out = out * factor + the sum of weights[key] * value, `kVectors` vectors of it.
template <class Isa, int kVectors>
void add_values(const float* weights, const float* values, int64_t step, int64_t count,
                float factor, float* out) {
  using Floats = typename Isa::Floats;
  Floats sums[kVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) sums[v] = load<Floats>(out + v * Isa::kLanes) * factor;
  for (int64_t key = 0; key < count; ++key) {
    const float weight = weights[key];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sums[v] += load<Floats>(values + v * Isa::kLanes) * weight;
    values += step;
  }
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) store(out + v * Isa::kLanes, sums[v]);
}

// What takes no part is none, here and up to a multiple of 16.
template <class Isa>
void cut_row(const AttendProblem& problem, int64_t batch, int64_t head, int64_t row, int64_t column,
             int64_t count, float* scores, float* bias) {
  if (problem.masked) {
    Matrix mask = matrix(problem.mask, batch, head, row, 1, count);
    const int64_t element = mask.dtype == graph::DType::Float32 ? 4
                            : mask.dtype == graph::DType::Bool  ? 1
                                                                : 2;
    mask.data += column * mask.column_stride * element;
    Matrix turned = mask;
    turned.rows = count;
    turned.row_stride = mask.column_stride;
    turned.columns = 1;
    pack_mask<Isa>(turned, bias);
    for (int64_t key = 0; key < count; ++key) scores[key] += bias[key];
  }
  int64_t seen = count;
  if (problem.causal && row + 1 - column < seen) seen = row + 1 > column ? row + 1 - column : 0;
  for (int64_t key = seen; key < attend_padded(count); ++key) scores[key] = kNone;
}

// Scores become weights; the running maximum and sum. Returns the factor of what was summed.
template <class Isa>
float weigh_row(float* scores, int64_t count, float& highest, float& sum) {
  using Floats = typename Isa::Floats;
  Floats most = Floats{} + highest;
  for (int64_t key = 0; key < count; key += Isa::kLanes) {
    const auto score = load<Floats>(scores + key);
    most = score > most ? score : most;
  }
  const float before = highest;
  highest = highest_of<Isa>(most);
  const float pivot = highest == kNone ? 0 : highest;
  Floats total = Floats{};
  for (int64_t key = 0; key < count; key += Isa::kLanes) {
    const Floats weight = exp<Isa>(load<Floats>(scores + key) - pivot);
    store(scores + key, weight);
    total += weight;
  }
  const Floats factor = exp<Isa>(Floats{} + (before - pivot));
  sum = sum * factor[0] + sum_of<Isa>(total);
  return factor[0];
}

template <class Isa>
void few_rows(const AttendProblem& problem, int64_t batch, int64_t group, float* memory) {
  const AttendScratch scratch = attend_scratch_of(problem, memory);
  const int64_t heads = problem.heads_per_group();
  const int64_t depth = attend_padded(problem.depth);
  const int64_t width = attend_padded(problem.width);
  constexpr int64_t kVectors = 4;
  float* queries = scratch.query_t;  // [row, depth]
  float* outs = scratch.out_t;       // [row, width]
  const int64_t rows = heads * problem.rows;
  for (int64_t row = 0; row < rows; ++row) {
    pack_rows<Isa>(matrix(problem.query, batch, group * heads + row / problem.rows,
                          row % problem.rows, 1, problem.depth),
                   queries + row * depth, depth);
    for (int64_t d = 0; d < depth; ++d) queries[row * depth + d] *= problem.scale;
    for (int64_t e = 0; e < width; ++e) outs[row * width + e] = 0;
    scratch.highest[row] = kNone;
    scratch.sum[row] = 0;
  }
  const int64_t end =
      problem.causal && problem.rows < problem.columns ? problem.rows : problem.columns;
  for (int64_t column = 0; column < end; column += kAttendTile) {
    const int64_t count = end - column < kAttendTile ? end - column : kAttendTile;
    const DenseRows keys = dense_rows<Isa>(
        matrix(problem.key, batch, group, column, count, problem.depth), scratch.key);
    const DenseRows values = dense_rows<Isa>(
        matrix(problem.value, batch, group, column, count, problem.width), scratch.value);
    for (int64_t row = 0; row < rows; ++row) {
      score_row<Isa>(queries + row * depth, keys, count, depth, scratch.scores);
      cut_row<Isa>(problem, batch, group * heads + row / problem.rows, row % problem.rows, column,
                   count, scratch.scores, scratch.bias);
      const float factor =
          weigh_row<Isa>(scratch.scores, count, scratch.highest[row], scratch.sum[row]);
      float* out = outs + row * width;
      int64_t e = 0;
      for (; width - e >= kVectors * Isa::kLanes; e += kVectors * Isa::kLanes) {
        add_values<Isa, kVectors>(scratch.scores, values.at + e, values.step, count, factor,
                                  out + e);
      }
      for (; e < width; e += Isa::kLanes) {
        add_values<Isa, 1>(scratch.scores, values.at + e, values.step, count, factor, out + e);
      }
    }
  }
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t head = group * heads + row / problem.rows;
    write_sums<Isa>(matrix(problem.out, batch, head, row % problem.rows, 1, problem.width),
                    outs + row * width, width, 1, 0, inverse(scratch.sum[row]));
    write_logarithm(problem, batch, head, row % problem.rows, scratch.highest[row],
                    scratch.sum[row]);
  }
}

}  // namespace trireme::compile::detail
