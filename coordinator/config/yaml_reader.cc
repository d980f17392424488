#include "coordinator/config/yaml_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "coordinator/config/old_spellings.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator::config {
namespace {

int LineOfNode(const YAML::Node& node, int fallback) {
  const YAML::Mark mark = node.Mark();
  return mark.is_null() ? fallback : mark.line + 1;
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

std::string Nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  size_t best_distance = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const size_t distance = EditDistance(Lower(word), candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

void Problems::Add(int line, std::string_view key, std::string_view text, std::string_view hint) {
  lines_.emplace(line, fmt::format("{}:{}: {}: {}\nHINT: {}", path_, line, key, text, hint));
}

absl::Status Problems::ToStatus() const {
  std::vector<std::string> texts;
  for (const auto& [_, text] : lines_) texts.push_back(text);
  return Error(absl::StatusCode::kInvalidArgument, "CONFIG_INVALID", path_,
               fmt::format("{}", fmt::join(texts, "\n")), "");
}

Section::Section(Problems* problems, Items* items, YAML::Node node, std::string path, int line)
    : problems_(problems), items_(items), path_(std::move(path)), line_(line) {
  if (!node.IsDefined() || node.IsNull()) return;
  if (!node.IsMap()) {
    problems_->Add(LineOfNode(node, line_), path_.empty() ? "the file" : path_,
                   "must be a mapping of keys to values", "Write one \"key: value\" per line.");
    return;
  }
  for (const auto& pair : node) {
    const int key_line = LineOfNode(pair.first, line_);
    if (!pair.first.IsScalar()) {
      problems_->Add(key_line, path_.empty() ? "the file" : path_, "a key must be a single word",
                     "Write \"key: value\".");
      continue;
    }
    const std::string key = pair.first.Scalar();
    Entry entry{pair.second, key_line, path_.empty() ? key : path_ + "." + key};
    const auto [it, fresh] = entries_.emplace(key, entry);
    if (fresh) {
      order_.push_back(key);
    } else {
      problems_->Add(key_line, entry.path,
                     fmt::format("given twice, first in line {}", it->second.line),
                     "Keep one of the two.");
    }
  }
}

int Section::LineOf(const std::string& key) const {
  const auto it = entries_.find(key);
  return it == entries_.end() ? line_ : it->second.line;
}

std::string Section::PathOf(const std::string& key) const {
  const auto it = entries_.find(key);
  if (it != entries_.end()) return it->second.path;
  return path_.empty() ? key : path_ + "." + key;
}

void Section::Problem(const std::string& key, std::string_view text, std::string_view hint) {
  problems_->Add(LineOf(key), PathOf(key), text, hint);
}

void Section::Item(const std::string& key, std::string value) {
  v1::ShowConfigResponse::Item item;
  item.set_key(PathOf(key));
  item.set_value(std::move(value));
  item.set_from_file(Has(key));
  items_->push_back(std::move(item));
}

bool Section::Scalar(const std::string& key, std::string* text) {
  known_.push_back(key);
  const auto it = entries_.find(key);
  if (it == entries_.end()) return false;
  const YAML::Node& node = it->second.node;
  if (node.IsNull()) {
    text->clear();
    return true;
  }
  if (!node.IsScalar()) {
    Problem(key, "must be a single value", fmt::format("Write \"{}: value\" on one line.", key));
    return false;
  }
  *text = node.Scalar();
  return true;
}

std::string Section::Text(const std::string& key, std::string_view fallback) {
  std::string text(fallback);
  Scalar(key, &text);
  Item(key, text);
  return text;
}

std::string Section::Secret(const std::string& key) {
  std::string text;
  Scalar(key, &text);
  Item(key, text.empty() ? "" : "********");
  return text;
}

std::string Section::RequiredText(const std::string& key, std::string_view example) {
  std::string text;
  const bool given = Scalar(key, &text);
  if (given && text.empty()) {
    Problem(key, "has no value", fmt::format("Give it one, for example \"{}: {}\".", key, example));
  } else if (!Has(key)) {
    Problem(key, "missing", fmt::format("Add it, for example \"{}: {}\".", key, example));
  }
  Item(key, text);
  return text;
}

std::string Section::Choice(const std::string& key, std::string_view fallback,
                            const std::vector<std::string>& choices) {
  std::string text(fallback);
  if (Scalar(key, &text) && std::find(choices.begin(), choices.end(), text) == choices.end()) {
    Problem(key, fmt::format("\"{}\" is not allowed", text),
            fmt::format("Use one of: {}.", fmt::join(choices, ", ")));
    text = fallback;
  }
  Item(key, text);
  return text;
}

bool Section::Bool(const std::string& key, bool fallback) {
  bool value = fallback;
  std::string text;
  if (Scalar(key, &text)) {
    const std::string lower = Lower(text);
    if (lower == "yes" || lower == "true" || lower == "on" || lower == "y") {
      value = true;
    } else if (lower == "no" || lower == "false" || lower == "off" || lower == "n") {
      value = false;
    } else {
      Problem(key, fmt::format("\"{}\" is neither yes nor no", text), "Write Yes or No.");
    }
  }
  Item(key, value ? "yes" : "no");
  return value;
}

uint64_t Section::Number(const std::string& key, uint64_t fallback, uint64_t min, uint64_t max) {
  uint64_t value = fallback;
  std::string text;
  if (Scalar(key, &text)) {
    uint64_t parsed = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), parsed);
    if (error != std::errc() || end != text.data() + text.size() || parsed < min || parsed > max) {
      Problem(key, fmt::format("\"{}\" is not a number from {} to {}", text, min, max),
              fmt::format("Write a whole number, for example {}.", fallback));
    } else {
      value = parsed;
    }
  }
  Item(key, fmt::format("{}", value));
  return value;
}

double Section::Decimal(const std::string& key, double fallback, double max) {
  double value = fallback;
  std::string text;
  if (Scalar(key, &text)) {
    double parsed = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), parsed);
    if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(parsed) ||
        parsed < 0 || parsed > max) {
      Problem(key, fmt::format("\"{}\" is not a number from 0 to {}", text, max),
              fmt::format("Write a number, for example {}.", fallback));
    } else {
      value = parsed;
    }
  }
  Item(key, fmt::format("{}", value));
  return value;
}

