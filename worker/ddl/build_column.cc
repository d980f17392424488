#include "worker/ddl/build_column.h"

#include <fmt/format.h>

#include "worker/ddl/column_type.h"
#include "worker/ddl/default_value.h"
#include "worker/ddl/lexer.h"
#include "worker/ddl/names.h"
#include "worker/ddl/type_text.h"

namespace chameleon::worker::ddl {
namespace {

// The character set and collation of a string column.
CharsetDefault ColumnCharset(const ColumnSpec& spec, const CharsetDefault& table,
                             const SessionContext& context) {
  if (spec.type.mariadb_json && spec.type.charset.empty() && spec.collation.empty()) {
    return {"utf8mb4", "utf8mb4_bin"};
  }
  std::optional<std::string> charset, collation;
  if (!spec.type.charset.empty()) charset = spec.type.charset;
  if (!spec.collation.empty()) collation = spec.collation;
  CharsetDefault result = ResolveCharset(charset, collation, table, context);
  if (spec.type.binary_collation && !collation) result.collation = BinaryCollation(result.charset);
  return result;
}

bool IsNullable(const ColumnSpec& spec, const SessionContext& context) {
  if (spec.primary || spec.row_start || spec.row_end) return false;
  if (spec.nullable) return *spec.nullable;
  if (spec.type.serial) return false;
  const bool implicit_not_null =
      spec.type.base == v1::TIMESTAMP && !context.explicit_defaults_for_timestamp;
  return !implicit_not_null || spec.generated != v1::GENERATED_NONE;
}

// MariaDB reads DEFAULT (literal) as DEFAULT literal.
DefaultSpec SimplifiedDefault(const DefaultSpec& spec, const SessionContext& context) {
  if (spec.kind != DefaultSpec::Kind::kExpression || !context.mariadb()) return spec;
  Lexer lexer(spec.text, context);
  Token token = lexer.Next();
  DefaultSpec literal{.kind = DefaultSpec::Kind::kLiteral, .text = token.text};
  if (token.kind == TokenKind::kNumber) {
    literal.number = true;
  } else if (token.kind == TokenKind::kWord && token.upper == "NULL") {
    literal.kind = DefaultSpec::Kind::kNull;
  } else if (token.kind != TokenKind::kString) {
    return spec;
  }
  return lexer.Next().kind == TokenKind::kEnd ? literal : spec;
}

}  // namespace

CharsetDefault ResolveCharset(const std::optional<std::string>& charset,
                              const std::optional<std::string>& collation,
                              const CharsetDefault& inherited, const SessionContext& context) {
  const bool has_charset = charset && !charset->empty();
  if (collation && *collation == "default") {
    const std::string& base = has_charset ? *charset : inherited.charset;
    return {base, DefaultCollation(base, context)};
  }
  if (collation && !collation->empty()) {
    const std::string& base = has_charset ? *charset : inherited.charset;
    CharsetDefault result{.collation = CollationName(*collation, base, context)};
    result.charset = has_charset ? *charset : CharsetOfCollation(result.collation);
    if (result.charset.empty()) result.charset = inherited.charset;
    return result;
  }
  if (has_charset) return {*charset, DefaultCollation(*charset, context)};
  return inherited;
}

absl::Status SetColumnType(const TypeSpec& type, std::string_view charset,
                           const SessionContext& context, v1::ColumnDef* column) {
  if (type.bytes_in_labels) {
    return absl::FailedPreconditionError(
        fmt::format("column {}: a label is written as bytes", column->name()));
  }
  std::string reason;
  const std::string text = ColumnTypeText(type, charset, context, &reason);
  if (text.empty()) {
    return absl::FailedPreconditionError(fmt::format("column {}: {}", column->name(), reason));
  }
  return ParseColumnType(text, column);
}

absl::StatusOr<v1::ColumnDef> BuildColumn(const ColumnSpec& spec, const CharsetDefault& table,
                                          const SessionContext& context) {
  v1::ColumnDef column;
  column.set_name(spec.name);
  CharsetDefault charset;
  if (HasCharset(spec.type.base)) charset = ColumnCharset(spec, table, context);
  if (auto s = SetColumnType(spec.type, charset.charset, context, &column); !s.ok()) return s;
  // MySQL names no character set for an ENUM of bytes; MariaDB does.
  if (HasCharset(column.base_type()) && (charset.charset != "binary" || context.mariadb())) {
    column.set_charset(charset.charset);
    column.set_collation(charset.collation);
  }
  column.set_nullable(IsNullable(spec, context));
  column.set_auto_increment(spec.auto_increment || spec.type.serial);
  SetDefault(SimplifiedDefault(spec.default_value, context), context, &column);
  column.set_on_update(NowText(spec.on_update, context));
  column.set_comment(CutText(spec.comment.value_or(""), kColumnCommentMax));
  column.set_invisible(spec.invisible);
  if (spec.srid) {
    column.set_has_srid(true);
    column.set_srid(*spec.srid);
  }
  column.set_generated(spec.generated);
  column.set_generation_expression(spec.generation_expression);
  if (spec.row_start || spec.row_end) {
    column.set_generated(v1::GENERATED_STORED);
    column.set_generation_expression(spec.row_start ? "ROW START" : "ROW END");
  }
  return column;
}

absl::Status ConvertColumn(const CharsetDefault& to, const SessionContext& context,
                           v1::ColumnDef* column) {
  if (!HasCharset(column->base_type()) || column->charset().empty() ||
      column->charset() == "binary") {
    return absl::OkStatus();
  }
  TypeSpec type{.base = column->base_type()};
  type.compressed = column->compressed();
  type.labels.assign(column->labels().begin(), column->labels().end());
  if (type.base == v1::CHAR || type.base == v1::VARCHAR) type.length = column->length();
  if (type.base >= v1::TINYTEXT && type.base <= v1::LONGTEXT) {
    // The same number of characters must fit.
    static constexpr uint64_t kBytes[] = {255, 65'535, 16'777'215, 4'294'967'295};
    const uint64_t characters =
        kBytes[type.base - v1::TINYTEXT] / CharsetMaxBytes(column->charset());
    type.base = TextTypeFor(characters * CharsetMaxBytes(to.charset), false);
  }
  if (auto s = SetColumnType(type, to.charset, context, column); !s.ok()) return s;
  const bool named =
      HasCharset(column->base_type()) && (to.charset != "binary" || context.mariadb());
  column->set_charset(named ? to.charset : "");
  column->set_collation(named ? to.collation : "");
  return absl::OkStatus();
}

void SetImplicitTimestamp(bool is_first, const SessionContext& context, v1::ColumnDef* column) {
  if (column->base_type() != v1::TIMESTAMP || column->nullable() || column->has_default() ||
      column->generated() != v1::GENERATED_NONE) {
    return;
  }
  DefaultSpec spec;
  if (is_first && column->on_update().empty()) {
    spec.kind = DefaultSpec::Kind::kExpression;
    spec.text = column->fsp() == 0 ? "CURRENT_TIMESTAMP"
                                   : fmt::format("CURRENT_TIMESTAMP({})", column->fsp());
    column->set_on_update(NowText(spec.text, context));
  } else {
    spec.kind = DefaultSpec::Kind::kLiteral;
    spec.text = "0";
    spec.number = true;
  }
  SetDefault(spec, context, column);
}

}  // namespace chameleon::worker::ddl
