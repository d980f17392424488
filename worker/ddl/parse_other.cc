#include "worker/ddl/parse_other.h"

#include <fmt/format.h>

#include "worker/ddl/names.h"
#include "worker/ddl/parse_column.h"
#include "worker/ddl/parse_table.h"

namespace chameleon::worker::ddl {
namespace {

void AppendLittleEndian(uint32_t value, std::string* out) {
  for (int shift = 0; shift < 32; shift += 8) *out += static_cast<char>(value >> shift & 0xff);
}

std::string XidPart(Cursor& in) {
  const TokenKind kind = in.Peek().kind;
  if (kind == TokenKind::kString) return in.String("an xid");
  if (kind == TokenKind::kHex) return in.Take().text;
  if (kind == TokenKind::kBits) {
    const std::string digits = in.Take().text;
    std::string bytes((digits.size() + 7) / 8, '\0');
    for (size_t i = 0; i < digits.size(); ++i) {
      const size_t bit = digits.size() - 1 - i;
      if (digits[i] == '1') bytes[bytes.size() - 1 - bit / 8] |= static_cast<char>(1 << bit % 8);
    }
    return bytes;
  }
  in.Unexpected("an xid");
  return {};
}

// gtrid [, bqual [, format id]]
std::string ParseXid(Cursor& in) {
  const std::string gtrid = XidPart(in);
  const std::string bqual = in.TakeSymbol(',') ? XidPart(in) : std::string();
  uint32_t format = 1;
  if (in.TakeSymbol(',')) {
    format = in.Peek().kind == TokenKind::kHex ? 0 : static_cast<uint32_t>(in.Number().value_or(1));
  }
  std::string xid;
  AppendLittleEndian(format, &xid);
  AppendLittleEndian(static_cast<uint32_t>(gtrid.size()), &xid);
  AppendLittleEndian(static_cast<uint32_t>(bqual.size()), &xid);
  return xid + gtrid + bqual;
}

std::optional<TransactionControl> ParseXa(Cursor& in) {
  using Kind = TransactionControl::Kind;
  static constexpr std::pair<std::string_view, Kind> kVerbs[] = {
      {"START", Kind::kXaStart},     {"BEGIN", Kind::kXaStart},   {"END", Kind::kXaEnd},
      {"PREPARE", Kind::kXaPrepare}, {"COMMIT", Kind::kXaCommit}, {"ROLLBACK", Kind::kXaRollback},
  };
  for (const auto& [verb, kind] : kVerbs) {
    if (!in.TakeWords({"XA", verb})) continue;
    TransactionControl control{.kind = kind, .xid = ParseXid(in)};
    control.one_phase = in.TakeWords({"ONE", "PHASE"});
    if (in.TakeAnyOf({"JOIN", "RESUME"}).empty() && in.TakeWord("SUSPEND")) {
      in.TakeWords({"FOR", "MIGRATE"});
    }
    if (!in.AtEnd()) in.Unexpected("the end");
    return control;
  }
  return std::nullopt;
}

std::string SchemaName(Cursor& in) { return TableCase(in.Name("a database name"), in.context()); }

DatabaseOptions ParseDatabaseOptions(Cursor& in) {
  DatabaseOptions options;
  while (!in.AtEnd() && !in.failed()) {
    in.TakeWord("DEFAULT");
    if (TakeCharsetWords(in)) {
      options.charset = ParseCharsetName(in);
    } else if (in.TakeWord("COLLATE")) {
      in.TakeSymbol('=');
      options.collation = in.TakeWord("DEFAULT") ? "" : LowerAscii(in.NameOrString("a collation"));
    } else if (in.TakeWord("ENCRYPTION") || in.TakeWord("COMMENT")) {
      in.TakeSymbol('=');
      in.String("a value");
    } else if (in.TakeWords({"READ", "ONLY"})) {
      in.TakeSymbol('=');
      in.Take();
    } else {
      in.Unexpected("a database option");
    }
  }
  return options;
}

}  // namespace

std::optional<TransactionControl> ParseTransaction(Cursor& in) {
  using Kind = TransactionControl::Kind;
  if (in.IsWord("XA")) return ParseXa(in);
  if (in.IsWord("START") && in.IsWord("TRANSACTION", 1)) return TransactionControl{};
  if (in.IsWord("BEGIN")) {
    if (in.IsWord("NOT", 1)) return std::nullopt;  // BEGIN NOT ATOMIC: a compound statement
    return TransactionControl{};
  }
  if (in.IsWord("COMMIT")) return TransactionControl{.kind = Kind::kCommit};
  if (in.TakeWord("SAVEPOINT")) {
    return TransactionControl{.kind = Kind::kSavepoint, .savepoint = in.Name("a savepoint")};
  }
  if (in.TakeWords({"RELEASE", "SAVEPOINT"})) {
    return TransactionControl{.kind = Kind::kRelease, .savepoint = in.Name("a savepoint")};
  }
  if (in.TakeWord("ROLLBACK")) {
    in.TakeWord("WORK");
    if (!in.TakeWord("TO")) return TransactionControl{.kind = Kind::kRollback};
    in.TakeWord("SAVEPOINT");
    return TransactionControl{.kind = Kind::kRollbackTo, .savepoint = in.Name("a savepoint")};
  }
  return std::nullopt;
}

CreateDatabase ParseCreateDatabase(Cursor& in, bool or_replace) {
  CreateDatabase create{.or_replace = or_replace, .if_not_exists = TakeIfNotExists(in)};
  create.schema = SchemaName(in);
  create.options = ParseDatabaseOptions(in);
  return create;
}

AlterDatabase ParseAlterDatabase(Cursor& in) {
  AlterDatabase alter;
  const bool unnamed = in.IsWord("DEFAULT") || in.IsWord("COLLATE") || in.IsWord("CHARSET") ||
                       in.IsWord("CHARACTER") || (in.IsWord("READ") && in.IsWord("ONLY", 1)) ||
                       (in.IsWord("COMMENT") && !in.IsWord("COMMENT", 1));
  alter.schema = unnamed ? TableCase(in.context().default_database, in.context()) : SchemaName(in);
  if (in.TakeWords({"UPGRADE", "DATA", "DIRECTORY", "NAME"})) return alter;
  alter.options = ParseDatabaseOptions(in);
  return alter;
}

DropDatabase ParseDropDatabase(Cursor& in) {
  TakeIfExists(in);
  return DropDatabase{SchemaName(in)};
}

DropTable ParseDropTable(Cursor& in) {
  DropTable drop{.if_exists = TakeIfExists(in)};
  do {
    drop.tables.push_back(in.Table());
  } while (!in.failed() && in.TakeSymbol(','));
  SkipWait(in);
  in.TakeAnyOf({"RESTRICT", "CASCADE"});
  if (!in.AtEnd()) in.Unexpected("the end");
  return drop;
}

RenameTable ParseRenameTable(Cursor& in) {
  RenameTable rename{.if_exists = TakeIfExists(in)};
  do {
    RenameTable::Pair pair{.from = in.Table()};
    SkipWait(in);
    in.ExpectWord("TO");
    pair.to = in.Table();
    rename.pairs.push_back(std::move(pair));
  } while (!in.failed() && in.TakeSymbol(','));
  if (!in.AtEnd()) in.Unexpected("the end");
  return rename;
}

TruncateTable ParseTruncate(Cursor& in) {
  in.TakeWord("TABLE");
  TruncateTable truncate{in.Table()};
  SkipWait(in);
  in.TakeAnyOf({"DROP", "REUSE"});  // MariaDB, for Oracle's sake: DROP STORAGE
  in.TakeWord("STORAGE");
  if (!in.AtEnd()) in.Unexpected("the end");
  return truncate;
}

}  // namespace chameleon::worker::ddl
