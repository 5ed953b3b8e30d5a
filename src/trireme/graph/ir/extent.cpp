// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/ir/extent.h"

#include <algorithm>
#include <utility>

namespace trireme::graph {
namespace {

using Term = Extent::Term;

// Sorted by symbols, terms of the same symbols added, zeros dropped.
std::vector<Term> canonical(std::vector<Term> terms) {
  for (Term& term : terms) std::ranges::sort(term.symbols);
  std::ranges::sort(terms, {}, &Term::symbols);
  std::vector<Term> result;
  for (Term& term : terms) {
    if (!result.empty() && result.back().symbols == term.symbols) {
      result.back().coefficient += term.coefficient;
    } else {
      result.push_back(std::move(term));
    }
  }
  std::erase_if(result, [](const Term& term) { return term.coefficient == 0; });
  return result;
}

// `term` / `divisor`, where nothing is left.
std::optional<Term> quotient(const Term& term, const Term& divisor) {
  if (term.coefficient % divisor.coefficient != 0) return std::nullopt;
  Term result{term.coefficient / divisor.coefficient, term.symbols};
  for (const SymbolId symbol : divisor.symbols) {
    const auto found = std::ranges::find(result.symbols, symbol);
    if (found == result.symbols.end()) return std::nullopt;
    result.symbols.erase(found);
  }
  return result;
}

}  // namespace

Extent Extent::symbol(SymbolId id) { return of(0, {{1, {id}}}); }

Extent Extent::of(int64_t constant, std::vector<Term> terms) {
  Extent result(constant);
  std::erase_if(terms, [&](const Term& term) {
    if (!term.symbols.empty()) return false;
    result.constant_ += term.coefficient;
    return true;
  });
  terms = canonical(std::move(terms));
  if (!terms.empty()) result.terms_ = std::make_shared<const std::vector<Term>>(std::move(terms));
  return result;
}

std::span<const Term> Extent::terms() const {
  return terms_ ? std::span<const Term>(*terms_) : std::span<const Term>();
}

int64_t Extent::evaluate(std::span<const int64_t> symbols) const {
  int64_t sum = constant_;
  for (const Term& term : terms()) {
    int64_t value = term.coefficient;
    for (const SymbolId symbol : term.symbols) value *= symbols[symbol];
    sum += value;
  }
  return sum;
}

std::optional<Extent> Extent::divided_by(const Extent& divisor) const {
  const auto divisor_terms = divisor.terms();
  if (divisor_terms.empty() && divisor.constant_ == 0) return std::nullopt;
  const bool one_term = divisor_terms.size() == 1 && divisor.constant_ == 0;
  if (!divisor_terms.empty() && !one_term) {
    return *this == divisor ? std::optional(Extent(1)) : std::nullopt;
  }
  const Term by = one_term ? divisor_terms[0] : Term{divisor.constant_, {}};
  std::vector<Term> parts(terms().begin(), terms().end());
  if (constant_ != 0) parts.push_back({constant_, {}});
  for (Term& part : parts) {
    auto divided = quotient(part, by);
    if (!divided) return std::nullopt;
    part = std::move(*divided);
  }
  return of(0, std::move(parts));
}

Extent operator+(const Extent& left, const Extent& right) {
  if (left.is_constant() && right.is_constant()) return left.constant_ + right.constant_;
  std::vector<Term> terms(left.terms().begin(), left.terms().end());
  terms.insert(terms.end(), right.terms().begin(), right.terms().end());
  return Extent::of(left.constant_ + right.constant_, std::move(terms));
}

Extent operator-(const Extent& left, const Extent& right) { return left + right * -1; }

Extent operator*(const Extent& left, const Extent& right) {
  if (left.is_constant() && right.is_constant()) return left.constant_ * right.constant_;
  const auto parts = [](const Extent& extent) {
    std::vector<Term> terms(extent.terms().begin(), extent.terms().end());
    if (extent.constant_part() != 0) terms.push_back({extent.constant_part(), {}});
    return terms;
  };
  std::vector<Term> terms;
  for (const Term& a : parts(left)) {
    for (const Term& b : parts(right)) {
      Term term{a.coefficient * b.coefficient, a.symbols};
      term.symbols.insert(term.symbols.end(), b.symbols.begin(), b.symbols.end());
      terms.push_back(std::move(term));
    }
  }
  return Extent::of(0, std::move(terms));
}

bool operator==(const Extent& left, const Extent& right) {
  return left.constant_ == right.constant_ &&
         (left.terms_ == right.terms_ || std::ranges::equal(left.terms(), right.terms()));
}

Extent product(std::span<const Extent> factors) {
  Extent result = 1;
  for (const Extent& factor : factors) result *= factor;
  return result;
}

}  // namespace trireme::graph
