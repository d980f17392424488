#include "coordinator/target/fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "coordinator/target/overrides.h"

namespace chameleon::coordinator::target {
namespace {

constexpr uint32_t kAny = UINT32_MAX;
constexpr uint32_t kFractionMax = 6;

// "numeric(10,2)" → numeric, 10, 2; "timestamp(3) without time zone" likewise; kAny: not said.
struct TypeText {
  std::string base;
  uint32_t first = kAny, second = kAny;
};

TypeText Split(const std::string& type) {
  TypeText out;
  const size_t open = type.find('('), close = type.find(')', open);
  if (open == std::string::npos || close == std::string::npos) {
    out.base = type;
    return out;
  }
  out.base = type.substr(0, open) + type.substr(close + 1);
  const std::string numbers = type.substr(open + 1, close - open - 1);
  const char* end = numbers.data() + numbers.size();
  const auto [next, error] = std::from_chars(numbers.data(), end, out.first);
  if (error == std::errc() && next < end && *next == ',') {
    std::from_chars(next + 1, end, out.second);
  }
  return out;
}

uint32_t OrMax(uint32_t digits) { return digits == kAny ? kFractionMax : digits; }

bool IsInteger(v1::BaseType type) { return type >= v1::TINYINT && type <= v1::BIGINT; }

// Families match: now the dimensions. True: nothing is rounded or cut without an error.
bool DimensionsFit(const v1::ColumnDef& def, const TypeText& type) {
  const v1::BaseType source = def.base_type();
  if (type.base == "numeric") {
    if (type.first == kAny) return true;
    const uint32_t scale = type.second == kAny ? 0 : type.second;
    if (IsInteger(source) || source == v1::YEAR) return true;
    return source == v1::DECIMAL && def.scale() <= scale;
  }
  if (type.base == "real") {
    return source == v1::FLOAT || source == v1::TINYINT || source == v1::SMALLINT;
  }
  if (type.base == "double precision") return source != v1::BIGINT;
  // More than fits is an error, but for spaces, which are cut.
  if (type.base == "character varying") return type.first == kAny || def.length() <= type.first;
  // Padded, and its trailing spaces mean nothing: as CHAR, which never has any.
  if (type.base == "character") {
    return source == v1::CHAR && type.first != kAny && def.length() <= type.first;
  }
  if (type.base == "bit") return def.length() == (type.first == kAny ? 1 : type.first);
  if (type.base == "bit varying") return type.first == kAny || def.length() <= type.first;
  if (type.base.starts_with("timestamp") || type.base.starts_with("time") ||
      type.base == "interval") {
    return source == v1::DATE || def.fsp() <= OrMax(type.first);
  }
  return true;
}

std::string Unquoted(std::string name) {
  name.erase(std::remove(name.begin(), name.end(), '"'), name.end());
  return name;
}

bool HasAll(const std::vector<std::string>& labels, const v1::ColumnDef& def) {
  return std::all_of(def.labels().begin(), def.labels().end(), [&](const std::string& label) {
    return std::find(labels.begin(), labels.end(), label) != labels.end();
  });
}

}  // namespace

std::optional<std::string> FitColumn(const v1::ColumnDef& def, const ExistingColumn& existing,
                                     bool rows_are_ours, v1::ColumnPlan* plan) {
  const auto misfit = [&](std::string_view why = "") {
    return fmt::format("{} in {}{}{}", def.column_type(), existing.type, why.empty() ? "" : ": ",
                       why);
  };
  plan->set_nullable(!existing.not_null);
  if (!existing.labels.empty()) {
    if (def.base_type() != v1::ENUM) return misfit();
    if (!HasAll(existing.labels, def)) return misfit("the type has not all labels");
    // The table's own type keeps our spelling, by which schema changes know it.
    if (!existing.own_enum || Unquoted(plan->target_type()) != Unquoted(existing.type)) {
      plan->set_target_type(existing.type);
    }
    return std::nullopt;
  }
  // As planned: a type_override says so, or both programs agree.
  if (plan->target_type() == existing.type) return std::nullopt;
  const TypeText type = Split(existing.type);
  const auto encoding = OverrideEncoding(def, plan->encoding(), existing.type);
  if (!encoding) return misfit();
  const bool zoned = type.base == "timestamp with time zone";
  const bool unzoned = type.base == "timestamp without time zone";
  const bool overridden = plan->target_type().starts_with("timestamp") &&
                          !plan->target_type().starts_with("timestamptz") &&
                          plan->target_type().find("with time") == std::string::npos;
  if (def.base_type() == v1::TIMESTAMP && unzoned && !rows_are_ours && !overridden) {
    return misfit("in which time zone its rows are is not known");
  }
  if (def.base_type() != v1::TIMESTAMP && zoned) return misfit("the source has no time zone");
  if (!DimensionsFit(def, type)) return misfit();
  plan->set_target_type(existing.type);
  plan->set_encoding(*encoding);
  return std::nullopt;
}

}  // namespace chameleon::coordinator::target
