// Splits a MySQL or MariaDB statement into tokens, as the session that ran it would.
//
// Knows sql_mode's quoting rules and all comments: plain ones vanish; executable ones
// (/*! */, /*!80023 */, MariaDB's /*M! */) count as text exactly when this server would run them.
// Tokens are made on demand, so that looking at a statement's first words costs nothing more.
// Never fails: what cannot be read (a string without an end) becomes one kError token, then kEnd.
#pragma once

#include <string>
#include <string_view>

#include "worker/ddl/session_context.h"

namespace chameleon::worker::ddl {

enum class TokenKind {
  kEnd,
  kWord,        // unquoted name or keyword
  kQuotedName,  // `…`, or "…" under ANSI_QUOTES
  kString,      // '…' or "…": decoded
  kHex,         // x'…' or 0x…: decoded bytes
  kBits,        // b'…' or 0b…: digits
  kNumber,      // as written
  kVariable,    // @a, @@a
  kSymbol,      // one operator or punctuation character
  kError,       // text is the reason
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;
  std::string upper;    // kWord only: ASCII letters in upper case
  std::string charset;  // kString, kHex, kBits: the introducer's ("utf8mb4"), lower case
  size_t begin = 0;     // bytes of the statement, end exclusive
  size_t end = 0;
};

class Lexer {
 public:
  // `text` and `context` must outlive the lexer.
  Lexer(std::string_view text, const SessionContext& context) : text_(text), context_(context) {}

  Token Next();

 private:
  bool SkipBlanks(Token* error);
  bool SkipComment(Token* error);
  bool RunsHere(size_t* body);
  Token Word();
  Token Number();
  Token Quoted(char quote, TokenKind kind);
  Token Variable();
  Token Fail(std::string_view reason);
  bool Coded(Token* token);
  char At(size_t ahead) const { return pos_ + ahead < text_.size() ? text_[pos_ + ahead] : '\0'; }

  std::string_view text_;
  const SessionContext& context_;
  size_t pos_ = 0;
  bool in_executable_comment_ = false;
  size_t name_end_ = std::string_view::npos;  // of the last name: a.1b is a name, too
  bool after_dot_ = false;                    // a name follows, even if it begins with a digit
};

}  // namespace chameleon::worker::ddl
