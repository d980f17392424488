#include "worker/ddl/type_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "worker/ddl/column_type.h"
#include "worker/ddl/names.h"

namespace chameleon::worker::ddl {
namespace {

constexpr uint64_t kVarcharBytesMax = 65'535;
constexpr uint32_t kNoDisplayWidths = 80'019;  // MySQL 8.0.19
constexpr uint32_t kGeomcollection = 80'011;
constexpr uint64_t kFloatDigitsMax = 24;

bool ShowsWidths(const SessionContext& context) {
  return context.mariadb() || context.server_version < kNoDisplayWidths;
}

uint32_t DefaultWidth(v1::BaseType type, bool is_unsigned) {
  switch (type) {
    case v1::TINYINT:
      return is_unsigned ? 3 : 4;
    case v1::SMALLINT:
      return is_unsigned ? 5 : 6;
    case v1::MEDIUMINT:
      return is_unsigned ? 8 : 9;
    case v1::INT:
      return is_unsigned ? 10 : 11;
    default:
      return 20;
  }
}

std::string_view SignText(const TypeSpec& type) {
  return type.zerofill ? " unsigned zerofill" : type.is_unsigned ? " unsigned" : "";
}

std::string IntegerText(const TypeSpec& type, const SessionContext& context) {
  const uint64_t width =
      type.length.value_or(0) != 0 ? *type.length : DefaultWidth(type.base, type.is_unsigned);
  const bool boolean = type.base == v1::TINYINT && width == 1 && !type.is_unsigned;
  const std::string dimensions =
      ShowsWidths(context) || type.zerofill || boolean ? fmt::format("({})", width) : "";
  return fmt::format("{}{}{}", BaseTypeName(type.base), dimensions, SignText(type));
}

std::string RealText(const TypeSpec& type) {
  const bool fixed = type.scale.has_value();
  v1::BaseType base = type.base;
  if (base == v1::FLOAT && !fixed && type.length.value_or(0) > kFloatDigitsMax) base = v1::DOUBLE;
  return fmt::format("{}{}{}", BaseTypeName(base),
                     fixed ? fmt::format("({},{})", type.length.value_or(0), *type.scale) : "",
                     SignText(type));
}

std::string_view CompressedText(const TypeSpec& type) {
  return type.compressed ? " /*M!100301 COMPRESSED*/" : "";
}

// Characters (or bytes) of CHAR, VARCHAR, BINARY, VARBINARY and the TEXT family.
std::string StringText(const TypeSpec& type, std::string_view charset,
                       const SessionContext& context, std::string* reason) {
  const bool binary = charset == "binary" || !HasCharset(type.base);
  const uint64_t max_bytes = binary ? 1 : CharsetMaxBytes(charset);
  const bool sized = type.length && (*type.length > 0 || !context.mariadb());
  switch (type.base) {
    case v1::CHAR:
    case v1::BINARY:
      return fmt::format("{}({})", binary ? "binary" : "char", type.length.value_or(1));
    case v1::VARCHAR:
    case v1::VARBINARY: {
      if (!type.length) {
        *reason = "a varchar without a length";
        return {};
      }
      // Without strict mode the server takes a longer type instead.
      const uint64_t bytes = std::min<uint64_t>(*type.length, uint64_t{1} << 40) * max_bytes;
      if (bytes > kVarcharBytesMax) {
        return fmt::format("{}{}", BaseTypeName(TextTypeFor(bytes, binary)), CompressedText(type));
      }
      return fmt::format("{}({}){}", binary ? "varbinary" : "varchar", *type.length,
                         CompressedText(type));
    }
    case v1::TEXT:
    case v1::BLOB:
      if (sized) {
        const uint64_t length = std::min<uint64_t>(*type.length, uint64_t{1} << 40);
        return fmt::format("{}{}", BaseTypeName(TextTypeFor(length * max_bytes, binary)),
                           CompressedText(type));
      }
      [[fallthrough]];
    default: {
      const bool make_blob = binary && HasCharset(type.base);
      const auto base = make_blob
                            ? static_cast<v1::BaseType>(type.base + (v1::TINYBLOB - v1::TINYTEXT))
                            : type.base;
      return fmt::format("{}{}", BaseTypeName(base), CompressedText(type));
    }
  }
}

std::string LabelsText(const TypeSpec& type, std::string_view charset) {
  std::string text = fmt::format("{}(", BaseTypeName(type.base));
  for (size_t i = 0; i < type.labels.size(); ++i) {
    std::string_view label = type.labels[i];
    while (charset != "binary" && label.ends_with(' ')) label.remove_suffix(1);
    text += fmt::format("{}{}", i == 0 ? "" : ",", QuoteLabel(label));
  }
  return text + ")";
}

std::string FspText(const TypeSpec& type) {
  const uint64_t fsp = type.length.value_or(0);
  return fmt::format("{}{}", BaseTypeName(type.base), fsp == 0 ? "" : fmt::format("({})", fsp));
}

std::string YearText(const TypeSpec& type, const SessionContext& context) {
  if (!ShowsWidths(context)) return "year";
  return type.length.value_or(4) == 2 && context.mariadb() ? "year(2)" : "year(4)";
}

}  // namespace

v1::BaseType TextTypeFor(uint64_t bytes, bool blob) {
  const v1::BaseType text = bytes <= 255          ? v1::TINYTEXT
                            : bytes <= 65'535     ? v1::TEXT
                            : bytes <= 16'777'215 ? v1::MEDIUMTEXT
                                                  : v1::LONGTEXT;
  return blob ? static_cast<v1::BaseType>(text + (v1::TINYBLOB - v1::TINYTEXT)) : text;
}

std::string QuoteLabel(std::string_view label) {
  std::string quoted = "'";
  for (char c : label) {
    switch (c) {
      case '\'':
        quoted += "''";
        break;
      case '\\':
        quoted += "\\\\";
        break;
      case '\n':
        quoted += "\\n";
        break;
      case '\r':
        quoted += "\\r";
        break;
      case '\0':
        quoted += "\\0";
        break;
      default:
        quoted += c;
    }
  }
  return quoted + "'";
}

std::string ColumnTypeText(const TypeSpec& type, std::string_view charset,
                           const SessionContext& context, std::string* reason) {
  if (IsInteger(type.base)) return IntegerText(type, context);
  switch (type.base) {
    case v1::BASE_TYPE_UNSPECIFIED:
      *reason = "a column without a type";
      return {};
    case v1::DECIMAL:
      return fmt::format("decimal({},{}){}", type.length.value_or(0) == 0 ? 10 : *type.length,
                         type.scale.value_or(0), SignText(type));
    case v1::FLOAT:
    case v1::DOUBLE:
      return RealText(type);
    case v1::BIT:
      return fmt::format("bit({})", type.length.value_or(0) == 0 ? 1 : *type.length);
    case v1::YEAR:
      return YearText(type, context);
    case v1::TIME:
    case v1::DATETIME:
    case v1::TIMESTAMP:
      return FspText(type);
    case v1::ENUM:
    case v1::SET:
      return LabelsText(type, charset);
    case v1::VECTOR:
      return fmt::format("vector({})", type.length.value_or(2048));
    case v1::GEOMETRYCOLLECTION:
      return !context.mariadb() && context.server_version >= kGeomcollection ? "geomcollection"
                                                                             : "geometrycollection";
    default:
      break;
  }
  if ((type.base >= v1::CHAR && type.base <= v1::LONGBLOB)) {
    return StringText(type, charset, context, reason);
  }
  return std::string(BaseTypeName(type.base));
}

}  // namespace chameleon::worker::ddl
