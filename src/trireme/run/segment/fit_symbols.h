// SPDX-License-Identifier: Apache-2.0
// Finds out how the numbers of segments that are alike depend on a few of them: sequence length,
// batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "trireme/graph/ir/extent.h"
#include "trireme/run/segment/segment_shape.h"

namespace trireme::run {

struct SymbolFit {
  struct Source {
    size_t position = 0;  // the number that it is
    int64_t divisor = 1;  // ... divided by this, without a rest
  };
  struct Varying {
    size_t position = 0;
    graph::Extent extent;
  };
  std::vector<int64_t> numbers;  // as first seen; those that do not vary are always so
  std::vector<Source> symbols;   // by SymbolId
  std::vector<Varying> varying;  // by position; these of `symbols`, too
};

// `seen`: the numbers of segments of one skeleton, each different. Every number that varies becomes
// a symbol or a polynomial of symbols with integer coefficients: c*M, or sums a + c*M, c*M + d*N of
// monomials up to the third degree, the simplest that has given what was seen. More than one symbol
// needs three segments, sums of two monomials, too: two points lie on too many curves. None where
// more was seen to be needed, or more than four symbols.
std::optional<SymbolFit> fit_symbols(std::span<const std::vector<int64_t>> seen,
                                     std::span<const NumberKind> kinds);

// The symbols' values in a segment of the same skeleton; none where its numbers are not as the fit
// says.
std::optional<std::vector<int64_t>> symbols_in(const SymbolFit& fit,
                                               std::span<const int64_t> numbers);

}  // namespace trireme::run
