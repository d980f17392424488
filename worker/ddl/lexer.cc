#include "worker/ddl/lexer.h"

#include <fmt/format.h>

#include <optional>

#include "worker/ddl/names.h"

namespace chameleon::worker::ddl {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool IsNameByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || IsDigit(c) || c == '_' || c == '$' ||
         static_cast<unsigned char>(c) >= 0x80;
}

int HexValue(char c) {
  if (IsDigit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> DecodeHex(std::string_view digits) {
  std::string padded = digits.size() % 2 ? "0" + std::string(digits) : std::string(digits);
  std::string bytes;
  for (size_t i = 0; i < padded.size(); i += 2) {
    const int high = HexValue(padded[i]), low = HexValue(padded[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes += static_cast<char>(high * 16 + low);
  }
  return bytes;
}

bool AllBits(std::string_view digits) {
  return digits.find_first_not_of("01") == std::string_view::npos;
}

// What a backslash and `c` stand for in a string; \% and \_ keep their backslash.
void AppendEscaped(char c, std::string* out) {
  switch (c) {
    case '0':
      *out += '\0';
      break;
    case 'n':
      *out += '\n';
      break;
    case 't':
      *out += '\t';
      break;
    case 'r':
      *out += '\r';
      break;
    case 'b':
      *out += '\b';
      break;
    case 'Z':
      *out += '\x1a';
      break;
    case '%':
    case '_':
      *out += '\\';
      *out += c;
      break;
    default:
      *out += c;
  }
}

}  // namespace

Token Lexer::Fail(std::string_view reason) {
  Token token{.kind = TokenKind::kError, .text = std::string(reason), .begin = pos_};
  pos_ = text_.size();
  token.end = pos_;
  return token;
}

// At "/*!" or "/*M!": true, with the offset of the body, when this server runs the comment.
bool Lexer::RunsHere(size_t* body) {
  size_t p = pos_ + 2;
  const bool mariadb_only = text_[p] == 'M';
  if (mariadb_only) ++p;
  ++p;  // the exclamation mark
  size_t digits = 0;
  uint32_t version = 0;
  while (digits < 6 && p + digits < text_.size() && IsDigit(text_[p + digits])) ++digits;
  if (digits < 5) {
    *body = p;
    return !mariadb_only || context_.mariadb();
  }
  // MySQL takes a sixth digit only where a blank follows it.
  if (digits == 6 && !context_.mariadb() && p + 6 < text_.size() && !IsSpace(text_[p + 6])) {
    digits = 5;
  }
  for (size_t i = 0; i < digits; ++i) version = version * 10 + (text_[p + i] - '0');
  *body = p + digits;
  if (!context_.mariadb()) return !mariadb_only && version <= context_.server_version;
  // MariaDB leaves MySQL 5.7's and later versions' comments alone.
  if (!mariadb_only && version >= 50700 && version <= 99999) return false;
  return version <= context_.server_version;
}

// At "/*". False: it has no end.
bool Lexer::SkipComment(Token* error) {
  const bool executable = At(2) == '!' || (At(2) == 'M' && At(3) == '!');
  size_t body = 0;
  if (executable && !in_executable_comment_ && RunsHere(&body)) {
    in_executable_comment_ = true;
    pos_ = body;
    return true;
  }
  size_t end = text_.find("*/", pos_ + 2);
  // Comments may be nested in an executable comment that is not run.
  if (executable) {
    size_t inner = text_.find("/*", pos_ + 2);
    while (inner != std::string_view::npos && end != std::string_view::npos && inner < end) {
      end = text_.find("*/", end + 2);
      inner = text_.find("/*", inner + 2);
    }
  }
  if (end == std::string_view::npos) {
    *error = Fail("a comment has no end");
    return false;
  }
  pos_ = end + 2;
  return true;
}

// Blanks and comments. False: *error is set.
bool Lexer::SkipBlanks(Token* error) {
  while (pos_ < text_.size()) {
    const char c = text_[pos_];
    if (IsSpace(c)) {
      ++pos_;
    } else if (c == '#' ||
               (c == '-' && At(1) == '-' &&
                (pos_ + 2 >= text_.size() || static_cast<unsigned char>(At(2)) <= 32))) {
      const size_t end = text_.find('\n', pos_);
      pos_ = end == std::string_view::npos ? text_.size() : end + 1;
    } else if (c == '/' && At(1) == '*') {
      if (!SkipComment(error)) return false;
    } else if (c == '*' && At(1) == '/' && in_executable_comment_) {
      in_executable_comment_ = false;
      pos_ += 2;
    } else {
      break;
    }
  }
  return true;
}

Token Lexer::Quoted(char quote, TokenKind kind) {
  Token token{.kind = kind, .begin = pos_};
  const bool escapes = kind == TokenKind::kString && !context_.no_backslash_escapes;
  for (++pos_; pos_ < text_.size(); ++pos_) {
    const char c = text_[pos_];
    if (c == quote) {
      if (At(1) != quote || pos_ + 1 >= text_.size()) {
        token.end = ++pos_;
        return token;
      }
      ++pos_;
      token.text += c;
    } else if (c == '\\' && escapes && pos_ + 1 < text_.size()) {
      AppendEscaped(text_[++pos_], &token.text);
    } else {
      token.text += c;
    }
  }
  return Fail(kind == TokenKind::kString ? "a string has no end" : "a quoted name has no end");
}

Token Lexer::Variable() {
  Token token{.kind = TokenKind::kVariable, .begin = pos_};
  while (At(0) == '@') ++pos_;
  const char c = At(0);
  if (c == '`' || c == '\'' || c == '"') {
    Token name = Quoted(c, TokenKind::kQuotedName);
    if (name.kind == TokenKind::kError) return name;
    token.text = name.text;
  }
  while (pos_ < text_.size() && (IsNameByte(At(0)) || At(0) == '.')) token.text += text_[pos_++];
  token.end = pos_;
  return token;
}

// x'…', b'…', n'…' and _charset'…': turns a word that is a literal's prefix into the literal.
bool Lexer::Coded(Token* token) {
  const bool quote = At(0) == '\'';
  if (quote && (token->upper == "X" || token->upper == "B")) {
    Token digits = Quoted('\'', TokenKind::kQuotedName);
    const bool hex = token->upper == "X";
    std::optional<std::string> bytes = hex ? DecodeHex(digits.text) : digits.text;
    if (digits.kind == TokenKind::kError || !bytes || (!hex && !AllBits(*bytes))) {
      *token = Fail("a hexadecimal or bit literal is malformed");
      return true;
    }
    token->kind = hex ? TokenKind::kHex : TokenKind::kBits;
    token->text = *bytes;
    token->end = pos_;
    return true;
  }
  const bool national = quote && token->upper == "N";
  if (!national &&
      (token->text.size() < 2 || token->text[0] != '_' || !IsCharset(token->text.substr(1)))) {
    return false;
  }
  const size_t after_word = pos_;
  Token error;
  if (!SkipBlanks(&error)) {
    *token = error;
    return true;
  }
  Token literal;
  if (At(0) == '\'' || (At(0) == '"' && !context_.ansi_quotes) || At(0) == '0' || At(0) == 'x' ||
      At(0) == 'X' || At(0) == 'b' || At(0) == 'B') {
    literal = Next();
  }
  if (literal.kind == TokenKind::kError) {
    *token = literal;
    return true;
  }
  if (literal.kind != TokenKind::kString && literal.kind != TokenKind::kHex &&
      literal.kind != TokenKind::kBits) {
    pos_ = after_word;
    return false;
  }
  literal.begin = token->begin;
  literal.charset = national ? "utf8mb3" : CharsetName(token->text.substr(1), context_);
  *token = literal;
  return true;
}

Token Lexer::Word() {
  Token token{.kind = TokenKind::kWord, .begin = pos_};
  while (pos_ < text_.size() && IsNameByte(text_[pos_])) ++pos_;
  token.end = pos_;
  token.text = std::string(text_.substr(token.begin, pos_ - token.begin));
  token.upper = UpperAscii(token.text);
  if (!after_dot_) Coded(&token);
  return token;
}

Token Lexer::Number() {
  const size_t begin = pos_;
  Token token{.kind = TokenKind::kNumber, .begin = begin};
  if (At(0) == '0' && (At(1) == 'x' || At(1) == 'b')) {
    size_t end = pos_ + 2;
    while (end < text_.size() && IsNameByte(text_[end])) ++end;
    const std::string_view digits = text_.substr(pos_ + 2, end - pos_ - 2);
    const bool hex = At(1) == 'x';
    std::optional<std::string> bytes = hex ? DecodeHex(digits) : std::string(digits);
    if (!digits.empty() && bytes && (hex || AllBits(digits))) {
      pos_ = token.end = end;
      token.kind = hex ? TokenKind::kHex : TokenKind::kBits;
      token.text = *bytes;
      return token;
    }
  }
  while (IsDigit(At(0))) ++pos_;
  const bool integer_part = pos_ > begin;
  auto exponent = [this] {
    const size_t sign = At(1) == '+' || At(1) == '-' ? 2 : 1;
    if ((At(0) != 'e' && At(0) != 'E') || !IsDigit(At(sign))) return false;
    pos_ += sign;
    while (IsDigit(At(0))) ++pos_;
    return true;
  };
  if (At(0) == '.') {
    ++pos_;
    while (IsDigit(At(0))) ++pos_;
    exponent();
  } else if (integer_part && IsNameByte(At(0)) && !exponent()) {
    pos_ = begin;
    return Word();  // a name that begins with digits
  }
  token.end = pos_;
  token.text = std::string(text_.substr(begin, pos_ - begin));
  return token;
}

Token Lexer::Next() {
  Token error;
  if (!SkipBlanks(&error)) return error;
  if (pos_ >= text_.size()) {
    return in_executable_comment_ ? (in_executable_comment_ = false, Fail("a comment has no end"))
                                  : Token{.begin = pos_, .end = pos_};
  }
  const char c = text_[pos_];
  Token token;
  if (c == '`') {
    token = Quoted(c, TokenKind::kQuotedName);
  } else if (c == '"' && context_.ansi_quotes) {
    token = Quoted(c, TokenKind::kQuotedName);
  } else if (c == '[' && context_.mssql) {
    token = Quoted(']', TokenKind::kQuotedName);
  } else if (c == '\'' || c == '"') {
    token = Quoted(c, TokenKind::kString);
  } else if (c == '@') {
    token = Variable();
  } else if (after_dot_ && IsNameByte(c)) {
    token = Word();
  } else if (IsDigit(c) || (c == '.' && IsDigit(At(1)) && !after_dot_ && pos_ != name_end_)) {
    token = Number();
  } else if (IsNameByte(c)) {
    token = Word();
  } else {
    token = Token{.kind = TokenKind::kSymbol, .text = std::string(1, c), .begin = pos_};
    token.end = ++pos_;
  }
  after_dot_ = token.kind == TokenKind::kSymbol && token.text == ".";
  if (token.kind == TokenKind::kWord || token.kind == TokenKind::kQuotedName) name_end_ = pos_;
  return token;
}

}  // namespace chameleon::worker::ddl
