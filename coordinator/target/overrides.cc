#include "coordinator/target/overrides.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

namespace chameleon::coordinator::target {
namespace {

enum class Family {
  kInteger,
  kNumber,
  kFloat,
  kBool,
  kText,
  kBytes,
  kDate,
  kTimestamp,
  kTime,
  kBits,
  kJson,
  kOther
};

// "character varying(20)" → "character varying"; lower case.
std::string BaseName(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const size_t open = text.find('(');
  if (open != std::string::npos) {
    const size_t close = text.find(')', open);
    text.erase(open, close == std::string::npos ? std::string::npos : close - open + 1);
  }
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

Family FamilyOf(const std::string& base) {
  static const std::map<std::string, Family> kFamilies = {
      {"smallint", Family::kInteger},
      {"int2", Family::kInteger},
      {"integer", Family::kInteger},
      {"int", Family::kInteger},
      {"int4", Family::kInteger},
      {"bigint", Family::kInteger},
      {"int8", Family::kInteger},
      {"numeric", Family::kNumber},
      {"decimal", Family::kNumber},
      {"real", Family::kFloat},
      {"float4", Family::kFloat},
      {"double precision", Family::kFloat},
      {"float8", Family::kFloat},
      {"boolean", Family::kBool},
      {"bool", Family::kBool},
      {"text", Family::kText},
      {"varchar", Family::kText},
      {"character varying", Family::kText},
      {"char", Family::kText},
      {"character", Family::kText},
      {"citext", Family::kText},
      {"bytea", Family::kBytes},
      {"date", Family::kDate},
      {"timestamp", Family::kTimestamp},
      {"timestamptz", Family::kTimestamp},
      {"timestamp without time zone", Family::kTimestamp},
      {"timestamp with time zone", Family::kTimestamp},
      {"time", Family::kTime},
      {"time without time zone", Family::kTime},
      {"interval", Family::kTime},
      {"bit", Family::kBits},
      {"bit varying", Family::kBits},
      {"varbit", Family::kBits},
      {"json", Family::kJson},
      {"jsonb", Family::kJson},
  };
  auto found = kFamilies.find(base);
  return found == kFamilies.end() ? Family::kOther : found->second;
}

bool IsIntegerColumn(v1::BaseType type) { return type >= v1::TINYINT && type <= v1::BIGINT; }

bool IsString(v1::BaseType type) { return type >= v1::CHAR && type <= v1::LONGTEXT; }

bool Fits(const v1::ColumnDef& column, v1::Encoding native, Family family) {
  const v1::BaseType type = column.base_type();
  switch (family) {
    case Family::kInteger:
      return IsIntegerColumn(type) || type == v1::YEAR ||
             (type == v1::DECIMAL && column.scale() == 0);
    case Family::kNumber:
      return IsIntegerColumn(type) || type == v1::DECIMAL || type == v1::YEAR ||
             type == v1::FLOAT || type == v1::DOUBLE;
    case Family::kFloat:
      return type == v1::FLOAT || type == v1::DOUBLE || IsIntegerColumn(type);
    case Family::kBool:
      return IsIntegerColumn(type) || type == v1::BIT;
    case Family::kText:
      return native != v1::ENCODING_BYTEA && native != v1::ENCODING_EWKB;
    case Family::kBytes:
      return native == v1::ENCODING_BYTEA || native == v1::ENCODING_EWKB;
    case Family::kDate:
      return type == v1::DATE;
    case Family::kTimestamp:
      return type == v1::DATE || type == v1::DATETIME || type == v1::TIMESTAMP;
    case Family::kTime:
      return type == v1::TIME;
    case Family::kBits:
      return type == v1::BIT;
    case Family::kJson:
      return type == v1::JSON || IsString(type);
    case Family::kOther:  // an extension's or the user's own type: it reads text
      return IsString(type) || type == v1::ENUM || native == v1::ENCODING_UUID ||
             native == v1::ENCODING_INET || native == v1::ENCODING_EWKB;
  }
  return false;
}

}  // namespace

std::optional<v1::Encoding> OverrideEncoding(const v1::ColumnDef& column, v1::Encoding native,
                                             const std::string& target_type) {
  const Family family = FamilyOf(BaseName(target_type));
  if (!Fits(column, native, family)) return std::nullopt;
  if (family == Family::kBool) return v1::ENCODING_BOOLEAN;
  if (family == Family::kBytes) return v1::ENCODING_BYTEA;
  return native;
}

}  // namespace chameleon::coordinator::target
