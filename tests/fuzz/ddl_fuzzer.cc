// DDL lexer, parser and apply: any bytes must end in an outcome, and every definition that comes
// out must be one that the rest of the worker can read.
//
// The first byte chooses server and sql_mode. The rest are statements separated by NUL, applied one
// after the other, so that ALTERs meet the tables that the CREATEs before them made.
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string_view>

#include "worker/ddl/column_type.h"
#include "worker/ddl/parser.h"
#include "worker/ddl/schema_change.h"

namespace {

namespace ddl = chameleon::worker::ddl;
namespace v1 = chameleon::v1;

class Known : public ddl::SchemaLookup {
 public:
  const v1::TableDef* Find(const ddl::TableRef& ref) const override {
    auto it = tables_.find({ref.schema, ref.table});
    return it == tables_.end() ? nullptr : &it->second;
  }
  bool Wants(const ddl::TableRef& ref) const override { return ref.table != "unwanted"; }
  std::vector<const v1::TableDef*> Tables() const override {
    std::vector<const v1::TableDef*> all;
    for (const auto& [_, def] : tables_) all.push_back(&def);
    return all;
  }
  std::optional<ddl::CharsetDefault> Database(const std::string&) const override {
    return ddl::CharsetDefault{"utf8mb4", "utf8mb4_general_ci"};
  }

  void Follow(const v1::TableChange& change) {
    tables_.erase({change.name().schema(), change.name().table()});
    if (!change.has_after()) return;
    const v1::TableDef& def = change.after();
    for (const v1::ColumnDef& column : def.columns()) {
      v1::ColumnDef again;
      if (!ddl::ParseColumnType(column.column_type(), &again).ok()) std::abort();
    }
    tables_[{def.name().schema(), def.name().table()}] = def;
  }

 private:
  std::map<std::pair<std::string, std::string>, v1::TableDef> tables_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  ddl::SessionContext context;
  context.server = data[0] & 1 ? ddl::ServerKind::kMariadb : ddl::ServerKind::kMysql;
  context.server_version = data[0] & 2 ? 50744 : data[0] & 1 ? 110806 : 90704;
  context.default_database = "d";
  context.lower_case_table_names = data[0] >> 2 & 1;
  context.ansi_quotes = data[0] & 8;
  context.no_backslash_escapes = data[0] & 16;
  context.explicit_defaults_for_timestamp = data[0] & 32;
  context.oracle = context.mariadb() && (data[0] & 64);
  Known tables;
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\0'), rest.size());
    const ddl::Statement statement = ddl::Parse(rest.substr(0, end), context);
    ddl::Describe(statement);
    auto changes = ddl::ApplyStatement(statement, tables, context);
    if (changes.ok()) {
      for (const v1::TableChange& change : *changes) tables.Follow(change);
    }
    ddl::DatabaseChangeOf(statement, tables, {"latin1", "latin1_swedish_ci"}, context);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return 0;
}
