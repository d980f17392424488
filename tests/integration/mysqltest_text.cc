#include "tests/integration/mysqltest_text.h"

#include <fmt/format.h>

#include <cctype>
#include <regex>
#include <set>

namespace chameleon::test {
namespace {

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) {
    text.remove_prefix(1);
  }
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) {
    text.remove_suffix(1);
  }
  return text;
}

// Commands of mysqltest that end the test or reach outside of the servers.
const std::set<std::string>& DroppedCommands() {
  static const std::set<std::string> kCommands = {"error",         "enable_abort_on_error",
                                                  "die",           "exec",
                                                  "execw",         "exec_in_background",
                                                  "system",        "shutdown_server",
                                                  "send_shutdown", "force-rmdir",
                                                  "force_rmdir",   "remove_files_wildcard",
                                                  "skip",          "assert"};
  return kCommands;
}

bool IsDroppedStatement(const std::string& lower) {
  static const std::vector<std::string> kBeginnings = {"shutdown",
                                                       "restart;",
                                                       "reset master",
                                                       "reset binary logs",
                                                       "purge ",
                                                       "reset persist",
                                                       "set global gtid",
                                                       "set @@global.gtid",
                                                       "set gtid_next",
                                                       "set @@session.gtid",
                                                       "set session gtid",
                                                       "change master",
                                                       "change replication",
                                                       "start slave",
                                                       "start replica"};
  for (const std::string& beginning : kBeginnings) {
    if (lower.starts_with(beginning)) return true;
  }
  return false;
}

class Preparation {
 public:
  Preparation(std::string_view text, const MysqltestRules& rules) : text_(text), rules_(rules) {}

  std::string Run() {
    size_t at = 0;
    while (at < text_.size()) {
      const size_t end = std::min(text_.find('\n', at), text_.size());
      Line(std::string(text_.substr(at, end - at)));
      at = end + 1;
    }
    std::string out;
    for (const std::string& line : out_) out += line + "\n";
    return out;
  }

 private:
  void Line(std::string line) {
    const std::string trimmed(Trim(line));
    if (!block_end_.empty()) {
      if (trimmed == block_end_) block_end_.clear();
      if (!drop_block_) out_.push_back(line);
      return;
    }
    const bool dashes = trimmed.starts_with("--");
    if (!in_statement_ && (trimmed.empty() || trimmed[0] == '#')) {
      out_.push_back(line);
      return;
    }
    std::string body(Trim(dashes ? trimmed.substr(2) : trimmed));
    const std::string lower = Lower(body);
    const std::string word = lower.substr(0, lower.find_first_of(" \t;("));
    if (!in_statement_ && Block(word, body)) {
      if (!drop_block_) out_.push_back(line);
      return;
    }
    if (!in_statement_ && (DroppedCommands().contains(word) || IsDroppedStatement(lower))) {
      // A command without dashes goes on to its delimiter.
      if (!dashes) Ended(body, /*dropped=*/true);
      return;
    }
    if (!in_statement_ && (word == "sleep" || word == "real_sleep")) {
      out_.push_back("--sleep 0.1");
      return;
    }
    if (!in_statement_ && word == "delimiter") {
      out_.push_back(line);
      Delimiter(body, dashes);
      return;
    }
    if (dropping_) {
      Ended(body, /*dropped=*/true);
      return;
    }
    if (!in_statement_ && Drops(lower)) Hook();
    if (!in_statement_) statement_.clear();
    statement_ += body + "\n";
    out_.push_back(Replaced(std::move(line)));
    if (!dashes) Ended(body, /*dropped=*/false);
  }

  // write_file and perl with their texts.
  bool Block(const std::string& word, const std::string& body) {
    if (word != "write_file" && word != "append_file" && word != "perl") return false;
    std::string last(Trim(body.substr(body.find_last_of(" \t") == std::string::npos
                                          ? body.size()
                                          : body.find_last_of(" \t") + 1)));
    while (!last.empty() && (last.back() == ';' || last.back() == '\r')) last.pop_back();
    const bool path = last.find_first_of("/$.") != std::string::npos;
    block_end_ = last.empty() || path ? "EOF" : last;
    drop_block_ = word == "perl";
    return true;
  }

  void Delimiter(const std::string& body, bool dashes) {
    std::string rest(Trim(std::string_view(body).substr(std::string("delimiter").size())));
    if (!dashes && rest.size() > delimiter_.size() && rest.ends_with(delimiter_)) {
      rest.resize(rest.size() - delimiter_.size());
    }
    rest = Trim(rest);
    if (!rest.empty()) delimiter_ = rest;
  }

