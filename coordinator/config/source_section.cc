#include "coordinator/config/source_section.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "coordinator/config/units.h"

namespace chameleon::coordinator::config {
namespace {

const std::vector<std::string>& ConnectionKeys() {
  static const auto* keys = new std::vector<std::string>{"host",        "port",
                                                         "user",        "password",
                                                         "passwd",      "database",
                                                         "charset",     "connect_timeout",
                                                         "unix_socket", "ssl_mode",
                                                         "ssl_ca",      "ssl_cert",
                                                         "ssl_key",     "net_read_timeout"};
  return *keys;
}

bool IsLabel(const std::string& text) {
  return !text.empty() && text.size() <= 63 &&
         text.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
             std::string::npos;
}

// Schema and table are divided by the first dot.
std::optional<v1::TableName> ParseTable(const std::string& text, bool schema_alone_allowed) {
  v1::TableName name;
  const size_t dot = text.find('.');
  if (dot == std::string::npos) {
    if (!schema_alone_allowed) return std::nullopt;
    name.set_schema(text);
    return name;
  }
  if (dot == 0 || dot + 1 == text.size()) return std::nullopt;
  name.set_schema(text.substr(0, dot));
  name.set_table(text.substr(dot + 1));
  return name;
}

template <typename Repeated>
void ReadTables(Section* section, const std::string& key, bool schema_alone_allowed,
                Repeated* tables) {
  for (const std::string& text : section->List(key)) {
    if (const auto name = ParseTable(text, schema_alone_allowed)) {
      *tables->Add() = *name;
    } else {
      section->Problem(key, fmt::format("\"{}\" is not a table name", text),
                       schema_alone_allowed ? "Write schema or schema.table."
                                            : "Write schema.table, with the source's schema.");
    }
  }
}

void ReadConnection(SourceConfig* source, bool pgsql, Section* db) {
  v1::SourceConnection* connection = &source->connection;
  connection->set_unix_socket(db->Text("unix_socket", ""));
  connection->set_host(connection->unix_socket().empty() ? db->RequiredText("host", "localhost")
                                                         : db->Text("host", "localhost"));
  connection->set_port(static_cast<uint32_t>(db->Number("port", pgsql ? 5432 : 3306, 1, 65535)));
  connection->set_user(db->RequiredText("user", "usr_replica"));
  // 0.1 called it passwd.
  connection->set_password(db->Secret(db->Has("passwd") ? "passwd" : "password"));
  connection->set_charset(db->Text("charset", "utf8"));
  connection->set_connect_timeout_s(
      static_cast<uint32_t>(db->Number("connect_timeout", 10, 1, 3600)));
  connection->set_ssl_mode(db->Choice(
      "ssl_mode", "", {"", "disabled", "preferred", "required", "verify_ca", "verify_identity"}));
  connection->set_ssl_ca(db->Text("ssl_ca", ""));
  connection->set_ssl_cert(db->Text("ssl_cert", ""));
  connection->set_ssl_key(db->Text("ssl_key", ""));
  if (pgsql) {
    source->database = db->RequiredText("database", "db_replica");
  } else if (db->Has("database")) {
    db->Text("database", "");
    db->Problem("database", "only a source of type pgsql has a database here",
                "Remove it; schema_mappings names the MySQL databases.");
  }
}

void ReadMappings(SourceConfig* source, Section* section) {
  Section mappings = section->Map("schema_mappings");
  if (mappings.Keys().empty()) {
    section->Problem("schema_mappings",
                     section->Has("schema_mappings") ? "has no value" : "missing",
                     "Add at least one line \"source_database: target_schema\".");
  }
  for (const std::string& from : mappings.Keys()) {
    const std::string to = mappings.RequiredText(from, from);
    if (to == "sch_chameleon" || to == "information_schema" || to.rfind("pg_", 0) == 0) {
      mappings.Problem(from, fmt::format("\"{}\" cannot be a destination schema", to),
                       "Choose a schema that belongs to the replica alone.");
    }
    if (to.size() > 63) {
      mappings.Problem(from, fmt::format("\"{}\" is longer than 63 bytes", to),
                       "PostgreSQL allows no longer schema name: choose a shorter one.");
    }
    (*source->options.mutable_schema_mappings())[from] = to;
  }
}

void ReadCopy(v1::SourceOptions* options, Section* section) {
  const std::string memory = section->Text("copy_max_memory", "300M");
  const auto bytes = ParseMemory(memory);
  if (!bytes || *bytes < 65'536) {
    section->Problem("copy_max_memory",
                     fmt::format("\"{}\" is not an amount of memory from 64k", memory),
                     "Write a number with the suffix k, M or G, for example 300M.");
  }
  options->set_copy_max_memory_bytes(bytes.value_or(300 << 20));
  options->set_copy_to_file(section->Choice("copy_mode", "direct", {"file", "direct"}) == "file");
  options->set_out_dir(section->Text("out_dir", "/tmp"));
  options->set_copy_lanes(static_cast<uint32_t>(section->Number("copy_lanes", 0, 0, 64)));
}

void ReadIntervals(SourceConfig* source, Section* section) {
  const std::string lock_timeout = section->Text("lock_timeout", "120s");
  const auto lock_ms = ParseDurationMs(lock_timeout);
  if (!lock_ms || *lock_ms == 0 || *lock_ms > 86'400'000) {
    section->Problem("lock_timeout",
                     fmt::format("\"{}\" is not a time up to one day", lock_timeout),
                     "Write a number with a unit, for example 120s.");
  }
  source->lock_timeout_ms = lock_ms.value_or(120'000);
  source->options.set_lock_timeout_s(static_cast<uint32_t>((source->lock_timeout_ms + 999) / 1000));

  source->batch_retention = section->Text("batch_retention", "1 day");
  if (!LooksLikeInterval(source->batch_retention)) {
    section->Problem("batch_retention",
                     fmt::format("\"{}\" is not a PostgreSQL interval", source->batch_retention),
                     "Write a number with a unit, for example '1 day'.");
  }
  source->auto_maintenance = section->Text("auto_maintenance", "disabled");
  if (source->auto_maintenance != "disabled" && !LooksLikeInterval(source->auto_maintenance)) {
    section->Problem("auto_maintenance",
                     fmt::format("\"{}\" is neither disabled nor a PostgreSQL interval",
                                 source->auto_maintenance),
                     "Write disabled or, for example, '1 day'.");
  }
  const std::string delay = section->Text("batch_delay", "50ms");
  const auto delay_ms = ParseDurationMs(delay);
  if (!delay_ms || *delay_ms > 60'000) {
    section->Problem("batch_delay", fmt::format("\"{}\" is not a time up to one minute", delay),
                     "Write a number with a unit, for example 50ms.");
  }
  source->batch_delay_ms = static_cast<uint32_t>(delay_ms.value_or(50));
}

OnError ReadOnError(Section* section, const std::string& key, std::string_view fallback) {
  return section->Choice(key, fallback, {"continue", "exit"}) == "continue" ? OnError::kContinue
                                                                            : OnError::kExit;
}

void ReadSkipEvents(v1::SkipEvents* skip, Section section) {
  ReadTables(&section, "insert", true, skip->mutable_insert());
  ReadTables(&section, "update", true, skip->mutable_update());
  ReadTables(&section, "delete", true, skip->mutable_delete_());
  section.Finish();
}

void ReadStream(SourceConfig* source, Section* section) {
  v1::SourceOptions* options = &source->options;
  options->set_my_server_id(
      static_cast<uint32_t>(section->Number("my_server_id", 100, 1, 4'294'967'295)));
  options->set_replica_batch_size(
      static_cast<uint32_t>(section->Number("replica_batch_size", 10'000, 1, 1'000'000)));
  source->replay_max_rows =
      static_cast<uint32_t>(section->Number("replay_max_rows", 10'000, 1, 10'000'000));
  source->sleep_loop_s = section->Decimal("sleep_loop", 1, 3600);
  source->on_error_replay = ReadOnError(section, "on_error_replay", "continue");
  source->on_error_read = ReadOnError(section, "on_error_read", "exit");
  options->set_gtid_enable(section->Bool("gtid_enable", false));
  ReadSkipEvents(options->mutable_skip_events(), section->Map("skip_events"));
}

}  // namespace

void ReadFillFactor(Section section, std::vector<FillFactor>* fillfactor) {
  for (const std::string& key : section.Keys()) {
    uint32_t percent = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), percent);
    if (error != std::errc() || end != key.data() + key.size() || percent < 10 || percent > 100) {
      section.Problem(key, "a fillfactor is a number from 10 to 100",
                      "Write, for example, \"30\": with a list of tables below it.");
      section.Map(key);
      continue;
    }
    Section level = section.Map(key);
    FillFactor entry;
    entry.percent = percent;
    entry.tables = level.List("tables");
    for (const std::string& table : entry.tables) {
      if (table != "*" && !ParseTable(table, false)) {
        level.Problem("tables", fmt::format("\"{}\" is not a table name", table),
                      "Write schema.table or \"*\".");
      }
    }
    level.Finish();
    fillfactor->push_back(std::move(entry));
  }
}

SourceConfig ReadSource(const std::string& name, Section section) {
  SourceConfig source;
  source.name = name;
  if (!section.Has("db_conn")) {
    section.Problem("db_conn", "missing", "Add the connection: host, port, user, password.");
  }
  Section db = section.Map("db_conn");
  if (db.Has("type")) db.MoveOthers(ConnectionKeys(), &section);
  source.type = section.Choice("type", "mysql", {"mysql", "pgsql"});
  const bool pgsql = source.type == "pgsql";
  source.worker = section.Text("worker", kWorkerLocal);
  if (!IsLabel(source.worker)) {
    section.Problem("worker", fmt::format("\"{}\" is not a label", source.worker),
                    "Write local, any, or a label of letters, digits, dots, dashes and "
                    "underscores.");
  }
  if (pgsql) db.MoveOthers(ConnectionKeys(), &section);

  // The manuals know net_read_timeout beside the connection; inside it is as good.
  Section* timeout_in = section.Has("net_read_timeout") ? &section : &db;
  source.connection.set_net_read_timeout_s(
      static_cast<uint32_t>(timeout_in->Number("net_read_timeout", 600, 1, 31'536'000)));
  if (section.Has("db_conn")) ReadConnection(&source, pgsql, &db);
  db.Finish();

  ReadMappings(&source, &section);
  ReadTables(&section, "limit_tables", false, source.options.mutable_limit_tables());
  ReadTables(&section, "skip_tables", false, source.options.mutable_skip_tables());
  source.grant_select_to = section.List("grant_select_to");
  ReadIntervals(&source, &section);
  ReadStream(&source, &section);
  ReadCopy(&source.options, &section);
  source.keep_existing_schema = section.Bool("keep_existing_schema", false);
  ReadFillFactor(section.Map("fillfactor"), &source.fillfactor);
  section.Finish();
  return source;
}

}  // namespace chameleon::coordinator::config
