// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/segment/fit_symbols.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace trireme::run {
namespace {

using graph::Extent;
using graph::SymbolId;

constexpr size_t kSymbols = 4;
constexpr size_t kDegree = 3;
constexpr int64_t kAlignment = 16;  // bytes; the largest element

// What one number, or a monomial, was in each segment.
using Column = std::vector<int64_t>;

struct Monomial {
  std::vector<SymbolId> symbols;
  Column values;
};

// 1 first, then by degree.
std::vector<Monomial> monomials(std::span<const Column> symbols, size_t points) {
  std::vector<Monomial> all{{{}, Column(points, 1)}};
  size_t begin = 0;
  for (size_t degree = 1; degree <= kDegree; ++degree) {
    const size_t end = all.size();
    for (size_t i = begin; i < end; ++i) {
      const SymbolId first = all[i].symbols.empty() ? 0 : all[i].symbols.back();
      for (SymbolId symbol = first; symbol < symbols.size(); ++symbol) {
        Monomial next{all[i].symbols, Column(points)};
        next.symbols.push_back(symbol);
        bool small = true;
        for (size_t k = 0; k < points; ++k) {
          small &= !__builtin_mul_overflow(all[i].values[k], symbols[symbol][k], &next.values[k]);
        }
        if (small) all.push_back(std::move(next));
      }
    }
    begin = end;
  }
  return all;
}

// c with c*m = y at each point.
std::optional<int64_t> scale(const Column& y, const Column& m) {
  if (m[0] == 0 || y[0] % m[0] != 0) return std::nullopt;
  const int64_t c = y[0] / m[0];
  for (size_t k = 0; k < y.size(); ++k) {
    if (c * m[k] != y[k]) return std::nullopt;
  }
  return c;
}

// c, d with c*m + d*n = y at each point.
std::optional<std::pair<int64_t, int64_t>> combine(const Column& y, const Column& m,
                                                   const Column& n) {
  using Wide = __int128;
  for (size_t k = 1; k < y.size(); ++k) {
    const Wide determinant = static_cast<Wide>(m[0]) * n[k] - static_cast<Wide>(m[k]) * n[0];
    if (determinant == 0) continue;
    const Wide c = static_cast<Wide>(y[0]) * n[k] - static_cast<Wide>(y[k]) * n[0];
    const Wide d = static_cast<Wide>(m[0]) * y[k] - static_cast<Wide>(m[k]) * y[0];
    if (c % determinant != 0 || d % determinant != 0) return std::nullopt;
    const std::pair<int64_t, int64_t> found{static_cast<int64_t>(c / determinant),
                                            static_cast<int64_t>(d / determinant)};
    for (size_t p = 0; p < y.size(); ++p) {
      const Wide value =
          static_cast<Wide>(found.first) * m[p] + static_cast<Wide>(found.second) * n[p];
      if (value != y[p]) return std::nullopt;
    }
    return found;
  }
  return std::nullopt;
}

std::optional<Extent> explain(const Column& y, std::span<const Monomial> all) {
  for (const Monomial& m : all.subspan(1)) {
    if (const auto c = scale(y, m.values)) return Extent::of(0, {{*c, m.symbols}});
  }
  const bool two = y.size() < 3;
  for (size_t i = 0; i < all.size(); ++i) {
    for (size_t k = i + 1; k < all.size(); ++k) {
      if (two && (i != 0 || all[k].symbols.size() > 1)) continue;
      const auto found = combine(y, all[i].values, all[k].values);
      // A line goes through any two points. That of c rows of a few more or less than s is likely.
      if (!found || (two && found->first % found->second != 0)) continue;
      return Extent::of(0, {{found->first, all[i].symbols}, {found->second, all[k].symbols}});
    }
  }
  return std::nullopt;
}

// Where a column was found: of several places the one of the first kind.
struct Candidate {
  NumberKind kind = NumberKind::Nbytes;
  size_t position = 0;
};

using Columns = std::map<Column, Candidate>;

// How many columns are a multiple of a power of this one.
size_t multiples(const Columns& columns, const Column& of) {
  const auto all = monomials(std::span(&of, 1), of.size());
  return static_cast<size_t>(std::ranges::count_if(columns, [&](const auto& entry) {
    return std::any_of(all.begin() + 1, all.end(),
                       [&](const Monomial& m) { return scale(entry.first, m.values); });
  }));
}

// The one to become a symbol: a size, if there is any, of which most others are multiples: the
// length rather than the length less one.
Columns::const_iterator choose(const Columns& columns) {
  return std::ranges::min_element(columns, {}, [&](const auto& entry) {
    const auto& [column, candidate] = entry;
    const auto explains = static_cast<int64_t>(multiples(columns, column));
    return std::tuple(candidate.kind, -explains, column[0], candidate.position);
  });
}

// What all values and `most`, a power of two, have in common.
int64_t common_divisor(const Column& values, int64_t most) {
  int64_t divisor = most;
  for (const int64_t value : values) {
    while (value % divisor != 0) divisor /= 2;
  }
  return divisor;
}

}  // namespace

