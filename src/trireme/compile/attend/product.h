// SPDX-License-Identifier: Apache-2.0
// Products of the matrices in a thread's scratch: C += A B, where B and C have vectors along their
// rows, and single elements of A are broadcast. A block of C is in registers.
#pragma once

#include "trireme/compile/attend/vectors.h"

namespace trireme::compile::detail {

struct Product {
  int64_t rows = 0;
  int64_t lanes = 0;  // of a row of C: a multiple of 16
  int64_t count = 0;  // summed
  const float* a = nullptr;
  int64_t a_step = 0;  // between rows of A; of its transpose, with kTransposed
  const float* b = nullptr;
  int64_t b_step = 0;
  float* c = nullptr;
  int64_t c_step = 0;
  bool adds = false;              // else C is written
  const float* factor = nullptr;  // by lane: what C is multiplied with first
};

template <class Isa, bool kTransposed, int kRows, int kVectors>
void product_block(const Product& p, const float* a, const float* b, float* c,
                   const float* factor) {
  using Floats = typename Isa::Floats;
  constexpr int64_t kLanes = Isa::kLanes;
  Floats sums[kRows][kVectors];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      sums[r][v] = p.adds ? load<Floats>(c + r * p.c_step + v * kLanes) : Floats{};
      if (factor != nullptr) sums[r][v] *= load<Floats>(factor + v * kLanes);
    }
  }
  const float* rows[kRows];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) rows[r] = kTransposed ? a + r : a + r * p.a_step;
  const int64_t b_step = p.b_step;
  const int64_t a_step = p.a_step;
  for (int64_t k = 0; k < p.count; ++k) {
    Floats right[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) right[v] = load<Floats>(b + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const float left = kTransposed ? a[r] : rows[r][k];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sums[r][v] += right[v] * left;
    }
    b += b_step;
    if constexpr (kTransposed) a += a_step;
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) store(c + r * p.c_step + v * kLanes, sums[r][v]);
  }
}

template <class Isa, bool kTransposed, int kVectors>
void product_columns(const Product& p, int64_t lane) {
  constexpr int kRows = Isa::kRows;
  const float* b = p.b + lane;
  const float* factor = p.factor == nullptr ? nullptr : p.factor + lane;
  const int64_t a_rows = kTransposed ? 1 : p.a_step;
  int64_t row = 0;
  const auto block = [&]<int kHere>() {
    product_block<Isa, kTransposed, kHere, kVectors>(p, p.a + row * a_rows, b,
                                                     p.c + row * p.c_step + lane, factor);
    row += kHere;
  };
  while (p.rows - row >= kRows) block.template operator()<kRows>();
  if (p.rows - row >= 4) block.template operator()<4>();
  if (p.rows - row >= 2) block.template operator()<2>();
  if (p.rows - row >= 1) block.template operator()<1>();
}

template <class Isa, bool kTransposed>
void product(const Product& p) {
  constexpr int64_t kLanes = Isa::kLanes;
  int64_t lane = 0;
  for (; p.lanes - lane >= Isa::kVectors * kLanes; lane += Isa::kVectors * kLanes) {
    product_columns<Isa, kTransposed, Isa::kVectors>(p, lane);
  }
  if constexpr (Isa::kVectors > 2) {
    if (p.lanes - lane >= 2 * kLanes) {
      product_columns<Isa, kTransposed, 2>(p, lane);
      lane += 2 * kLanes;
    }
  }
  if (p.lanes - lane >= kLanes) product_columns<Isa, kTransposed, 1>(p, lane);
}

// What a product on the diagonal of a causal problem can leave out: of keys and queries, numbered
// in their tile, a query sees the keys up to its own.
enum class Cut : uint8_t {
  None,
  RowsAreKeys,    // lanes are queries: where no query sees the key, C stays as it is
  CountIsKeys,    // lanes are queries
  CountIsQueries  // rows are keys
};

// The second half of the keys is seen by the second half of the queries only.
template <class Isa, bool kTransposed>
void product(const Product& p, Cut cut) {
  constexpr int64_t kHalf = kAttendTile / 2;
  if (cut == Cut::None) {
    product<Isa, kTransposed>(p);
    return;
  }
  Product first = p;
  Product second = p;
  switch (cut) {
    case Cut::RowsAreKeys:
      first.rows = kHalf;
      second.rows -= kHalf;
      second.lanes -= kHalf;
      second.a += kHalf * p.a_step;
      second.b += kHalf;
      second.c += kHalf * p.c_step + kHalf;
      break;
    case Cut::CountIsKeys:
      first.count = kHalf;
      second.count -= kHalf;
      second.lanes -= kHalf;
      second.a += kHalf * p.a_step;
      second.b += kHalf * p.b_step + kHalf;
      second.c += kHalf;
      second.adds = true;
      second.factor = nullptr;
      break;
    default:
      first.rows = kHalf;
      second.rows -= kHalf;
      second.count -= kHalf;
      second.a += kHalf * p.a_step + kHalf;
      second.b += kHalf * p.b_step;
      second.c += kHalf * p.c_step;
  }
  product<Isa, kTransposed>(first);
  product<Isa, kTransposed>(second);
}

}  // namespace trireme::compile::detail
