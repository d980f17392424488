// The DDL room beside a real server: what the server wrote to its binary log is applied to our
// definitions, as the worker would do it, and these must equal what information_schema says.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "chameleon/v1/worker.pb.h"
#include "tests/support/servers.h"
#include "worker/binlog/event.h"
#include "worker/ddl/schema_change.h"
#include "worker/source/connection.h"

namespace chameleon::test {

namespace ddl = worker::ddl;

// Our side: definitions that only statements change.
class Shadow : public ddl::SchemaLookup {
 public:
  using Key = std::pair<std::string, std::string>;
  const v1::TableDef* Find(const ddl::TableRef& ref) const override {
    auto it = tables.find({ref.schema, ref.table});
    return it == tables.end() ? nullptr : &it->second;
  }
  bool Wants(const ddl::TableRef& ref) const override {
    return ref.schema != "mysql" && ref.schema != "sys";
  }
  std::vector<const v1::TableDef*> Tables() const override {
    std::vector<const v1::TableDef*> all;
    for (const auto& [_, def] : tables) all.push_back(&def);
    return all;
  }
  std::optional<ddl::CharsetDefault> Database(const std::string& schema) const override {
    auto it = databases.find(schema);
    if (it == databases.end()) return std::nullopt;
    return it->second;
  }

  std::map<Key, v1::TableDef> tables;
  std::map<std::string, ddl::CharsetDefault> databases;
};

// A definition as text, one line per column, index and foreign key; for comparing and for people.
std::string TableText(const v1::TableDef& table);

class DdlShadow {
 public:
  struct Counts {
    int statements = 0;  // in the binary log, without transaction control
    int changes = 0;
    int compared = 0;
    int different = 0;                 // silently wrong: a bug
    int not_understood = 0;            // of what the server has run
    std::map<std::string, int> stops;  // by reason; "recopy: …" among them
    std::map<std::string, int> benign;
  };

  // `server` runs and outlives this. Tables of the databases mysql and sys are left alone.
  explicit DdlShadow(SourceServer* server);

  // Reads what was logged since the last call; differences and what is not understood are added as
  // failures of the current test, named `where`. After a difference the server's definition holds.
  void Follow(const std::string& where);
  // Every table of every database: what was changed without our noticing is different, too.
  void CompareAll(const std::string& where);
  // After the server was started again: goes on at the end of its log.
  void Reconnect();

  const Counts& counts() const { return counts_; }

 private:
  void Apply(const worker::binlog::Query& query, const std::string& where);
  void Take(const std::vector<v1::TableChange>& changes, const std::string& text);
  void Compare(const Shadow::Key& name, const std::string& what);
  std::optional<v1::TableDef> OnServer(const Shadow::Key& name);
  void Resync(const Shadow::Key& name);
  std::string ReadLog();

  SourceServer* const server_;
  std::unique_ptr<worker::source::Connection> reader_;
  v1::ServerInfo info_;
  worker::binlog::EventParser parser_;
  std::string file_;
  uint64_t offset_ = 0;
  Shadow shadow_;
  std::map<Shadow::Key, std::string> touched_;  // since the last comparison, with the statement
  Counts counts_;
};

}  // namespace chameleon::test
