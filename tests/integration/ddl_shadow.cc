#include "tests/integration/ddl_shadow.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "proto/wire/error.h"
#include "worker/ddl/names.h"
#include "worker/ddl/parser.h"
#include "worker/source/schema_reader.h"
#include "worker/source/server.h"
#include "worker/stream/query_context.h"

namespace chameleon::test {
namespace {

namespace binlog = worker::binlog;
namespace source = worker::source;
using v1::TableChange;

constexpr int kShownMax = 60;

bool IsReal(const v1::ColumnDef& c) {
  return c.base_type() == v1::FLOAT || c.base_type() == v1::DOUBLE;
}

std::string DefaultText(const v1::ColumnDef& c) {
  if (!c.has_default()) return "";
  // The server re-writes expressions; FLOAT defaults are shown with six digits.
  if (c.default_is_expression()) return " default expression";
  if (IsReal(c)) return fmt::format(" default {:.5g}", std::atof(c.default_value().c_str()));
  in6_addr address;
  if (c.base_type() == v1::INET6 && inet_pton(AF_INET6, c.default_value().c_str(), &address) == 1) {
    return fmt::format(" default {}", std::string_view(reinterpret_cast<char*>(&address), 16));
  }
  return fmt::format(" default [{}]", c.default_value());
}

std::string ColumnText(const v1::ColumnDef& c) {
  std::string out = fmt::format("  {} {}", c.name(), c.column_type());
  if (!c.charset().empty()) out += fmt::format(" {}/{}", c.charset(), c.collation());
  if (!c.nullable()) out += " not null";
  out += DefaultText(c);
  if (!c.on_update().empty()) out += " on update " + c.on_update();
  if (c.auto_increment()) out += " auto_increment";
  if (c.generated() != v1::GENERATED_NONE) out += fmt::format(" generated {}", int{c.generated()});
  if (c.invisible()) out += " invisible";
  if (c.has_srid() && c.srid() != 0) out += fmt::format(" srid {}", c.srid());
  out += fmt::format(" {}/{}/{}{}{}", c.length(), c.scale(), c.fsp(), c.is_unsigned() ? " u" : "",
                     c.zerofill() ? " z" : "");
  if (!c.comment().empty()) out += fmt::format(" comment [{}]", c.comment());
  return out + "\n";
}

void Must(const absl::Status& status) {
  if (!status.ok()) throw std::runtime_error(Text(status));
}

Shadow::Key KeyOf(const v1::TableName& name) { return {name.schema(), name.table()}; }

source::TableFilter FilterFor(const std::vector<std::string>& schemas, uint32_t lower_case) {
  v1::SourceOptions options;
  for (const auto& schema : schemas) (*options.mutable_schema_mappings())[schema] = schema;
  return source::TableFilter(options, lower_case);
}

// What no statement says is taken from the server: a DEFAULT that it reads in its own way, and how
// much of a text column a PLAIN index has where its engine allows no more.
void TakeWhatOnlyTheServerKnows(const v1::TableDef& theirs, v1::TableDef* ours) {
  for (auto& column : *ours->mutable_columns()) {
    for (const auto& other : theirs.columns()) {
      if (other.name() != column.name() || !column.default_is_expression()) continue;
      column.set_default_value(other.default_value());
      column.set_default_is_expression(other.default_is_expression());
    }
  }
  for (auto& index : *ours->mutable_indexes()) {
    for (const auto& other : theirs.indexes()) {
      if (other.name() != index.name() || index.kind() != v1::IndexDef::PLAIN) continue;
      for (int i = 0; i < std::min(index.parts_size(), other.parts_size()); ++i) {
        index.mutable_parts(i)->set_prefix_length(other.parts(i).prefix_length());
      }
    }
  }
}

}  // namespace

std::string TableText(const v1::TableDef& t) {
  // Not the engine: a statement without a clause gets the session's default, which is not logged.
  std::string out =
      fmt::format("{}.{} {}/{} [{}]{}{}\n", t.name().schema(), t.name().table(), t.charset(),
                  t.collation(), t.comment(), t.system_versioned() ? " versioned " : "",
                  t.system_versioned() ? t.row_start_column() : "");
  for (const auto& c : t.columns()) out += ColumnText(c);
  for (const auto& i : t.indexes()) {
    out += fmt::format("  index {} {}", i.name(), v1::IndexDef::Kind_Name(i.kind()));
    for (const auto& p : i.parts()) {
      out += fmt::format(" {}({}){}", p.expression().empty() ? p.column() : "expression",
                         p.prefix_length(), p.descending() ? " desc" : "");
    }
    out += i.comment().empty() ? "\n" : fmt::format(" [{}]\n", i.comment());
  }
  for (const auto& k : t.foreign_keys()) {
    out += fmt::format("  foreign key {}", k.name());
    for (const auto& c : k.columns()) out += " " + c;
    out += fmt::format(" -> {}.{}", k.referenced().schema(), k.referenced().table());
    for (const auto& c : k.referenced_columns()) out += " " + c;
    out += fmt::format(" {} {}\n", k.on_delete(), k.on_update());
  }
  return out;
}

DdlShadow::DdlShadow(SourceServer* server) : server_(server) { Reconnect(); }

void DdlShadow::Reconnect() {
  v1::SourceConnection config;
  config.set_unix_socket(server_->socket());
  config.set_user("root");
  auto reader = source::Connection::Open(config);
  Must(reader.status());
  reader_ = *std::move(reader);
  auto info = source::ReadServerInfo(reader_.get());
  Must(info.status());
  info_ = *std::move(info);
  Must(source::ReadCharsets(reader_.get(), &info_));
  auto status = source::ReadBinlogStatus(reader_.get(), info_);
  Must(status.status());
  file_ = server_->directory() / "data" / status->file;
  offset_ = 0;
  parser_ = binlog::EventParser();
  ReadLog();
  shadow_.databases.clear();
  for (const auto& [name, charset] : info_.databases()) {
    shadow_.databases[name] = {charset.charset(), charset.collation()};
  }
  shadow_.tables.clear();
  CompareAll("");
}

// Whole events from offset_ on; the format description is remembered.
std::string DdlShadow::ReadLog() {
  std::ifstream in(file_, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(offset_ == 0 ? 4 : offset_));
  std::string log((std::istreambuf_iterator<char>(in)), {});
  if (offset_ == 0) {
    for (size_t at = 0; at < log.size();) {
      uint32_t size = 0;
      std::memcpy(&size, log.data() + at + 9, sizeof size);
      auto event = parser_.Parse(std::string_view(log).substr(at, size));
      Must(event.status());
      at += size;
    }
    offset_ = 4;
  }
  offset_ += log.size();
  return log;
}

void DdlShadow::Follow(const std::string& where) {
  const std::string log = ReadLog();
  for (size_t at = 0; at + binlog::kHeaderBytes <= log.size();) {
    uint32_t size = 0;
    std::memcpy(&size, log.data() + at + 9, sizeof size);
    auto event = parser_.Parse(std::string_view(log).substr(at, size));
    Must(event.status());
    at += size;
    if (event->header.type == binlog::EventType::kRotate) {
      throw std::runtime_error("the binary log was rotated");
    }
    if (event->header.type != binlog::EventType::kQuery) continue;
    auto query = binlog::ParseQuery(*event);
    Must(query.status());
    Apply(*query, where);
  }
  // One statement of the client may have logged several: only their end can be compared.
  for (const auto& [name, what] : std::exchange(touched_, {})) Compare(name, what);
}

void DdlShadow::Apply(const binlog::Query& query, const std::string& where) {
  const auto context = worker::stream::ContextOf(query, info_);
  auto text = worker::stream::TextOf(query, info_);
  Must(text.status());
  const ddl::Statement parsed = ddl::Parse(*text, context);
  if (std::holds_alternative<ddl::TransactionControl>(parsed)) return;
  ++counts_.statements;
  const std::string shown = fmt::format("{}\n{}", where, text->substr(0, 1500));
  if (std::holds_alternative<ddl::Dml>(parsed)) {
    ++counts_.stops[ddl::Describe(parsed)];
    return;
  }
  if (const auto* unparsed = std::get_if<ddl::Unparsed>(&parsed)) {
    if (++counts_.not_understood <= kShownMax) ADD_FAILURE() << unparsed->reason << "\n" << shown;
    for (const auto& ref : unparsed->tables) Resync({ref.schema, ref.table});
    return;
  }
  if (std::holds_alternative<ddl::Benign>(parsed)) ++counts_.benign[ddl::Describe(parsed)];
  const auto inherited = worker::stream::InheritedCharset(query, info_);
  auto change = ddl::DatabaseChangeOf(parsed, shadow_, inherited, context);
  auto changes = ddl::ApplyStatement(parsed, shadow_, context);
  Must(changes.status());
  if (change) {
    shadow_.databases.erase(change->schema);
    if (change->charset) shadow_.databases[change->schema] = *change->charset;
  }
  if (query.error_code != 0) {
    ++counts_.stops["failed on the source"];
    for (const TableChange& failed : *changes) Resync(KeyOf(failed.name()));
    return;
  }
  Take(*changes, shown);
}

void DdlShadow::Take(const std::vector<TableChange>& changes, const std::string& text) {
  for (const TableChange& change : changes) {
    const Shadow::Key key = KeyOf(change.name());
    touched_[key] = text;
    ++counts_.changes;
    switch (change.kind()) {
      case TableChange::STOP:
      case TableChange::RECOPY: {
        const bool stop = change.kind() == TableChange::STOP;
        ++counts_.stops[(stop ? "stop: " : "recopy: ") + change.reason()];
        if (stop && std::getenv("CHAMELEON_SHOW_STOPS")) {
          printf("%s\n%s\n", change.reason().c_str(), text.c_str());
        }
        if (change.has_after()) {
          shadow_.tables[key] = change.after();
        } else {
          Resync(key);
        }
        break;
      }
      case TableChange::CREATE:
      case TableChange::ALTER:
        shadow_.tables[key] = change.after();
        break;
      case TableChange::DROP:
        shadow_.tables.erase(key);
        break;
      case TableChange::RENAME: {
        const Shadow::Key to = KeyOf(change.new_name());
        shadow_.tables.erase(key);
        shadow_.tables[to] = change.after();
        touched_[to] = text;
        break;
      }
      default:
        break;
    }
  }
}

std::optional<v1::TableDef> DdlShadow::OnServer(const Shadow::Key& name) {
  v1::TableName wanted;
  wanted.set_schema(name.first);
  wanted.set_table(name.second);
  auto filter = FilterFor({name.first}, info_.lower_case_table_names());
  filter.RestrictOnly(wanted);
  auto schema = source::ReadSchema(reader_.get(), info_, {name.first}, filter);
  Must(schema.status());
  if (schema->tables.empty()) return std::nullopt;
  return schema->tables[0];
}

void DdlShadow::Resync(const Shadow::Key& name) {
  shadow_.tables.erase(name);
  if (auto def = OnServer(name)) shadow_.tables[name] = *std::move(def);
}

void DdlShadow::Compare(const Shadow::Key& name, const std::string& what) {
  const auto it = shadow_.tables.find(name);
  const auto def = OnServer(name);
  if (it != shadow_.tables.end() && def) TakeWhatOnlyTheServerKnows(*def, &it->second);
  const std::string ours = it == shadow_.tables.end() ? "" : TableText(it->second);
  const std::string theirs = def ? TableText(*def) : "";
  ++counts_.compared;
  if (ours == theirs) return;
  if (++counts_.different <= kShownMax) {
    ADD_FAILURE() << name.first << "." << name.second << " after\n"
                  << what << "\n--- server\n"
                  << theirs << "--- ours\n"
                  << ours;
  }
  Resync(name);
}

void DdlShadow::CompareAll(const std::string& where) {
  std::vector<std::string> schemas;
  auto names = reader_->Query(
      "SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN "
      "('mysql', 'sys', 'information_schema', 'performance_schema')");
  Must(names.status());
  for (size_t i = 0; i < names->rows.size(); ++i) schemas.push_back(names->Get(i, 0));
  auto all = source::ReadSchema(reader_.get(), info_, schemas,
                                FilterFor(schemas, info_.lower_case_table_names()));
  Must(all.status());
  std::map<Shadow::Key, v1::TableDef> now;
  for (auto& def : all->tables) now[KeyOf(def.name())] = std::move(def);
  std::set<Shadow::Key> either;
  for (const auto& [key, _] : now) either.insert(key);
  for (const auto& [key, _] : shadow_.tables) either.insert(key);
  for (const auto& key : where.empty() ? std::set<Shadow::Key>() : either) {
    const auto ours = shadow_.tables.find(key), theirs = now.find(key);
    const std::string a = ours == shadow_.tables.end() ? "" : TableText(ours->second);
    const std::string b = theirs == now.end() ? "" : TableText(theirs->second);
    if (a == b || ++counts_.different > kShownMax) continue;
    ADD_FAILURE() << key.first << "." << key.second << " at the end of " << where
                  << "\n--- server\n"
                  << b << "--- ours\n"
                  << a;
  }
  shadow_.tables = std::move(now);
}

}  // namespace chameleon::test
