#include "worker/ddl/column_type.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace chameleon::worker::ddl {
namespace {

struct TypeName {
  std::string_view name;
  v1::BaseType type;
};

// The first name of a type is the one that BaseTypeName() returns.
constexpr TypeName kTypeNames[] = {
    {"tinyint", v1::TINYINT},
    {"smallint", v1::SMALLINT},
    {"mediumint", v1::MEDIUMINT},
    {"int", v1::INT},
    {"bigint", v1::BIGINT},
    {"decimal", v1::DECIMAL},
    {"float", v1::FLOAT},
    {"double", v1::DOUBLE},
    {"bit", v1::BIT},
    {"year", v1::YEAR},
    {"date", v1::DATE},
    {"time", v1::TIME},
    {"datetime", v1::DATETIME},
    {"timestamp", v1::TIMESTAMP},
    {"char", v1::CHAR},
    {"varchar", v1::VARCHAR},
    {"tinytext", v1::TINYTEXT},
    {"text", v1::TEXT},
    {"mediumtext", v1::MEDIUMTEXT},
    {"longtext", v1::LONGTEXT},
    {"binary", v1::BINARY},
    {"varbinary", v1::VARBINARY},
    {"tinyblob", v1::TINYBLOB},
    {"blob", v1::BLOB},
    {"mediumblob", v1::MEDIUMBLOB},
    {"longblob", v1::LONGBLOB},
    {"enum", v1::ENUM},
    {"set", v1::SET},
    {"json", v1::JSON},
    {"geometry", v1::GEOMETRY},
    {"point", v1::POINT},
    {"linestring", v1::LINESTRING},
    {"polygon", v1::POLYGON},
    {"multipoint", v1::MULTIPOINT},
    {"multilinestring", v1::MULTILINESTRING},
    {"multipolygon", v1::MULTIPOLYGON},
    {"geometrycollection", v1::GEOMETRYCOLLECTION},
    {"geomcollection", v1::GEOMETRYCOLLECTION},
    {"vector", v1::VECTOR},
    {"uuid", v1::UUID},
    {"inet4", v1::INET4},
    {"inet6", v1::INET6},
};

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string Lowered(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = Lower(c);
  return lower;
}

// Reads the parts of one type text from left to right.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  void SkipSpace() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\t')) rest_.remove_prefix(1);
  }
  bool Done() {
    SkipSpace();
    return rest_.empty();
  }
  bool Take(char c) {
    SkipSpace();
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::string Word() {
    SkipSpace();
    size_t n = 0;
    while (n < rest_.size() && ((Lower(rest_[n]) >= 'a' && Lower(rest_[n]) <= 'z') ||
                                (n > 0 && rest_[n] >= '0' && rest_[n] <= '9'))) {
      ++n;
    }
    std::string word = Lowered(rest_.substr(0, n));
    rest_.remove_prefix(n);
    return word;
  }
  std::optional<uint32_t> Number() {
    SkipSpace();
    uint32_t value = 0;
    auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc()) return std::nullopt;
    rest_.remove_prefix(end - rest_.data());
    return value;
  }
  // A label in single quotes; nothing when it has no end.
  // Bytes that are no text stand as x'92' (MySQL): the label is \x92.
  std::optional<std::string> Label() {
    std::string label;
    SkipSpace();
    if (rest_.starts_with("x'")) {
      rest_.remove_prefix(1);
      label = "\\x";
    }
    if (!Take('\'')) return std::nullopt;
    for (size_t i = 0; i < rest_.size(); ++i) {
      char c = rest_[i];
      if (c == '\\' && i + 1 < rest_.size()) {
        c = rest_[++i];
        label += c == 'n' ? '\n' : c == 'r' ? '\r' : c == '0' ? '\0' : c;
      } else if (c != '\'') {
        label += c;
      } else if (i + 1 < rest_.size() && rest_[i + 1] == '\'') {
        label += '\'';
        ++i;
      } else {
        rest_.remove_prefix(i + 1);
        return label;
      }
    }
    return std::nullopt;
  }
  // A comment's inside, lower case; nothing when the next thing is no comment.
  std::optional<std::string> Comment() {
    SkipSpace();
    if (!rest_.starts_with("/*")) return std::nullopt;
    size_t end = rest_.find("*/", 2);
    if (end == std::string_view::npos) return std::nullopt;
    std::string inside = Lowered(rest_.substr(2, end - 2));
    rest_.remove_prefix(end + 2);
    return inside;
  }

 private:
  std::string_view rest_;
};

