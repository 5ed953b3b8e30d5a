// SPDX-License-Identifier: Apache-2.0
// A size, stride or offset: an integer, or a polynomial with integer coefficients over the graph's
// symbols (sizes that vary from run to run).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace trireme::graph {

using SymbolId = uint32_t;

class Extent {
 public:
  // coefficient * product of symbols (sorted, repeated for powers, at least one)
  struct Term {
    int64_t coefficient = 0;
    std::vector<SymbolId> symbols;
    bool operator==(const Term&) const = default;
  };

  Extent() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): a number is an extent
  Extent(int64_t constant) : constant_(constant) {}
  static Extent symbol(SymbolId id);
  // The sum of a constant and terms; brought to canonical form.
  static Extent of(int64_t constant, std::vector<Term> terms);

  bool is_constant() const { return terms_ == nullptr; }
  bool is(int64_t value) const { return is_constant() && constant_ == value; }
  // The value, where it depends on no symbol.
  std::optional<int64_t> constant() const {
    return is_constant() ? std::optional(constant_) : std::nullopt;
  }
  int64_t constant_part() const { return constant_; }
  std::span<const Term> terms() const;

  // With these values of the symbols, by id.
  int64_t evaluate(std::span<const int64_t> symbols) const;

  // The quotient, where the division leaves nothing for all values of the symbols: by a constant,
  // or of a polynomial all of whose terms have the divisor's (one) term.
  std::optional<Extent> divided_by(const Extent& divisor) const;

  friend Extent operator+(const Extent& left, const Extent& right);
  friend Extent operator-(const Extent& left, const Extent& right);
  friend Extent operator*(const Extent& left, const Extent& right);
  Extent& operator+=(const Extent& other) { return *this = *this + other; }
  Extent& operator*=(const Extent& other) { return *this = *this * other; }
  friend bool operator==(const Extent& left, const Extent& right);

 private:
  int64_t constant_ = 0;
  std::shared_ptr<const std::vector<Term>> terms_;  // sorted, none with coefficient 0; null: none
};

using Extents = std::vector<Extent>;

Extent product(std::span<const Extent> factors);

}  // namespace trireme::graph