  void Ended(const std::string& body, bool dropped) {
    const bool ends = body.ends_with(delimiter_) || body.ends_with("{") || body.ends_with("}");
    dropping_ = dropped && !ends;
    in_statement_ = !ends;
    // A comment after the delimiter.
    const size_t comment = body.rfind(delimiter_ + " #");
    if (!ends && comment != std::string::npos) in_statement_ = dropping_ = false;
    if (!ends || dropped || !rules_.key_for) return;
    AddKey();
  }

  void AddKey() {
    std::string statement = statement_.substr(0, statement_.rfind(delimiter_));
    std::string lower = Lower(statement.substr(0, 40));
    if (lower.starts_with("eval ")) {
      statement = std::regex_replace(statement.substr(5), std::regex("\\$\\w+"), "InnoDB");
      lower = Lower(statement.substr(0, 40));
    }
    if (!lower.starts_with("create") || lower.find("table") == std::string::npos) return;
    const std::string key = rules_.key_for(statement);
    if (!key.empty()) out_.push_back(key + delimiter_);
  }

  static bool Drops(std::string_view lower) {
    if (lower.starts_with("eval ")) lower = Trim(lower.substr(5));
    if (!lower.starts_with("drop")) return false;
    lower = Trim(lower.substr(4));
    return (lower.starts_with("table") && !lower.starts_with("tablespace")) ||
           lower.starts_with("database") || lower.starts_with("schema");
  }

  // Above the commands that say something about the statement.
  void Hook() {
    size_t at = out_.size();
    while (at > 0) {
      const std::string_view line = Trim(out_[at - 1]);
      if (!line.empty() && line[0] != '#' && !line.starts_with("--")) break;
      --at;
    }
    out_.insert(out_.begin() + static_cast<std::ptrdiff_t>(at), "--exec " + rules_.hook);
  }

  std::string Replaced(std::string line) const {
    static const std::regex kStdData("(\\.\\./)+std_data(_ln)?/");
    static const std::regex kLogBin("sql_log_bin\\s*=\\s*(0|off|false)", std::regex::icase);
    static const std::regex kFormat("binlog_format\\s*=\\s*'?\"?(statement|mixed)'?\"?",
                                    std::regex::icase);
    static const std::regex kCounter("wait_counter\\s*=\\s*[0-9]+");
    static const std::regex kTimeout("wait_timeout\\s*=\\s*[0-9]+;");
    if (line.find("std_data") != line.npos) {
      line = std::regex_replace(line, kStdData, rules_.std_data + "/");
    }
    const std::string lower = Lower(line);
    if (lower.find("sql_log_bin") != lower.npos) {
      line = std::regex_replace(line, kLogBin, "sql_log_bin=1");
    }
    if (lower.find("binlog_format") != lower.npos) {
      line = std::regex_replace(line, kFormat, "binlog_format=ROW");
    }
    if (lower.find("wait_counter") != lower.npos) {
      line = std::regex_replace(line, kCounter, "wait_counter= 30");
    }
    if (lower.find("let $wait_timeout") != lower.npos) {
      line = std::regex_replace(line, kTimeout, "wait_timeout= 3;");
    }
    return line;
  }

  std::string_view text_;
  const MysqltestRules& rules_;
  std::vector<std::string> out_;
  std::string delimiter_ = ";", block_end_, statement_;
  bool drop_block_ = false, in_statement_ = false, dropping_ = false;
};

}  // namespace

std::string PrepareForMysqltest(std::string_view text, const MysqltestRules& rules, bool first) {
  return (first ? "--disable_abort_on_error\n" : "") + Preparation(text, rules).Run();
}

bool IsEmptied(const std::string& file_name) {
  static const std::set<std::string> kNames = {"restart_mysqld.inc",
                                               "restart_mysqld_no_echo.inc",
                                               "shutdown_mysqld.inc",
                                               "start_mysqld.inc",
                                               "kill_mysqld.inc",
                                               "kill_and_restart_mysqld.inc",
                                               "kill_and_restart_mysqld_no_echo.inc",
                                               "expect_crash.inc",
                                               "crash_mysqld.inc",
                                               "wait_until_disconnected.inc",
                                               "search_pattern_in_file.inc",
                                               "search_pattern.inc",
                                               "restart_innodb_read_only.inc",
                                               "force_restart.inc",
                                               "force_restart_if_skipped.inc"};
  return kNames.contains(file_name);
}

}  // namespace chameleon::test
