// The tables of a binary log, learned from its own statements, with plans of the coordinator's
// type map (no overrides, no extensions) and their codecs: for golden tests and the row fuzzer.
//
// A statement that stops a table, or fails, leaves it without a schema; TableOf is then null and
// WhyNot says why. Not thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "coordinator/target/type_map.h"
#include "worker/binlog/event.h"
#include "worker/ddl/schema_change.h"
#include "worker/encode/table_codec.h"

namespace chameleon::test {

class LogSchema : public worker::ddl::SchemaLookup {
 public:
  struct Table {
    v1::TableDef def;
    v1::TablePlan plan;
    std::unique_ptr<worker::encode::TableCodec> codec;
  };

  // `server_version` as the format description has it: "8.0.22", "10.5.15-MariaDB-log".
  // `default_charset`: of every database that no statement creates.
  explicit LogSchema(const std::string& server_version,
                     const std::string& default_charset = "utf8mb4");

  void Follow(const worker::binlog::Query& query);
  // The same for a statement in UTF-8.
  void Run(std::string_view statement, const worker::ddl::SessionContext& context);
  const worker::ddl::SessionContext& server() const { return server_; }

  // Null: no statement has made it. Valid until the next statement.
  Table* TableOf(const std::string& schema, const std::string& table);
  std::string WhyNot(const std::string& schema, const std::string& table) const;

  const v1::TableDef* Find(const worker::ddl::TableRef& table) const override;
  bool Wants(const worker::ddl::TableRef& table) const override;
  std::vector<const v1::TableDef*> Tables() const override;
  std::optional<worker::ddl::CharsetDefault> Database(const std::string& schema) const override;

 private:
  using Key = std::pair<std::string, std::string>;  // schema and table

  void Apply(const v1::TableChange& change);
  void Put(const v1::TableDef& def);

  worker::ddl::SessionContext server_;
  worker::ddl::CharsetDefault default_charset_;
  std::map<std::string, worker::ddl::CharsetDefault> databases_;
  std::map<Key, Table> tables_;
  std::map<Key, std::string> why_not_;
};

// What the format description of a log says.
std::string ServerVersionOf(const std::vector<std::string>& events);

// A database's default character set is in no event. The one of utf8mb4, latin1 and utf8mb3 with
// which most table maps fit the log's own statements, after those that `learn` has run.
std::string FittingCharset(const std::vector<std::string>& events,
                           const std::function<void(LogSchema*)>& learn);

}  // namespace chameleon::test