std::vector<std::string> Section::List(const std::string& key) {
  known_.push_back(key);
  std::vector<std::string> values;
  const auto it = entries_.find(key);
  if (it != entries_.end() && !it->second.node.IsNull()) {
    const YAML::Node& node = it->second.node;
    if (!node.IsSequence()) {
      Problem(key, "must be a list",
              fmt::format("Write each entry on a line of its own below \"{}:\", "
                          "beginning with \"- \".",
                          key));
    } else {
      for (const YAML::Node& element : node) {
        if (element.IsScalar() && !element.Scalar().empty()) {
          values.push_back(element.Scalar());
        } else {
          problems_->Add(LineOfNode(element, it->second.line), it->second.path,
                         "a list entry must be a single value", "Write \"- value\".");
        }
      }
    }
  }
  Item(key, fmt::format("{}", fmt::join(values, ", ")));
  return values;
}

Section Section::Map(const std::string& key) {
  known_.push_back(key);
  const auto it = entries_.find(key);
  if (it == entries_.end()) return Section(problems_, items_, YAML::Node(), PathOf(key), line_);
  return Section(problems_, items_, it->second.node, it->second.path, it->second.line);
}

void Section::MoveOthers(const std::vector<std::string>& keep, Section* to) {
  std::vector<std::string> stay;
  for (const std::string& key : order_) {
    if (std::find(keep.begin(), keep.end(), key) != keep.end()) {
      stay.push_back(key);
      continue;
    }
    auto moved = entries_.extract(key);
    const auto result = to->entries_.insert(std::move(moved));
    if (result.inserted) {
      to->order_.push_back(key);
    } else {
      problems_->Add(result.node.mapped().line, result.node.mapped().path,
                     fmt::format("given twice, first in line {}", result.position->second.line),
                     "Keep one of the two.");
    }
  }
  order_ = std::move(stay);
}

void Section::Finish() {
  for (const std::string& key : order_) {
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    if (const std::string hint = OldSpellingHint(path_, key); !hint.empty()) {
      Problem(key, "a key of an older version", hint);
      continue;
    }
    const std::string nearest = Nearest(key, known_);
    Problem(key, "unknown key",
            nearest.empty()
                ? fmt::format("Remove it. Known keys here: {}.", fmt::join(known_, ", "))
                : fmt::format("Did you mean \"{}\"?", nearest));
  }
}

}  // namespace chameleon::coordinator::config
