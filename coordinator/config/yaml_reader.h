// YAML with line numbers: sections whose keys are asked for one by one, and a list of problems.
//
// Each getter notes its key as known, adds an item for show_config and, when the value is not what
// it must be, a problem; it then returns the default, so that reading goes on and all problems are
// found at once. Section::Finish() reports the keys that nobody asked for.
#pragma once

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "chameleon/v1/control.pb.h"

namespace chameleon::coordinator::config {

class Problems {
 public:
  explicit Problems(std::string path) : path_(std::move(path)) {}
  // `line` counts from 1.
  void Add(int line, std::string_view key, std::string_view text, std::string_view hint);
  bool empty() const { return lines_.empty(); }
  // INVALID_ARGUMENT: in the order of lines, "path:line: key: text\nHINT: hint" each.
  absl::Status ToStatus() const;

 private:
  std::string path_;
  std::multimap<int, std::string> lines_;
};

class Section {
 public:
  using Items = std::vector<v1::ShowConfigResponse::Item>;

  // `node` may be undefined or null: an empty section. Anything but a mapping is a problem.
  Section(Problems* problems, Items* items, YAML::Node node, std::string path, int line);

  bool Has(const std::string& key) const { return entries_.count(key) != 0; }
  int LineOf(const std::string& key) const;
  int line() const { return line_; }
  const std::string& path() const { return path_; }
  std::string PathOf(const std::string& key) const;
  // In the order of the file.
  std::vector<std::string> Keys() const { return order_; }

  std::string Text(const std::string& key, std::string_view fallback);
  std::string Secret(const std::string& key);
  // A missing or empty value is a problem; `example` goes into the hint.
  std::string RequiredText(const std::string& key, std::string_view example);
  std::string Choice(const std::string& key, std::string_view fallback,
                     const std::vector<std::string>& choices);
  bool Bool(const std::string& key, bool fallback);
  uint64_t Number(const std::string& key, uint64_t fallback, uint64_t min, uint64_t max);
  double Decimal(const std::string& key, double fallback, double max);
  std::vector<std::string> List(const std::string& key);
  Section Map(const std::string& key);

  // Moves the entries whose key is not in `keep` to `to` (the manual nests the keys of a pgsql
  // source inside db_conn).
  void MoveOthers(const std::vector<std::string>& keep, Section* to);

  void Problem(const std::string& key, std::string_view text, std::string_view hint);
  void Finish();

 private:
  struct Entry {
    YAML::Node node;
    int line = 0;
    std::string path;
  };
  // The entry's text, or false (with a problem) when it is a list or a mapping. Null: empty text.
  bool Scalar(const std::string& key, std::string* text);
  void Item(const std::string& key, std::string value);

  Problems* problems_;
  Items* items_;
  std::string path_;
  int line_;
  std::map<std::string, Entry> entries_;
  std::vector<std::string> order_;
  std::vector<std::string> known_;
};

// The candidate nearest to `word` (edit distance at most a third of its length), or "".
std::string Nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace chameleon::coordinator::config
