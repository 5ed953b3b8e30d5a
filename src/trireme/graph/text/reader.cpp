// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/text/reader.h"

#include <bit>
#include <charconv>
#include <limits>
#include <system_error>
#include <utility>
#include <vector>

namespace trireme::graph {
namespace {

// The whole text as a number.
template <class T, class... Format>
std::optional<T> number_of(std::string_view text, Format... format) {
  T value{};
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value, format...);
  if (text.empty() || read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return value;
}

std::string quoted(std::string_view text) {
  std::string result = "'";
  result += text;
  result += "'";
  return result;
}

}  // namespace

void Reader::fail(const Token& at, const std::string& what) {
  throw ParseError(at.line, at.column, what);
}

void Reader::fail_expecting(const std::string& what) const {
  const std::string found = at_end() ? "the end of the text" : quoted(token_.text);
  fail(token_, "expected " + what + ", found " + found);
}

bool Reader::at_sign(char sign) const {
  return token_.kind == TokenKind::Sign && token_.text[0] == sign;
}

bool Reader::at_word(std::string_view word) const {
  return token_.kind == TokenKind::Word && token_.text == word;
}

std::optional<uint32_t> Reader::at_numbered(std::string_view prefix) const {
  if (token_.kind != TokenKind::Word || !token_.text.starts_with(prefix)) return std::nullopt;
  return number_of<uint32_t>(token_.text.substr(prefix.size()));
}

Token Reader::take() { return std::exchange(token_, lexer_.next()); }

bool Reader::take_sign(char sign) {
  const bool there = at_sign(sign);
  if (there) take();
  return there;
}

bool Reader::take_word(std::string_view word) {
  const bool there = at_word(word);
  if (there) take();
  return there;
}

void Reader::sign(char sign) {
  if (!take_sign(sign)) fail_expecting(quoted(std::string_view(&sign, 1)));
}

void Reader::keyword(std::string_view word) {
  if (!take_word(word)) fail_expecting(quoted(word));
}

std::string_view Reader::word(const std::string& what) {
  if (token_.kind != TokenKind::Word) fail_expecting(what);
  return take().text;
}

uint32_t Reader::numbered(std::string_view prefix, const std::string& what) {
  const auto number = at_numbered(prefix);
  if (!number) fail_expecting(what);
  take();
  return *number;
}

uint32_t Reader::small_number() {
  const auto number = token_.kind == TokenKind::Number ? number_of<uint32_t>(token_.text)
                                                       : std::optional<uint32_t>();
  if (!number) fail_expecting("a number below 2^32");
  take();
  return *number;
}

int64_t Reader::integer(bool negative) {
  const auto magnitude = token_.kind == TokenKind::Number ? number_of<uint64_t>(token_.text)
                                                          : std::optional<uint64_t>();
  constexpr uint64_t kMost = std::numeric_limits<int64_t>::max();
  if (!magnitude || *magnitude > kMost + (negative ? 1 : 0)) {
    fail_expecting("an integer of 64 bits");
  }
  take();
  return static_cast<int64_t>(negative ? 0 - *magnitude : *magnitude);
}

int64_t Reader::integer() {
  const bool negative = take_sign('-');
  return integer(negative);
}

double Reader::real() {
  constexpr std::string_view kBits = "nan_";
  const bool negative = take_sign('-');
  std::optional<double> value;
  if (token_.kind == TokenKind::Number) {
    value = number_of<double>(token_.text);
  } else if (at_word("inf")) {
    value = std::numeric_limits<double>::infinity();
  } else if (!negative && at_word("nan")) {
    value = std::numeric_limits<double>::quiet_NaN();
  } else if (!negative && token_.kind == TokenKind::Word && token_.text.starts_with(kBits)) {
    const auto bits = number_of<uint64_t>(token_.text.substr(kBits.size()), 16);
    if (bits) value = std::bit_cast<double>(*bits);
  }
  if (!value) fail_expecting("a number");
  take();
  return negative ? -*value : *value;
}

std::string Reader::string() {
  if (token_.kind != TokenKind::String) fail_expecting("a name in quotes");
  const std::string_view text = take().text;
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      result += text[i];
    } else {
      ++i;  // the lexer saw that a character follows
      result += text[i] == 'n' ? '\n' : text[i];
    }
  }
  return result;
}

DType Reader::dtype() {
  const auto dtype = token_.kind == TokenKind::Word ? parse_dtype(token_.text) : std::nullopt;
  if (!dtype) fail_expecting("a dtype");
  take();
  return *dtype;
}

// 12, s0 or 4*s0*s1
Extent Reader::extent_term(bool negative) {
  Extent::Term term{negative ? -1 : 1, {}};
  if (token_.kind == TokenKind::Number) {
    term.coefficient = integer(negative);
    if (!take_sign('*')) return term.coefficient;
  }
  do {
    term.symbols.push_back(numbered("s", "a size: an integer or a symbol such as s0"));
  } while (take_sign('*'));
  return Extent::of(0, {std::move(term)});
}

Extent Reader::extent() {
  Extent sum = extent_term(take_sign('-'));
  for (;;) {
    if (take_sign('+')) {
      sum += extent_term(false);
    } else if (take_sign('-')) {
      sum += extent_term(true);
    } else {
      return sum;
    }
  }
}

Extents Reader::extents(char end) {
  Extents result;
  if (at_sign(end)) return result;
  do {
    result.push_back(extent());
  } while (take_sign(','));
  return result;
}

Extents Reader::list() {
  sign('[');
  Extents result = extents(']');
  sign(']');
  return result;
}

View Reader::view() {
  sign('[');
  Extents sizes = at_sign(']') ? Extents() : extents(':');
  if (take_sign(']')) return View::row_major(std::move(sizes));
  View view{.sizes = std::move(sizes), .strides = {}};
  sign(':');
  if (!at_sign(']')) view.strides = extents(':');
  if (take_sign(':')) view.offset = extent();
  sign(']');
  return view;
}

}  // namespace trireme::graph
