#include "worker/ddl/cursor.h"

#include <fmt/format.h>

#include <charconv>

#include "worker/ddl/names.h"

namespace chameleon::worker::ddl {
namespace {
constexpr size_t kQuotedLengthMax = 40;  // of a token shown in a reason
const Token kEndToken;
}  // namespace

void Cursor::Fail(std::string_view reason) {
  if (failed_) return;
  failed_ = true;
  reason_ = std::string(reason);
}

void Cursor::Unexpected(std::string_view expected) {
  const Token& token = Peek();
  if (token.kind == TokenKind::kEnd) {
    Fail(fmt::format("the statement ends where {} is expected", expected));
  } else if (token.kind == TokenKind::kError) {
    Fail(token.text);
  } else {
    std::string_view source = text_.substr(token.begin, token.end - token.begin);
    // Never cut a UTF-8 character in two.
    size_t length = std::min(source.size(), kQuotedLengthMax);
    while (length < source.size() && (static_cast<unsigned char>(source[length]) & 0xc0) == 0x80) {
      ++length;
    }
    Fail(fmt::format("\"{}\" stands where {} is expected", source.substr(0, length), expected));
  }
}

const Token& Cursor::Peek(size_t ahead) {
  if (failed_) return kEndToken;
  while (tokens_.size() <= next_ + ahead) {
    if (!tokens_.empty() &&
        (tokens_.back().kind == TokenKind::kEnd || tokens_.back().kind == TokenKind::kError)) {
      return kEndToken;
    }
    tokens_.push_back(lexer_.Next());
  }
  return tokens_[next_ + ahead];
}

Token Cursor::Take() {
  Token token = Peek();
  if (token.kind == TokenKind::kError) Fail(token.text);
  if (token.kind != TokenKind::kEnd && !failed_) ++next_;
  return token;
}

bool Cursor::AtEnd() {
  size_t ahead = 0;
  while (IsSymbol(';', ahead)) ++ahead;
  return Peek(ahead).kind == TokenKind::kEnd;
}

bool Cursor::IsWord(std::string_view upper, size_t ahead) {
  const Token& token = Peek(ahead);
  return token.kind == TokenKind::kWord && token.upper == upper;
}

bool Cursor::IsSymbol(char symbol, size_t ahead) {
  const Token& token = Peek(ahead);
  return token.kind == TokenKind::kSymbol && token.text[0] == symbol;
}

bool Cursor::IsName(size_t ahead) {
  const TokenKind kind = Peek(ahead).kind;
  return kind == TokenKind::kWord || kind == TokenKind::kQuotedName;
}

bool Cursor::TakeWords(std::initializer_list<std::string_view> words) {
  size_t ahead = 0;
  for (std::string_view word : words) {
    if (!IsWord(word, ahead++)) return false;
  }
  next_ += words.size();
  return true;
}

std::string Cursor::TakeAnyOf(std::initializer_list<std::string_view> words) {
  for (std::string_view word : words) {
    if (TakeWord(word)) return std::string(word);
  }
  return {};
}

bool Cursor::TakeSymbol(char symbol) {
  if (!IsSymbol(symbol)) return false;
  ++next_;
  return true;
}

void Cursor::Expect(char symbol) {
  if (!TakeSymbol(symbol)) Unexpected(fmt::format("\"{}\"", symbol));
}

void Cursor::ExpectWord(std::string_view word) {
  if (!TakeWord(word)) Unexpected(word);
}

std::string Cursor::Name(std::string_view what) {
  if (!IsName()) {
    Unexpected(what);
    return {};
  }
  return Take().text;
}

TableRef Cursor::Table() {
  TableRef ref{.schema = context_.default_database};
  const bool leading_dot = TakeSymbol('.');
  std::string name = Name("a table name");
  if (!leading_dot && TakeSymbol('.')) {
    ref.schema = TableCase(name, context_);
    name = Name("a table name");
  }
  ref.table = TableCase(name, context_);
  if (!failed_) mentioned_.push_back(ref);
  return ref;
}

std::string Cursor::NameOrString(std::string_view what) {
  if (Peek().kind == TokenKind::kString) return String(what);
  return Name(what);
}

std::string Cursor::String(std::string_view what) {
  if (Peek().kind != TokenKind::kString) {
    Unexpected(what);
    return {};
  }
  std::string text;
  while (Peek().kind == TokenKind::kString) text += Take().text;
  return text;
}

std::optional<uint64_t> Cursor::Number() {
  if (Peek().kind != TokenKind::kNumber) {
    Unexpected("a number");
    return std::nullopt;
  }
  const Token token = Take();
  uint64_t value = 0;
  auto [end, error] =
      std::from_chars(token.text.data(), token.text.data() + token.text.size(), value);
  if (error != std::errc() || end != token.text.data() + token.text.size()) {
    Fail(fmt::format("\"{}\" stands where a number is expected", token.text));
    return std::nullopt;
  }
  return value;
}

std::string Cursor::Parenthesized() {
  Expect('(');
  const size_t from = next_;
  size_t depth = 1;
  while (depth > 0) {
    if (Peek().kind == TokenKind::kEnd || Peek().kind == TokenKind::kError) {
      Unexpected("\")\"");
      return {};
    }
    if (IsSymbol('(')) ++depth;
    if (IsSymbol(')')) --depth;
    ++next_;
  }
  return Source(from, next_ - 1);
}

std::string Cursor::Source(size_t from, size_t to) {
  std::string source;
  if (failed_) return source;
  for (size_t i = from; i < to; ++i) {
    if (i > from && tokens_[i].begin > tokens_[i - 1].end) source += ' ';
    source += text_.substr(tokens_[i].begin, tokens_[i].end - tokens_[i].begin);
  }
  return source;
}

}  // namespace chameleon::worker::ddl