v1::BaseType TypeOf(std::string_view name) {
  for (const TypeName& known : kTypeNames) {
    if (known.name == name) return known.type;
  }
  return v1::BASE_TYPE_UNSPECIFIED;
}

// What stands in the parentheses after the type's name.
bool ReadDimensions(Reader& in, v1::ColumnDef* def) {
  const v1::BaseType type = def->base_type();
  if (!in.Take('(')) return type != v1::ENUM && type != v1::SET;
  if (type == v1::ENUM || type == v1::SET) {
    do {
      std::optional<std::string> label = in.Label();
      if (!label) return false;
      def->add_labels(std::move(*label));
    } while (in.Take(','));
    return in.Take(')');
  }
  std::optional<uint32_t> first = in.Number();
  std::optional<uint32_t> second;
  if (!first || (in.Take(',') && !(second = in.Number())) || !in.Take(')')) return false;
  switch (type) {
    case v1::TIME:
    case v1::DATETIME:
    case v1::TIMESTAMP:
      def->set_fsp(*first);
      break;
    case v1::DECIMAL:
    case v1::FLOAT:
    case v1::DOUBLE:
      def->set_length(*first);
      def->set_scale(second.value_or(0));
      break;
    case v1::TINYINT:
    case v1::BIT:
    case v1::CHAR:
    case v1::VARCHAR:
    case v1::BINARY:
    case v1::VARBINARY:
    case v1::VECTOR:
      def->set_length(*first);
      break;
    default:
      break;  // display widths of integers and year(4)
  }
  return true;
}

bool ReadAttributes(Reader& in, v1::ColumnDef* def) {
  while (!in.Done()) {
    if (std::optional<std::string> comment = in.Comment()) {
      if (comment->find("mariadb-5.3") != std::string::npos) def->set_old_temporal(true);
      if (comment->find("5.5 binary format") != std::string::npos) def->set_old_temporal(true);
      if (comment->find("compressed") != std::string::npos) def->set_compressed(true);
      continue;
    }
    const std::string word = in.Word();
    if (word == "unsigned") {
      def->set_is_unsigned(true);
    } else if (word == "zerofill") {
      def->set_zerofill(true);
      def->set_is_unsigned(true);
    } else if (word == "compressed") {
      def->set_compressed(true);
    } else {
      return false;
    }
  }
  return true;
}

void DefaultDimensions(v1::ColumnDef* def) {
  if (def->length() != 0) return;
  switch (def->base_type()) {
    case v1::DECIMAL:
      def->set_length(10);
      break;
    case v1::BIT:
      def->set_length(1);
      break;
    default:
      break;
  }
}

}  // namespace

absl::Status ParseColumnType(std::string_view column_type, v1::ColumnDef* out) {
  Reader in(column_type);
  v1::ColumnDef def;
  def.set_base_type(TypeOf(in.Word()));
  if (def.base_type() == v1::BASE_TYPE_UNSPECIFIED) {
    return absl::DataLossError(fmt::format("unknown column type \"{}\"", column_type));
  }
  if (!ReadDimensions(in, &def) || !ReadAttributes(in, &def)) {
    return absl::DataLossError(fmt::format("malformed column type \"{}\"", column_type));
  }
  DefaultDimensions(&def);
  out->set_column_type(std::string(column_type));
  out->set_base_type(def.base_type());
  out->set_is_unsigned(def.is_unsigned());
  out->set_zerofill(def.zerofill());
  out->set_length(def.length());
  out->set_scale(def.scale());
  out->set_fsp(def.fsp());
  out->mutable_labels()->Swap(def.mutable_labels());
  out->set_old_temporal(def.old_temporal());
  out->set_compressed(def.compressed());
  return absl::OkStatus();
}

std::string_view BaseTypeName(v1::BaseType type) {
  for (const TypeName& known : kTypeNames) {
    if (known.type == type) return known.name;
  }
  return {};
}

bool IsInteger(v1::BaseType type) { return type >= v1::TINYINT && type <= v1::BIGINT; }

bool HasCharset(v1::BaseType type) {
  return (type >= v1::CHAR && type <= v1::LONGTEXT) || type == v1::ENUM || type == v1::SET;
}

bool IsSpatial(v1::BaseType type) { return type >= v1::GEOMETRY && type <= v1::GEOMETRYCOLLECTION; }

}  // namespace chameleon::worker::ddl
