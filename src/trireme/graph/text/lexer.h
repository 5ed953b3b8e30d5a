// SPDX-License-Identifier: Apache-2.0
// Cuts the text form into tokens.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace trireme::graph {

// "line 3, column 14: expected a dtype, found 'f33'". Both count from 1.
class ParseError : public std::runtime_error {
 public:
  ParseError(size_t line, size_t column, const std::string& what)
      : std::runtime_error("line " + std::to_string(line) + ", column " + std::to_string(column) +
                           ": " + what),
        line_(line),
        column_(column) {}
  size_t line() const { return line_; }
  size_t column() const { return column_; }

 private:
  size_t line_;
  size_t column_;
};

enum class TokenKind : uint8_t {
  Word,    // a letter or _, then letters, digits, _
  Number,  // unsigned: 12, 0.5, 1e-05
  String,  // "..."; `text` is without the quotes, escapes unresolved
  Sign,    // one character
  End,
};

struct Token {
  TokenKind kind = TokenKind::End;
  std::string_view text;
  size_t line = 1;
  size_t column = 1;
};

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}
  // White space, and # to the end of the line, is skipped. ParseError: a string without an end.
  Token next();

 private:
  void skip_blank();
  size_t number_end() const;
  size_t string_end() const;

  std::string_view text_;
  size_t at_ = 0;
  size_t line_ = 1;
  size_t line_start_ = 0;
};

}  // namespace trireme::graph
