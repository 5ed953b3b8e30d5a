// SPDX-License-Identifier: Apache-2.0
#include "trireme/graph/text/lexer.h"

namespace trireme::graph {
namespace {

// Plain ASCII, whatever the locale.
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

}  // namespace

void Lexer::skip_blank() {
  for (; at_ < text_.size(); ++at_) {
    if (text_[at_] == '#') {
      while (at_ < text_.size() && text_[at_] != '\n') ++at_;
      if (at_ == text_.size()) return;
    }
    if (!is_blank(text_[at_])) return;
    if (text_[at_] == '\n') {
      ++line_;
      line_start_ = at_ + 1;
    }
  }
}

size_t Lexer::number_end() const {
  const auto digits = [&](size_t from) {
    while (from < text_.size() && is_digit(text_[from])) ++from;
    return from;
  };
  size_t end = digits(at_);
  if (end < text_.size() && text_[end] == '.') end = digits(end + 1);
  if (end < text_.size() && text_[end] == 'e') {
    size_t exponent = end + 1;
    if (exponent < text_.size() && (text_[exponent] == '+' || text_[exponent] == '-')) ++exponent;
    const size_t exponent_end = digits(exponent);
    if (exponent_end > exponent) end = exponent_end;
  }
  return end;
}

size_t Lexer::string_end() const {
  for (size_t end = at_ + 1; end < text_.size() && text_[end] != '\n'; ++end) {
    if (text_[end] == '"') return end;
    if (text_[end] == '\\') ++end;
  }
  throw ParseError(line_, at_ - line_start_ + 1, "a string without its closing quote");
}

Token Lexer::next() {
  skip_blank();
  Token token{.text = {}, .line = line_, .column = at_ - line_start_ + 1};
  if (at_ == text_.size()) return token;
  const char first = text_[at_];
  size_t end = at_ + 1;
  if (is_letter(first)) {
    token.kind = TokenKind::Word;
    while (end < text_.size() && (is_letter(text_[end]) || is_digit(text_[end]))) ++end;
  } else if (is_digit(first)) {
    token.kind = TokenKind::Number;
    end = number_end();
  } else if (first == '"') {
    token.kind = TokenKind::String;
    end = string_end();
    token.text = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return token;
  } else {
    token.kind = TokenKind::Sign;
  }
  token.text = text_.substr(at_, end - at_);
  at_ = end;
  return token;
}

}  // namespace trireme::graph
