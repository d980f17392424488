// The statements that never concern a replicated table, by name, and those that change rows.
#include "worker/ddl/parse_other.h"

namespace chameleon::worker::ddl {
namespace {

struct Named {
  std::string_view word;
  std::string_view kind;
};

constexpr Named kBenign[] = {
    {"GRANT", "grant"},
    {"REVOKE", "grant"},
    {"SET", "set"},
    {"ANALYZE", "analyze"},
    {"OPTIMIZE", "optimize"},
    {"REPAIR", "repair"},
    {"CHECK", "check"},
    {"CHECKSUM", "check"},
    {"FLUSH", "flush"},
    {"RESET", "reset"},
    {"PURGE", "purge"},
    {"CHANGE", "replication"},
    {"STOP", "replication"},
    {"START", "replication"},
    {"SHOW", "show"},
    {"DESCRIBE", "show"},
    {"DESC", "show"},
    {"EXPLAIN", "show"},
    {"HELP", "show"},
    {"USE", "use"},
    {"LOCK", "lock"},
    {"UNLOCK", "lock"},
    {"INSTALL", "plugin"},
    {"UNINSTALL", "plugin"},
    {"KILL", "kill"},
    {"SHUTDOWN", "shutdown"},
    {"RESTART", "shutdown"},
    {"CLONE", "clone"},
    {"BACKUP", "backup"},
    {"CACHE", "cache"},
    {"PREPARE", "prepared statement"},
    {"EXECUTE", "prepared statement"},
    {"DEALLOCATE", "prepared statement"},
    {"HANDLER", "handler"},
    {"SIGNAL", "signal"},
    {"RESIGNAL", "signal"},
    {"GET", "signal"},
    {"BINLOG", "binlog"},
    {"DELIMITER", "client command"},
    {"BEGIN", "compound statement"},  // what ParseTransaction() left: BEGIN NOT ATOMIC
};

// A function that changes rows may be logged as a SELECT or DO.
constexpr std::string_view kDml[] = {"INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD",  "WITH",
                                     "CALL",   "DO",     "SELECT", "VALUES",  "TABLE", "MERGE"};

constexpr Named kObjects[] = {
    {"VIEW", "view"},
    {"PROCEDURE", "routine"},
    {"FUNCTION", "routine"},
    {"PACKAGE", "routine"},
    {"LIBRARY", "routine"},
    {"TRIGGER", "trigger"},
    {"EVENT", "event"},
    {"USER", "user"},
    {"ROLE", "role"},
    {"SEQUENCE", "sequence"},
    {"SERVER", "server"},
    {"TABLESPACE", "tablespace"},
    {"LOGFILE", "tablespace"},
    {"UNDO", "tablespace"},
    {"INSTANCE", "instance"},
    {"RESOURCE", "resource group"},
    {"SPATIAL", "spatial reference system"},
    {"MASKING", "masking policy"},
    {"PREPARE", "prepared statement"},
    {"MATERIALIZED", "view"},
};

// INSERT, REPLACE, UPDATE and DELETE of one table, whose name stands where it usually does.
std::optional<TableRef> ChangedTable(Cursor& in) {
  const std::string word = in.Peek().upper;
  const bool inserts = word == "INSERT" || word == "REPLACE";
  if (!inserts && word != "UPDATE" && word != "DELETE") return std::nullopt;
  in.Take();
  while (in.TakeAnyOf({"LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED", "QUICK", "IGNORE"}) != "") {
  }
  if (inserts) {
    in.TakeWord("INTO");
  } else if (word == "DELETE" && !in.TakeWord("FROM")) {
    return std::nullopt;
  }
  if (!in.IsName()) return std::nullopt;
  TableRef table = in.Table();
  if (in.failed()) return std::nullopt;
  if (inserts) return table;
  const bool one = word == "UPDATE" ? in.IsWord("SET")
                                    : in.AtEnd() || in.IsWord("WHERE") || in.IsWord("LIMIT") ||
                                          in.IsWord("ORDER");
  return one ? std::optional<TableRef>(std::move(table)) : std::nullopt;
}

constexpr size_t kModifierTokensMax = 40;  // of CREATE … DEFINER = … SQL SECURITY … VIEW

}  // namespace

std::optional<Statement> ClassifyByFirstWord(Cursor& in) {
  while (in.IsSymbol('(')) in.Take();  // (SELECT …) UNION …
  if (in.Peek().kind != TokenKind::kWord) return std::nullopt;
  const std::string word = in.Peek().upper;
  // LOAD INDEX INTO CACHE loads no rows.
  if (word == "LOAD" && in.IsWord("INDEX", 1)) return Benign{"cache"};
  // XA RECOVER; XA START and the others are transaction control.
  if (word == "XA")
    return in.IsWord("RECOVER", 1) ? std::optional<Statement>(Benign{"show"}) : std::nullopt;
  if (word == "RENAME" && in.IsWord("USER", 1)) return Benign{"user"};
  for (const Named& named : kBenign) {
    if (named.word == word) return Benign{std::string(named.kind)};
  }
  for (std::string_view dml : kDml) {
    if (dml == word) return Dml{word, ChangedTable(in)};
  }
  return std::nullopt;
}

std::string BenignObject(Cursor& in) {
  for (size_t i = 0; i < kModifierTokensMax; ++i) {
    const Token& token = in.Peek(i);
    if (token.kind == TokenKind::kEnd || token.kind == TokenKind::kError) break;
    if (token.kind != TokenKind::kWord) continue;
    const std::string word = token.upper;
    if (word == "TABLE" || word == "TABLES" || word == "DATABASE" || word == "SCHEMA" ||
        word == "INDEX")
      break;
    // DEFINER = user@host, whatever these are called
    if (word == "DEFINER" && in.IsSymbol('=', i + 1)) {
      i += 2;
      if (in.Peek(i + 1).kind == TokenKind::kVariable) ++i;
      if (in.IsSymbol('(', i + 1)) i += 2;
      continue;
    }
    if (word == "SPATIAL" && !in.IsWord("REFERENCE", i + 1)) continue;
    if (word == "PREPARE" && i > 0) continue;
    for (const Named& object : kObjects) {
      if (object.word == word) return std::string(object.kind);
    }
  }
  return {};
}

}  // namespace chameleon::worker::ddl
