// SPDX-License-Identifier: Apache-2.0
// What all parts of the text form are made of: words, numbers, extents, views. Each function reads
// what its name says or throws ParseError.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "trireme/graph/ir/dtype.h"
#include "trireme/graph/ir/extent.h"
#include "trireme/graph/ir/view.h"
#include "trireme/graph/text/lexer.h"

namespace trireme::graph {

class Reader {
 public:
  explicit Reader(std::string_view text) : lexer_(text), token_(lexer_.next()) {}

  const Token& token() const { return token_; }  // the next one
  bool at_end() const { return token_.kind == TokenKind::End; }
  bool at_sign(char sign) const;
  bool at_word(std::string_view word) const;
  // The number of a word such as a12 with the prefix "a".
  std::optional<uint32_t> at_numbered(std::string_view prefix) const;

  Token take();
  bool take_sign(char sign);  // whether it was there
  bool take_word(std::string_view word);

  void sign(char sign);
  void keyword(std::string_view word);
  std::string_view word(const std::string& what);
  uint32_t numbered(std::string_view prefix, const std::string& what);
  uint32_t small_number();
  int64_t integer();  // maybe with a minus
  double real();      // also inf, nan, nan_<bits>
  std::string string();
  DType dtype();
  Extent extent();
  Extents extents(char end);  // separated by commas, up to the sign `end`, which stays
  Extents list();             // [...]
  View view();

  // Expected `what`, found the next token.
  [[noreturn]] void fail_expecting(const std::string& what) const;
  [[noreturn]] static void fail(const Token& at, const std::string& what);

 private:
  int64_t integer(bool negative);
  Extent extent_term(bool negative);

  Lexer lexer_;
  Token token_;
};

}  // namespace trireme::graph
