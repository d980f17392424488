#include "coordinator/target/type_change.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <set>
#include <string_view>

#include "coordinator/target/quote.h"

namespace chameleon::coordinator::target {
namespace {

bool IsInteger(v1::BaseType type) { return type >= v1::TINYINT && type <= v1::BIGINT; }
bool IsString(v1::BaseType type) { return type >= v1::CHAR && type <= v1::LONGTEXT; }
bool IsBytes(v1::BaseType type) { return type >= v1::BINARY && type <= v1::LONGBLOB; }
bool IsSpatial(v1::BaseType type) { return type >= v1::GEOMETRY && type <= v1::GEOMETRYCOLLECTION; }
bool IsFloat(v1::BaseType type) { return type == v1::FLOAT || type == v1::DOUBLE; }

struct Range {
  int bits;
  bool is_unsigned;
  std::string low, high;
};

Range RangeOf(const v1::ColumnDef& def) {
  static constexpr int kBits[] = {8, 16, 24, 32, 64};
  const int bits = kBits[def.base_type() - v1::TINYINT];
  if (def.is_unsigned()) {
    const uint64_t high = bits == 64 ? UINT64_MAX : (uint64_t{1} << bits) - 1;
    return {bits, true, "0", std::to_string(high)};
  }
  const int64_t high = bits == 64 ? INT64_MAX : (int64_t{1} << (bits - 1)) - 1;
  return {bits, false, std::to_string(-high - 1), std::to_string(high)};
}

bool Covers(const Range& wide, const Range& narrow) {
  if (wide.is_unsigned == narrow.is_unsigned) return wide.bits >= narrow.bits;
  return narrow.is_unsigned && wide.bits > narrow.bits;
}

// Longest value in bytes that the source's type holds.
uint64_t BytesMax(const v1::ColumnDef& def) {
  switch (def.base_type()) {
    case v1::CHAR:
    case v1::VARCHAR:
      return uint64_t{4} * def.length();
    case v1::BINARY:
    case v1::VARBINARY:
      return def.length();
    case v1::TINYTEXT:
    case v1::TINYBLOB:
      return 255;
    case v1::TEXT:
    case v1::BLOB:
      return 65535;
    case v1::MEDIUMTEXT:
    case v1::MEDIUMBLOB:
      return 16777215;
    default:
      return UINT32_MAX;
  }
}

bool IsUnicode(std::string_view charset) {
  static const std::set<std::string_view> kUnicode = {"utf8mb4", "utf8mb3", "utf8", "utf16",
                                                      "utf16le", "utf32",   "ucs2", "gb18030"};
  return kUnicode.contains(charset);
}

// Whether every character of `from` is in `to`.
bool HoldsCharset(std::string_view to, std::string_view from) {
  if (to == from || from == "ascii") return true;
  if (to == "utf8mb4" || to == "utf16" || to == "utf16le" || to == "utf32" || to == "gb18030") {
    return true;
  }
  const bool bmp = from == "utf8mb3" || from == "utf8" || from == "ucs2";
  if (to == "utf8mb3" || to == "utf8" || to == "ucs2") return bmp || !IsUnicode(from);
  return false;
}

// Whether a column of this character set has no bytes that are U+FFFD here: there are none, or the
// server refuses them.
bool EveryByteIsDefined(std::string_view charset) {
  return charset.empty() || charset == "latin1" || charset == "utf8mb4" || charset == "utf8mb3" ||
         charset == "utf8";
}

bool IsPlainText(std::string_view type) {
  return type == "text" || type.starts_with("varchar") || type.starts_with("character varying");
}

// ASCII letters only: what every case-insensitive collation has in common.
std::string FoldCase(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

class Change {
 public:
  Change(const ColumnState& from, const ColumnState& to, const std::string& column,
         const std::string& enum_type)
      : a_(from.def),
        b_(to.def),
        from_(from),
        to_(to),
        pa_(from.plan),
        pb_(to.plan),
        column_(column),
        enum_type_(enum_type) {}

  absl::StatusOr<TypeChange> Run() {
    if (Same()) return std::move(out_);
    if (!Convert()) {
      return absl::FailedPreconditionError(
          fmt::format("its type changes from {} to {}, and PostgreSQL would not make the same "
                      "values of it",
                      a_.column_type(), b_.column_type()));
    }
    return std::move(out_);
  }

 private:
  bool Same() const {
    const bool labels =
        std::equal(a_.labels().begin(), a_.labels().end(), b_.labels().begin(), b_.labels().end());
    return a_.base_type() == b_.base_type() && a_.is_unsigned() == b_.is_unsigned() &&
           a_.length() == b_.length() && a_.scale() == b_.scale() && a_.fsp() == b_.fsp() &&
           a_.charset() == b_.charset() && labels && a_.has_srid() == b_.has_srid() &&
           a_.srid() == b_.srid() && SameTarget() && pa_.encoding() == pb_.encoding() &&
           a_.generated() == b_.generated();
  }
  bool SameTarget() const {
    return from_.own_enum == to_.own_enum &&
           (to_.own_enum || pa_.target_type() == pb_.target_type());
  }
  bool Cast() {
    out_.changes = !SameTarget();
    return true;
  }
  bool Using(std::string expression) {
    out_.changes = true;
    out_.using_expression = std::move(expression);
    return true;
  }
  void Require(std::string condition, std::string message) {
    out_.require.push_back({std::move(condition), std::move(message)});
  }
  void RequireUnsigned() {
    if (b_.is_unsigned() && !a_.is_unsigned()) {
      Require(fmt::format("{} >= 0", column_), "a negative value becomes unsigned");
    }
  }

  bool Convert() {
    if (a_.generated() != b_.generated()) return false;
    const v1::BaseType a = a_.base_type(), b = b_.base_type();
    if (IsInteger(a) && IsInteger(b)) return IntegerToInteger();
    if (IsInteger(a) || a == v1::DECIMAL) {
      if (pa_.encoding() != v1::ENCODING_NUMBER) return false;
      if (b == v1::DECIMAL) return RequireUnsigned(), NumberBoth() && Cast();
      if (IsInteger(b)) return DecimalToInteger();
      if (IsFloat(b) && IsInteger(a)) return IntegerToFloat();
      if (IsString(b)) return NumberToString();
      return false;
    }
    if (IsFloat(a) && IsFloat(b)) return FloatToFloat();
    if (a == v1::YEAR && IsInteger(b)) return YearToInteger();
    if (a == v1::BIT && b == v1::BIT) return Bits();
    if (a >= v1::DATE && a <= v1::TIMESTAMP) return Temporal();
    if (a == v1::ENUM || a == v1::SET) return IsString(b) ? LabelsToString() : Labels();
    if (IsString(a)) return b == v1::ENUM ? StringToEnum() : IsString(b) && Strings();
    if (IsBytes(a) && IsBytes(b)) return Bytes();
    if (IsSpatial(a) && IsSpatial(b)) return Spatial();
    if (a == v1::UUID && IsString(b)) return TextBoth(true) && Using(column_ + "::text");
    return false;
  }

  bool NumberBoth() const {
    return pa_.encoding() == v1::ENCODING_NUMBER && pb_.encoding() == v1::ENCODING_NUMBER;
  }

  bool IntegerToInteger() {
    const Range from = RangeOf(a_), to = RangeOf(b_);
    const bool from_bool = pa_.encoding() == v1::ENCODING_BOOLEAN;
    const bool to_bool = pb_.encoding() == v1::ENCODING_BOOLEAN;
    if (from_bool && to_bool) return true;
    if (from_bool) return false;  // which number it was is not known
    if (pa_.encoding() != v1::ENCODING_NUMBER) return false;
    if (!Covers(to, from)) {
      Require(fmt::format("{} BETWEEN {} AND {}", column_, to.low, to.high),
              fmt::format("the value does not fit {}", b_.column_type()));
    }
    if (to_bool) return Using(fmt::format("{} <> 0", column_));
    return pb_.encoding() == v1::ENCODING_NUMBER && Cast();
  }

  bool DecimalToInteger() {
    if (!NumberBoth()) return false;
    const Range to = RangeOf(b_);
    Require(fmt::format("round({}) BETWEEN {} AND {}", column_, to.low, to.high),
            fmt::format("the value does not fit {}", b_.column_type()));
    return Cast();
  }

  bool IntegerToFloat() {
    const bool exact = b_.base_type() == v1::DOUBLE || RangeOf(a_).bits <= 24;
    if (!exact || b_.length() != 0) return false;
    if (pb_.encoding() != v1::ENCODING_DOUBLE && pb_.encoding() != v1::ENCODING_FLOAT) return false;
    RequireUnsigned();
    return Cast();
  }

  bool FloatToFloat() {
    // FLOAT(M,D) rounds in decimal.
    const bool same_digits =
        a_.length() == b_.length() && a_.scale() == b_.scale() && a_.base_type() == b_.base_type();
    if (b_.length() != 0 && !same_digits) return false;
    RequireUnsigned();
    return Cast();
  }

  bool YearToInteger() {
    if (!NumberBoth()) return false;
    const Range to = RangeOf(b_);
    Require(fmt::format("{} BETWEEN {} AND {}", column_, to.low, to.high),
            fmt::format("the value does not fit {}", b_.column_type()));
    return Cast();
  }

  bool NumberToString() {
    if (a_.zerofill() || !TextBoth(true)) return false;
    return Using(column_ + "::text");
  }

  bool Bits() {
    if (pa_.encoding() != v1::ENCODING_BIT || pb_.encoding() != v1::ENCODING_BIT) return false;
    if (b_.length() < a_.length()) return false;
    return Using(
        fmt::format("lpad({}::text, {}, '0')::bit({})", column_, b_.length(), b_.length()));
  }

  // Fewer digits round in MySQL's way, or are cut (TIME_TRUNCATE_FRACTIONAL): not here.
  bool Temporal() {
    const v1::BaseType a = a_.base_type(), b = b_.base_type();
    if (a == b) return b_.fsp() >= a_.fsp() && pa_.encoding() == pb_.encoding() && Cast();
    if (a == v1::DATE && b == v1::DATETIME) return Cast();
    return a == v1::DATETIME && b == v1::DATE && a_.fsp() == 0 && Cast();
  }

  bool TextBoth(bool any_source = false) const {
    return (any_source || pa_.encoding() == v1::ENCODING_TEXT) &&
           pb_.encoding() == v1::ENCODING_TEXT && IsPlainText(pb_.target_type()) &&
           (any_source || IsPlainText(pa_.target_type()));
  }

  void RequireCharset() {
    if (a_.charset() != "swe7" && b_.charset() == "swe7") {  // it has letters in their places
      Require(
          fmt::format("translate({0}::text, {1}, '') = {0}::text", column_, Literal("@[\\]^`{|}~")),
          "characters that swe7 does not have");
    }
    if (HoldsCharset(b_.charset(), a_.charset())) {
      if (a_.charset() == b_.charset() || EveryByteIsDefined(a_.charset())) return;
      // The source makes ? of what is U+FFFD here.
      Require(fmt::format("strpos({}::text, chr(65533)) = 0", column_),
              fmt::format("bytes that {} does not define", a_.charset()));
      return;
    }
    Require(fmt::format("octet_length({0}::text) = char_length({0}::text)", column_),
            fmt::format("characters outside ASCII may be lost in {}", b_.charset()));
  }

  // False: whether the value fits cannot be told here.
  bool RequireLength() {
    const uint64_t limit = BytesMax(b_);
    if (b_.base_type() == v1::CHAR || b_.base_type() == v1::VARCHAR) return true;
    const bool counted_in_characters = a_.base_type() == v1::CHAR || a_.base_type() == v1::VARCHAR;
    if (BytesMax(a_) <= limit && (counted_in_characters || a_.charset() == b_.charset())) {
      return true;
    }
    if (limit >= UINT32_MAX) return true;
    const bool utf8 =
        b_.charset() == "utf8mb4" || b_.charset() == "utf8mb3" || b_.charset() == "utf8";
    if (!utf8 && b_.charset() != "latin1" && b_.charset() != "ascii") return false;
    Require(fmt::format("{}({}) <= {}", utf8 ? "octet_length" : "char_length", column_, limit),
            fmt::format("the value does not fit {}", b_.column_type()));
    return true;
  }

  bool Strings() {
    if (!TextBoth()) return SameTarget() && pa_.encoding() == pb_.encoding() && OtherText();
    RequireCharset();
    if (!RequireLength()) return false;
    // CHAR gives its values without the spaces at their end.
    if (b_.base_type() == v1::CHAR && a_.base_type() != v1::CHAR) {
      return Using(fmt::format("rtrim({}, ' ')", column_));
    }
    return Cast();
  }

  // An override to a type of the user's: its own input decides what fits.
  bool OtherText() {
    RequireCharset();
    return RequireLength() && a_.length() <= b_.length();
  }

  // The source looks labels up by the new collation. MySQL names none for labels that are bytes.
  bool FoldsCase() const {
    return !b_.charset().empty() && b_.charset() != "binary" && !b_.collation().ends_with("_bin");
  }

  // Of labels that differ in case alone, which a server without strict mode allows, it finds the
  // first.
  bool LabelsAreAmbiguous() const {
    std::set<std::string> folded;
    for (const std::string& label : b_.labels()) {
      if (FoldsCase() && !folded.insert(FoldCase(label)).second) return true;
    }
    return false;
  }

  bool StringToEnum() {
    if (LabelsAreAmbiguous()) return false;
    if (!to_.own_enum || !TextBoth(true) || pa_.encoding() != v1::ENCODING_TEXT) return false;
    return Using(fmt::format("{}::text::{}", column_, enum_type_));
  }

  bool LabelsToString() {
    if (!TextBoth(true)) return false;
    // An invalid value is '' on the source and NULL here, like NULL.
    if (a_.base_type() == v1::ENUM) {
      Require(fmt::format("{} IS NOT NULL", column_),
              a_.nullable() ? "NULL may be an invalid enum value on the source"
                            : "the source has an invalid enum value");
    }
    RequireCharset();
    return Using(column_ + "::text");
  }

  std::vector<std::string> Appended(bool* only) const {
    *only = a_.labels_size() <= b_.labels_size() &&
            std::equal(a_.labels().begin(), a_.labels().end(), b_.labels().begin());
    if (!*only) return {};
    return {b_.labels().begin() + a_.labels_size(), b_.labels().end()};
  }

  bool Labels() {
    if (a_.base_type() != b_.base_type()) return false;
    bool only = false;
    std::vector<std::string> appended = Appended(&only);
    if (!only && LabelsAreAmbiguous()) return false;
    if (from_.own_enum && to_.own_enum) {
      if (!only) return Using(Relabelled());
      out_.append = std::move(appended);
      return true;
    }
    if (from_.own_enum != to_.own_enum) {
      if (!only) return false;
      return Using(to_.own_enum ? fmt::format("{}::text::{}", column_, enum_type_)
                                : column_ + "::text");
    }
    return only && SameTarget();
  }

  // A label that goes is an error when a row has it, unless a new one differs in case alone.
  std::string Relabelled() const {
    std::string cases;
    const std::set<std::string> now(b_.labels().begin(), b_.labels().end());
    for (const std::string& old : a_.labels()) {
      if (now.contains(old) || !FoldsCase()) continue;
      for (const std::string& label : b_.labels()) {
        if (FoldCase(label) != FoldCase(old)) continue;
        cases += fmt::format(" WHEN {} THEN {}", Literal(old), Literal(label));
        break;
      }
    }
    const std::string text = column_ + "::text";
    if (cases.empty()) return fmt::format("{}::{}", text, enum_type_);
    return fmt::format("(CASE {}{} ELSE {} END)::{}", text, cases, text, enum_type_);
  }

  bool Bytes() {
    if (pa_.encoding() != v1::ENCODING_BYTEA || pb_.encoding() != v1::ENCODING_BYTEA) return false;
    const uint64_t limit = BytesMax(b_);
    if (BytesMax(a_) > limit) {
      Require(fmt::format("octet_length({}) <= {}", column_, limit),
              fmt::format("the value does not fit {}", b_.column_type()));
    }
    if (b_.base_type() != v1::BINARY) return SameTarget();
    if (a_.base_type() == v1::BINARY && a_.length() == b_.length()) return SameTarget();
    return Using(fmt::format("{0} || decode(repeat('00', {1} - octet_length({0})), 'hex')", column_,
                             b_.length()));
  }

  bool Spatial() {
    if (a_.has_srid() != b_.has_srid() || a_.srid() != b_.srid()) return false;
    if (pa_.encoding() != pb_.encoding()) return false;
    return (a_.base_type() == b_.base_type() || b_.base_type() == v1::GEOMETRY) && Cast();
  }

  const v1::ColumnDef& a_;
  const v1::ColumnDef& b_;
  const ColumnState& from_;
  const ColumnState& to_;
  const v1::ColumnPlan& pa_;
  const v1::ColumnPlan& pb_;
  const std::string& column_;
  const std::string& enum_type_;
  TypeChange out_;
};

}  // namespace

absl::StatusOr<TypeChange> ChangeType(const ColumnState& from, const ColumnState& to,
                                      const std::string& column, const std::string& enum_type) {
  return Change(from, to, column, enum_type).Run();
}

}  // namespace chameleon::coordinator::target
