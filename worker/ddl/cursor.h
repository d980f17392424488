// The parser's place in a statement: looking ahead, taking tokens, and one failure that sticks.
//
// After Fail() the cursor stands at the end, so that every loop ends by itself; callers look at
// failed() once per statement. The first reason is kept.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "worker/ddl/lexer.h"
#include "worker/ddl/statement.h"

namespace chameleon::worker::ddl {

class Cursor {
 public:
  // `text` and `context` must outlive the cursor.
  Cursor(std::string_view text, const SessionContext& context)
      : text_(text), context_(context), lexer_(text, context) {}

  const SessionContext& context() const { return context_; }
  bool failed() const { return failed_; }
  const std::string& reason() const { return reason_; }
  void Fail(std::string_view reason);
  // "unexpected …" naming what stands here.
  void Unexpected(std::string_view expected);

  const Token& Peek(size_t ahead = 0);
  Token Take();
  // A semicolon at the end counts as the end.
  bool AtEnd();

  bool IsWord(std::string_view upper, size_t ahead = 0);
  bool IsSymbol(char symbol, size_t ahead = 0);
  bool IsName(size_t ahead = 0);
  // All of them, one after the other, or nothing is taken.
  bool TakeWords(std::initializer_list<std::string_view> words);
  bool TakeWord(std::string_view word) { return TakeWords({word}); }
  // The one that stands here; empty: none.
  std::string TakeAnyOf(std::initializer_list<std::string_view> words);
  bool TakeSymbol(char symbol);
  void Expect(char symbol);
  void ExpectWord(std::string_view word);

  // A column, index, constraint, … name.
  std::string Name(std::string_view what);
  // schema.table, table or .table; the table is remembered as mentioned.
  TableRef Table();
  // A word, name or string (engine, character set, option values).
  std::string NameOrString(std::string_view what);
  // Adjacent strings are one.
  std::string String(std::string_view what);
  std::optional<uint64_t> Number();
  // Everything up to the parenthesis that closes the one here, as source text without it.
  std::string Parenthesized();
  void SkipParenthesized() { Parenthesized(); }
  // Source text of tokens [from, to) of this cursor, comments removed.
  size_t index() const { return next_; }
  std::string Source(size_t from, size_t to);
  void Rewind(size_t index) { next_ = index; }

  const std::vector<TableRef>& mentioned() const { return mentioned_; }

 private:
  std::string_view text_;
  const SessionContext& context_;
  Lexer lexer_;
  std::vector<Token> tokens_;  // all that were read; grows with lookahead
  size_t next_ = 0;
  bool failed_ = false;
  std::string reason_;
  std::vector<TableRef> mentioned_;
};

}  // namespace chameleon::worker::ddl
