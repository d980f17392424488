#include "coordinator/target/overrides.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <vector>

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

// The numbers in parentheses: varchar(20), numeric(10,2), timestamp(3) with time zone.
std::vector<uint32_t> Dimensions(const std::string& type) {
  std::vector<uint32_t> numbers;
  const size_t open = type.find('(');
  if (open == std::string::npos) return numbers;
  for (size_t at = open; at < type.size() && type[at] != ')'; ++at) {
    if (type[at] < '0' || type[at] > '9') continue;
    if (type[at - 1] < '0' || type[at - 1] > '9') numbers.push_back(0);
    numbers.back() = numbers.back() * 10 + static_cast<uint32_t>(type[at] - '0');
  }
  return numbers;
}

// Bits of an integer column, the sign included.
uint32_t IntegerBits(const v1::ColumnDef& column) {
  static constexpr uint32_t kBits[] = {8, 16, 24, 32, 64};
  return kBits[column.base_type() - v1::TINYINT] + (column.is_unsigned() ? 1 : 0);
}

uint32_t IntegerDigits(const v1::ColumnDef& column) {
  static constexpr uint32_t kDigits[] = {3, 5, 8, 10, 20};
  return kDigits[column.base_type() - v1::TINYINT];
}

bool FitsInteger(const v1::ColumnDef& column, const std::string& base) {
  const bool small = base == "smallint" || base == "int2";
  const bool big = base == "bigint" || base == "int8";
  const uint32_t bits = small ? 16 : big ? 64 : 32;
  if (column.base_type() == v1::YEAR) return true;
  if (column.base_type() == v1::DECIMAL) {
    return column.scale() == 0 && column.length() <= (small ? 4 : big ? 18 : 9);
  }
  if (!IsIntegerColumn(column.base_type())) return false;
  // Keys are BIGINT UNSIGNED everywhere, and hardly one is beyond half of it: such a row is an
  // error of its own.
  return IntegerBits(column) <= bits || (column.base_type() == v1::BIGINT && big);
}

bool FitsNumber(const v1::ColumnDef& column, const std::vector<uint32_t>& dimensions) {
  const v1::BaseType type = column.base_type();
  const bool integer = IsIntegerColumn(type) || type == v1::YEAR;
  if (!integer && type != v1::DECIMAL && type != v1::FLOAT && type != v1::DOUBLE) return false;
  if (dimensions.empty()) return true;
  if (type == v1::FLOAT || type == v1::DOUBLE) return false;  // it would be rounded
  const uint32_t scale = dimensions.size() > 1 ? dimensions[1] : 0;
  if (scale > dimensions[0]) return false;
  const uint32_t digits = type == v1::YEAR ? 4
                          : integer        ? IntegerDigits(column)
                                           : column.length() - column.scale();
  return scale >= (type == v1::DECIMAL ? column.scale() : 0) && dimensions[0] - scale >= digits;
}

bool FitsFloat(const v1::ColumnDef& column, const std::string& base) {
  if (base != "real" && base != "float4") {
    return column.base_type() == v1::FLOAT || column.base_type() == v1::DOUBLE ||
           (IsIntegerColumn(column.base_type()) && column.base_type() != v1::BIGINT);
  }
  return column.base_type() == v1::FLOAT ||
         (IsIntegerColumn(column.base_type()) && column.base_type() <= v1::MEDIUMINT);
}

// Characters of the longest value, 0: without a limit that is worth one.
uint32_t TextLength(const v1::ColumnDef& column) {
  uint32_t length = 0;
  switch (column.base_type()) {
    case v1::CHAR:
    case v1::VARCHAR:
      return std::max(column.length(), 1u);
    case v1::ENUM:
    case v1::SET:
      // In bytes: at least as many as characters.
      for (const std::string& label : column.labels()) {
        const auto size = static_cast<uint32_t>(label.size());
        length = column.base_type() == v1::SET ? length + size + 1 : std::max(length, size);
      }
      return std::max(length, 1u);
    case v1::DECIMAL:
      return column.length() + 3;
    case v1::DATE:
      return 10;
    case v1::DATETIME:
    case v1::TIMESTAMP:
    case v1::TIME:
      return 29;
    case v1::UUID:
      return 36;
    default:
      return IsIntegerColumn(column.base_type()) || column.base_type() == v1::YEAR ? 20 : 0;
  }
}

bool FitsText(const v1::ColumnDef& column, v1::Encoding native, const std::string& base,
              std::vector<uint32_t> dimensions) {
  if (native == v1::ENCODING_BYTEA || native == v1::ENCODING_EWKB) return false;
  if (dimensions.empty() && (base == "char" || base == "character")) dimensions.push_back(1);
  const uint32_t length = TextLength(column);
  return dimensions.empty() || (length > 0 && length <= dimensions[0]);
}

bool FitsTime(const v1::ColumnDef& column, const std::vector<uint32_t>& dimensions) {
  return dimensions.empty() || dimensions[0] >= column.fsp();
}

bool FitsBits(const v1::ColumnDef& column, const std::string& base,
              std::vector<uint32_t> dimensions) {
  if (column.base_type() != v1::BIT) return false;
  const uint32_t bits = std::max(column.length(), 1u);
  if (base == "bit") return bits == (dimensions.empty() ? 1 : dimensions[0]);
  return dimensions.empty() || dimensions[0] >= bits;
}

bool Fits(const v1::ColumnDef& column, v1::Encoding native, const std::string& target) {
  const v1::BaseType type = column.base_type();
  const std::string base = BaseName(target);
  const std::vector<uint32_t> dimensions = Dimensions(target);
  switch (FamilyOf(base)) {
    case Family::kInteger:
      return FitsInteger(column, base);
    case Family::kNumber:
      return FitsNumber(column, dimensions);
    case Family::kFloat:
      return FitsFloat(column, base);
    case Family::kBool:
      return IsIntegerColumn(type) || type == v1::BIT;
    case Family::kText:
      return FitsText(column, native, base, dimensions);
    case Family::kBytes:
      return native == v1::ENCODING_BYTEA || native == v1::ENCODING_EWKB;
    case Family::kDate:
      return type == v1::DATE;
    case Family::kTimestamp:
      return type == v1::DATE ||
             ((type == v1::DATETIME || type == v1::TIMESTAMP) && FitsTime(column, dimensions));
    case Family::kTime:
      return type == v1::TIME && FitsTime(column, dimensions);
    case Family::kBits:
      return FitsBits(column, base, dimensions);
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
  if (!Fits(column, native, target_type)) return std::nullopt;
  const Family family = FamilyOf(BaseName(target_type));
  if (family == Family::kBool) return v1::ENCODING_BOOLEAN;
  if (family == Family::kBytes) return v1::ENCODING_BYTEA;
  return native;
}

}  // namespace chameleon::coordinator::target