std::optional<SymbolFit> fit_symbols(std::span<const std::vector<int64_t>> seen,
                                     std::span<const NumberKind> kinds) {
  const size_t points = seen.size();
  Columns columns;  // equal numbers once
  std::vector<std::pair<size_t, Column>> varying;
  for (size_t position = 0; position < kinds.size(); ++position) {
    Column column(points);
    for (size_t k = 0; k < points; ++k) column[k] = seen[k][position];
    if (std::ranges::all_of(column, [&](int64_t value) { return value == column[0]; })) continue;
    const auto [entry, added] = columns.try_emplace(column, Candidate{kinds[position], position});
    if (!added && kinds[position] < entry->second.kind) {
      entry->second = {kinds[position], position};
    }
    varying.emplace_back(position, std::move(column));
  }
  SymbolFit fit{seen[0], {}, {}};
  std::vector<Column> symbols;
  std::map<Column, Extent> explained;
  while (!columns.empty()) {
    if (fit.symbols.size() == kSymbols || (fit.symbols.size() == 1 && points < 3)) {
      return std::nullopt;
    }
    const auto next = choose(columns);
    const bool is_bytes = next->second.kind == NumberKind::Nbytes;
    const int64_t divisor = is_bytes ? common_divisor(next->first, kAlignment) : 1;
    Column values = next->first;
    for (int64_t& value : values) value /= divisor;
    symbols.push_back(std::move(values));
    fit.symbols.push_back({next->second.position, divisor});
    const auto all = monomials(symbols, points);
    std::erase_if(columns, [&](const auto& entry) {
      const auto extent = explain(entry.first, all);
      if (extent) explained.emplace(entry.first, *extent);
      return extent.has_value();
    });
  }
  for (auto& [position, column] : varying) {
    fit.varying.push_back({position, explained.at(column)});
  }
  return fit;
}

std::optional<std::vector<int64_t>> symbols_in(const SymbolFit& fit,
                                               std::span<const int64_t> numbers) {
  if (numbers.size() != fit.numbers.size()) return std::nullopt;
  std::vector<int64_t> symbols;
  for (const auto& [position, divisor] : fit.symbols) {
    if (numbers[position] % divisor != 0) return std::nullopt;
    symbols.push_back(numbers[position] / divisor);
  }
  size_t next = 0;
  for (const auto& [position, extent] : fit.varying) {
    if (!std::equal(numbers.begin() + static_cast<int64_t>(next),
                    numbers.begin() + static_cast<int64_t>(position),
                    fit.numbers.begin() + static_cast<int64_t>(next))) {
      return std::nullopt;
    }
    if (extent.evaluate(symbols) != numbers[position]) return std::nullopt;
    next = position + 1;
  }
  const auto rest = static_cast<int64_t>(next);
  if (!std::equal(numbers.begin() + rest, numbers.end(), fit.numbers.begin() + rest)) {
    return std::nullopt;
  }
  return symbols;
}

}  // namespace trireme::run
