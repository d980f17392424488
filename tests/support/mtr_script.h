// The statements of a test file of the servers' own suites (the language of mysqltest), roughly:
// what stands in the file as it is. Commands, loops' conditions, eval with variables, other
// connections and blocks of other languages are left out, so some statements come without what was
// to go before them.
#pragma once

#include <cctype>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace chameleon::test {

class MtrScript {
 public:
  explicit MtrScript(std::string_view text) : text_(text) {}

  std::vector<std::string> Statements() {
    while (at_ < text_.size()) {
      SkipBlanks();
      if (at_ >= text_.size()) break;
      if (text_[at_] == '#') {
        TakeLine();
      } else if (text_.substr(at_).starts_with("--")) {
        at_ += 2;
        Command(std::string(TakeLine()));
      } else if (text_[at_] == '{' || text_[at_] == '}') {
        ++at_;
      } else {
        Command(TakeStatement());
      }
    }
    return std::move(out_);
  }

 private:
  void SkipBlanks() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }

  std::string_view TakeLine() {
    const size_t end = std::min(text_.find('\n', at_), text_.size());
    std::string_view line = text_.substr(at_, end - at_);
    at_ = std::min(end + 1, text_.size());
    return line;
  }

  // Up to the delimiter outside of quotes. "while (…)" and "if (…)" end before their brace.
  std::string TakeStatement() {
    std::string out;
    char quote = 0;
    bool line_start = true;
    const bool condition = StartsWithWord("while") || StartsWithWord("if");
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (quote == 0 && text_.substr(at_).starts_with(delimiter_)) {
        at_ += delimiter_.size();
        return out;
      }
      if (quote == 0 && condition && c == '{') return out;
      if (quote == 0 && line_start && (c == '#' || text_.substr(at_).starts_with("-- "))) {
        TakeLine();
        continue;
      }
      if (quote != 0 && c == '\\' && quote != '`' && at_ + 1 < text_.size()) {
        out += c;
        out += text_[at_ + 1];
        at_ += 2;
        continue;
      }
      if (quote != 0) {
        if (c == quote) quote = 0;
      } else if (c == '\'' || c == '"' || c == '`') {
        quote = c;
      }
      line_start = c == '\n' || (line_start && c == ' ');
      out += c;
      ++at_;
    }
    return out;
  }

  bool StartsWithWord(std::string_view word) const {
    if (text_.size() - at_ <= word.size()) return false;
    for (size_t i = 0; i < word.size(); ++i) {
      if (std::tolower(static_cast<unsigned char>(text_[at_ + i])) != word[i]) return false;
    }
    const char next = text_[at_ + word.size()];
    return next == ' ' || next == '(';
  }

  static std::string FirstWord(std::string_view text, size_t* rest) {
    size_t at = 0;
    while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at]))) ++at;
    std::string word;
    while (at < text.size() &&
           (std::isalnum(static_cast<unsigned char>(text[at])) || text[at] == '_')) {
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(text[at++])));
    }
    while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at]))) ++at;
    *rest = at;
    return word;
  }

  // Everything up to the line that is `end` alone.
  void SkipBlock(std::string_view end) {
    while (at_ < text_.size()) {
      std::string_view line = TakeLine();
      while (!line.empty() && line.back() == '\r') line.remove_suffix(1);
      if (line == end) return;
    }
  }

  void Command(const std::string& text) {
    size_t rest = 0;
    const std::string word = FirstWord(text, &rest);
    std::string argument = text.substr(std::min(rest, text.size()));
    static const std::set<std::string> kSend = {
        "send", "send_eval", "eval", "query", "evalp", "query_vertical", "query_horizontal"};
    static const std::set<std::string> kIgnored = {"append_file",
                                                   "cat_file",
                                                   "change_user",
                                                   "character_set",
                                                   "chmod",
                                                   "connect",
                                                   "connection",
                                                   "copy_file",
                                                   "copy_files_wildcard",
                                                   "dec",
                                                   "die",
                                                   "diff_files",
                                                   "dirty_close",
                                                   "disable_abort_on_error",
                                                   "disable_async_client",
                                                   "disable_connect_log",
                                                   "disable_info",
                                                   "disable_metadata",
                                                   "disable_parsing",
                                                   "disable_prepare_warnings",
                                                   "disable_ps_protocol",
                                                   "disable_cursor_protocol",
                                                   "disable_ps2_protocol",
                                                   "disable_query_log",
                                                   "disable_reconnect",
                                                   "disable_result_log",
                                                   "disable_service_connection",
                                                   "disable_session_track_info",
                                                   "disable_testcase",
                                                   "disable_view_protocol",
                                                   "disable_warnings",
                                                   "disconnect",
                                                   "echo",
                                                   "enable_abort_on_error",
                                                   "enable_async_client",
                                                   "enable_connect_log",
                                                   "enable_info",
                                                   "enable_metadata",
                                                   "enable_parsing",
                                                   "enable_prepare_warnings",
                                                   "enable_ps_protocol",
                                                   "enable_cursor_protocol",
                                                   "enable_ps2_protocol",
                                                   "enable_query_log",
                                                   "enable_reconnect",
                                                   "enable_result_log",
                                                   "enable_service_connection",
                                                   "enable_session_track_info",
                                                   "enable_testcase",
                                                   "enable_view_protocol",
                                                   "enable_warnings",
                                                   "end_timer",
                                                   "error",
                                                   "exec",
                                                   "execw",
                                                   "exec_in_background",
                                                   "exit",
                                                   "expr",
                                                   "file_exists",
                                                   "force_cpdir",
                                                   "force_rmdir",
                                                   "horizontal_results",
                                                   "if",
                                                   "inc",
                                                   "let",
                                                   "list_files",
                                                   "list_files_append_file",
                                                   "list_files_write_file",
                                                   "lowercase_result",
                                                   "mkdir",
                                                   "move_file",
                                                   "output",
                                                   "partially_sorted_result",
                                                   "ping",
                                                   "query_attributes",
                                                   "query_get_value",
                                                   "query_reset_attributes",
                                                   "real_sleep",
                                                   "reap",
                                                   "remove_file",
                                                   "remove_files_wildcard",
                                                   "replace_column",
                                                   "replace_numeric_round",
                                                   "replace_regex",
                                                   "replace_result",
                                                   "require",
                                                   "reset_connection",
                                                   "result_format",
                                                   "rmdir",
                                                   "save_master_pos",
                                                   "send_quit",
                                                   "send_shutdown",
                                                   "shutdown_server",
                                                   "skip",
                                                   "skip_if_hypergraph",
                                                   "sleep",
                                                   "sorted_result",
                                                   "source",
                                                   "start_timer",
                                                   "sync_slave_with_master",
                                                   "sync_with_master",
                                                   "system",
                                                   "vertical_results",
                                                   "wait_for_slave_to_stop",
                                                   "while",
                                                   "assert",
                                                   "enable_non_blocking_api",
                                                   "disable_non_blocking_api",
                                                   "enable_column_names",
                                                   "disable_column_names",
                                                   "optimizer_trace",
                                                   "replica"};
    if (word == "delimiter") {
      while (!argument.empty() && std::isspace(static_cast<unsigned char>(argument.back()))) {
        argument.pop_back();
      }
      if (!argument.empty()) delimiter_ = argument;
    } else if (word == "perl" || word == "write_file" || word == "append_file") {
      if (at_ < text_.size() && text_[at_] == '\n') ++at_;
      // write_file name [end of block]; perl [end of block].
      std::string end = "EOF";
      const size_t space = argument.find_last_of(" \t");
      std::string last = argument.substr(space == std::string::npos ? 0 : space + 1);
      while (!last.empty() && !std::isalnum(static_cast<unsigned char>(last.back())))
        last.pop_back();
      const bool named = word == "perl" ? !last.empty() : space != std::string::npos;
      if (named && !last.empty()) end = last;
      SkipBlock(end);
    } else if (kSend.contains(word)) {
      if (argument.find('$') == std::string::npos && !argument.empty()) Add(argument);
    } else if (!kIgnored.contains(word) && !word.empty()) {
      Add(text);
    } else if (word.empty() && !text.empty()) {
      Add(text);  // ( SELECT … ), comments in front
    }
  }

  void Add(const std::string& text) {
    if (text.find_first_not_of(" \t\r\n") != std::string::npos) out_.push_back(text);
  }

  std::string_view text_;
  size_t at_ = 0;
  std::string delimiter_ = ";";
  std::vector<std::string> out_;
};

inline std::vector<std::string> SplitMtr(std::string_view text) {
  return MtrScript(text).Statements();
}

}  // namespace chameleon::test
