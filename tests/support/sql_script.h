// Splits a client script into statements as the mysql client does: DELIMITER, comments, quotes.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace chameleon::test {

// True while a routine's body is open, so that its inner semicolons do not end the statement.
class BodyDepth {
 public:
  void Word(std::string_view word) {
    std::string upper(word);
    for (char& c : upper) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
    if (words_++ == 0) creates_ = upper == "CREATE" || upper == "ALTER";
    if (upper == "PROCEDURE" || upper == "FUNCTION" || upper == "TRIGGER" || upper == "EVENT") {
      routine_ = routine_ || (creates_ && words_ < 12);
    }
    const bool after_end = last_ == "END";
    if (after_end && (upper == "IF" || upper == "WHILE" || upper == "LOOP" || upper == "REPEAT")) {
      ++depth_;  // END IF ends nothing that was counted
    }
    if (upper == "BEGIN" || (upper == "CASE" && !after_end)) ++depth_;
    if (upper == "END") --depth_;
    last_ = upper;
  }
  bool Open() const { return routine_ && depth_ > 0; }

 private:
  int words_ = 0;
  int depth_ = 0;
  bool creates_ = false;
  bool routine_ = false;
  std::string last_;
};

// The statements without their delimiter; "delimiter" lines and what a client handles itself
// (\G, source, …) are left out. Comments stay where they are.
inline std::vector<std::string> SplitScript(std::string_view script) {
  std::vector<std::string> statements;
  std::string delimiter = ";";
  std::string current;
  BodyDepth body;
  bool fresh = true;  // nothing but blanks and comments so far
  auto finish = [&] {
    if (!fresh) statements.push_back(current);
    current.clear();
    fresh = true;
    body = BodyDepth();
  };
  auto starts = [&](size_t i, std::string_view word) {
    if (script.size() - i < word.size()) return false;
    for (size_t k = 0; k < word.size(); ++k) {
      if ((script[i + k] | 0x20) != (word[k] | 0x20)) return false;
    }
    return true;
  };
  auto is_word = [](char c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' ||
           static_cast<unsigned char>(c) >= 0x80;
  };
  size_t i = 0;
  bool line_start = true;
  while (i < script.size()) {
    const char c = script[i];
    if (line_start && fresh && starts(i, "delimiter ")) {
      size_t end = std::min(script.find('\n', i), script.size());
      std::string_view rest = script.substr(i + 10, end - i - 10);
      while (!rest.empty() && (rest.back() == ' ' || rest.back() == '\r')) rest.remove_suffix(1);
      while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
      if (!rest.empty()) delimiter = std::string(rest);
      i = end;
      current.clear();
      continue;
    }
    if (line_start && fresh && starts(i, "source ")) {
      i = std::min(script.find('\n', i), script.size());
      current.clear();
      continue;
    }
    if (c == '\n') line_start = true;
    if (script.substr(i).starts_with(delimiter) && (delimiter != ";" || !body.Open())) {
      finish();
      i += delimiter.size();
      continue;
    }
    size_t end = i + 1;
    const bool dashes = c == '-' && i + 1 < script.size() && script[i + 1] == '-' &&
                        (i + 2 >= script.size() || static_cast<unsigned char>(script[i + 2]) <= 32);
    if (c == '\'' || c == '"' || c == '`') {
      while (end < script.size() && script[end] != c)
        end += script[end] == '\\' && c != '`' ? 2 : 1;
      end = std::min(end + 1, script.size());
      fresh = false;
    } else if (c == '#' || dashes) {
      end = std::min(script.find('\n', i), script.size());
    } else if (c == '/' && i + 1 < script.size() && script[i + 1] == '*') {
      const size_t close = script.find("*/", i + 2);
      end = close == std::string_view::npos ? script.size() : close + 2;
      if (i + 2 < script.size() && (script[i + 2] == '!' || script[i + 2] == 'M')) fresh = false;
    } else if (is_word(c)) {
      while (end < script.size() && is_word(script[end])) ++end;
      body.Word(script.substr(i, end - i));
      fresh = false;
    } else if (static_cast<unsigned char>(c) > 32) {
      fresh = false;
    }
    if (static_cast<unsigned char>(c) > 32) line_start = false;
    current += script.substr(i, end - i);
    i = end;
  }
  finish();
  return statements;
}

}  // namespace chameleon::test
