// Configuration files: the manual's own text is accepted, and each mistake has its exact message.
#include "coordinator/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "coordinator/config/units.h"
#include "coordinator/config/yaml_reader.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator {
namespace {

namespace fs = std::filesystem;

class ConfigTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/chameleon-config-XXXXXX";
    home_ = mkdtemp(name);
    fs::create_directory(home_ + "/configuration");
  }
  void TearDown() override { fs::remove_all(home_); }

  void Write(const std::string& text, const std::string& name = "default") {
    const std::string path = home_ + "/configuration/" + name + ".yml";
    std::ofstream(path) << text;
    chmod(path.c_str(), 0600);
  }
  // The error's text with the directory taken out.
  std::string ErrorOf(const std::string& text) {
    Write(text);
    auto config = LoadConfig(home_, "default");
    if (config.ok()) return "ok";
    std::string error = Text(config.status());
    const std::string directory = home_ + "/configuration/";
    for (size_t at; (at = error.find(directory)) != std::string::npos;) {
      error.erase(at, directory.size());
    }
    return error;
  }
  std::string home_;
};

// clang-format off
constexpr char kManual[] = R"yaml(# global settings
pid_dir: '~/.pg_chameleon/pid/'
log_dir: '~/.pg_chameleon/logs/'
log_dest: file
log_level: info
log_days_keep: 10
rollbar_key: ''
rollbar_env: ''

# type_override allows the user to override the default type conversion
# into a different one.

type_override:
  "tinyint(1)":
    override_to: boolean

# postgres  destination connection
pg_conn:
  host: "localhost"
  port: "5432"
  user: "usr_replica"
  password: "never_commit_password"
  database: "db_replica"
  charset: "utf8"

sources:
  mysql:
    db_conn:
      host: "localhost"
      port: "3306"
      user: "usr_replica"
      password: "never_commit_passwords"
      charset: 'utf8'
      connect_timeout: 10
    schema_mappings:
      delphis_mediterranea: loxodonta_africana
    limit_tables:
      - delphis_mediterranea.foo
    skip_tables:
      - delphis_mediterranea.bar
    grant_select_to:
      - usr_readonly
    lock_timeout: "120s"
    my_server_id: 100
    replica_batch_size: 10000
    replay_max_rows: 10000
    batch_retention: '1 day'
    copy_max_memory: "300M"
    copy_mode: 'file'
    out_dir: /tmp
    sleep_loop: 1
    on_error_replay: continue
    on_error_read: continue
    auto_maintenance: "disabled"
    gtid_enable: false
    type: mysql
    skip_events:
      insert:
        - delphis_mediterranea.foo  # skips inserts on delphis_mediterranea.foo
      delete:
        - delphis_mediterranea  # skips deletes on schema delphis_mediterranea
      update:
    keep_existing_schema: No

  pgsql:
    db_conn:
      host: "localhost"
      port: "5432"
      user: "usr_replica"
      password: "never_commit_passwords"
      database: "db_replica"
      charset: 'utf8'
      connect_timeout: 10
      schema_mappings:
        loxodonta_africana: elephas_maximus
      limit_tables:
        - loxodonta_africana.foo
      skip_tables:
        - loxodonta_africana.bar
      copy_max_memory: "300M"
      grant_select_to:
        - usr_readonly
      lock_timeout: "10s"
      my_server_id: 100
      replica_batch_size: 3000
      replay_max_rows: 10000
      sleep_loop: 5
      batch_retention: '1 day'
      copy_mode: 'file'
      out_dir: /tmp
      type: pgsql

fillfactor:
  "30":
    tables:
      - "foo.bar"
  "40":
    tables:
      - "foo.foobar"
)yaml";
// clang-format on

TEST_F(ConfigTest, WhereWorkersRunAndWhatIsListenedOn) {
  Write(
      "pg_conn: {user: u, database: d}\n"
      "listen: {address: \"0.0.0.0:7070\", tls_cert: ~/s.pem, tls_key: /s.key,\n"
      "  client_token_file: /c.token, join_token_file: /j.token, tls_client_ca: /ca.pem}\n"
      "sources:\n"
      "  a: {db_conn: {host: h, user: u}, schema_mappings: {x: y}, worker: eu-1}\n"
      "  b: {db_conn: {host: i, user: u}, schema_mappings: {x: z}}\n");
  auto config = LoadConfig(home_, "default");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->sources.at("a").worker, "eu-1");
  EXPECT_EQ(config->sources.at("b").worker, "local");
  const ListenOptions& listen = config->listen;
  EXPECT_EQ(listen.address, "0.0.0.0:7070");
  EXPECT_EQ(listen.tls_cert, std::string(getenv("HOME")) + "/s.pem");
  EXPECT_EQ(listen.tls_key, "/s.key");
  EXPECT_EQ(listen.tls_client_ca, "/ca.pem");
  EXPECT_EQ(listen.client_token_file, "/c.token");
  EXPECT_EQ(listen.join_token_file, "/j.token");
  EXPECT_FALSE(listen.plaintext_loopback);

  EXPECT_EQ(
      ErrorOf("pg_conn: {user: u, database: d}\nlisten: {address: here, token: abc}\nsources:\n"
              "  a: {db_conn: {host: h, user: u}, schema_mappings: {x: y}, worker: eu 1}\n"),
      "default.yml:2: listen.address: \"here\" is not an address\n"
      "HINT: Write HOST:PORT, for example 0.0.0.0:7070.\n"
      "default.yml:2: listen.token: unknown key\n"
      "HINT: Remove it. Known keys here: address, tls_cert, tls_key, tls_client_ca, "
      "client_token_file, join_token_file, plaintext_loopback.\n"
      "default.yml:4: sources.a.worker: \"eu 1\" is not a label\n"
      "HINT: Write local, any, or a label of letters, digits, dots, dashes and underscores.");
}

TEST_F(ConfigTest, TheManualsOwnFileIsAccepted) {
  Write(kManual);
  auto config = LoadConfig(home_, "default");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->target.port, 5432u);
  EXPECT_EQ(config->pid_dir, std::string(getenv("HOME")) + "/.pg_chameleon/pid");
  ASSERT_EQ(config->type_overrides.size(), 1u);
  EXPECT_EQ(config->type_overrides[0].source_type, "tinyint(1)");
  EXPECT_THAT(config->type_overrides[0].tables, ::testing::ElementsAre("*"));

  auto mysql = config->Source("mysql");
  ASSERT_TRUE(mysql.ok());
  EXPECT_EQ((*mysql)->connection.ShortDebugString(),
            "host: \"localhost\" port: 3306 user: \"usr_replica\" password: "
            "\"never_commit_passwords\" charset: \"utf8\" connect_timeout_s: 10 "
            "net_read_timeout_s: 600");
  EXPECT_EQ(
      (*mysql)->options.ShortDebugString(),
      "schema_mappings { key: \"delphis_mediterranea\" value: \"loxodonta_africana\" } "
      "limit_tables { schema: \"delphis_mediterranea\" table: \"foo\" } "
      "skip_tables { schema: \"delphis_mediterranea\" table: \"bar\" } my_server_id: 100 "
      "replica_batch_size: 10000 copy_max_memory_bytes: 314572800 copy_to_file: true "
      "out_dir: \"/tmp\" lock_timeout_s: 120 skip_events { insert { schema: "
      "\"delphis_mediterranea\" table: \"foo\" } delete { schema: \"delphis_mediterranea\" } }");
  EXPECT_EQ((*mysql)->lock_timeout_ms, 120'000u);
  EXPECT_EQ((*mysql)->on_error_read, OnError::kContinue);
  ASSERT_EQ((*mysql)->fillfactor.size(), 2u);
  EXPECT_EQ((*mysql)->fillfactor[1].percent, 40u);

  auto pgsql = config->Source("pgsql");
  ASSERT_TRUE(pgsql.ok());
  EXPECT_EQ((*pgsql)->type, "pgsql");
  EXPECT_EQ((*pgsql)->database, "db_replica");
  EXPECT_EQ((*pgsql)->options.schema_mappings().at("loxodonta_africana"), "elephas_maximus");
  EXPECT_EQ((*pgsql)->lock_timeout_ms, 10'000u);
  EXPECT_EQ((*pgsql)->options.replica_batch_size(), 3000u);
}

constexpr char kTarget[] = "pg_conn: {user: u, database: d}\n";

TEST_F(ConfigTest, DefaultsOfAMinimalFile) {
  Write(std::string(kTarget) +
        "sources: {a: {db_conn: {host: h, user: u}, schema_mappings: {x: y}}}\n");
  auto config = LoadConfig(home_, "default");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->pid_dir, home_ + "/pid");
  const SourceConfig& source = config->sources.at("a");
  EXPECT_EQ(source.connection.port(), 3306u);
  EXPECT_EQ(source.on_error_read, OnError::kExit);
  EXPECT_EQ(source.on_error_replay, OnError::kContinue);
  EXPECT_EQ(source.batch_delay_ms, 50u);
  EXPECT_FALSE(source.options.copy_to_file());
}

TEST_F(ConfigTest, PasswdOfTheFirstManualIsAPassword) {
  Write(std::string(kTarget) +
        "sources: {a: {db_conn: {host: h, user: u, passwd: s3cret}, schema_mappings: {x: y}}}\n");
  auto config = LoadConfig(home_, "default");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->sources.at("a").connection.password(), "s3cret");
  for (const auto& item : config->items) EXPECT_EQ(item.value().find("s3cret"), std::string::npos);
}

struct Mistake {
  const char* name;
  const char* yaml;
  const char* error;
};

class MistakeTest : public ConfigTest, public ::testing::WithParamInterface<Mistake> {};

TEST_P(MistakeTest, HasItsText) { EXPECT_EQ(ErrorOf(GetParam().yaml), GetParam().error); }

const Mistake kMistakes[] = {
    {"UnknownKey",
     "pg_conn: {user: u, database: d}\nlog_levl: info\n"
     "sources:\n  a:\n    db_con: {host: h, user: u}\n    db_conn: {host: h, user: u}\n"
     "    schema_mappings: {x: y}\n",
     "default.yml:2: log_levl: unknown key\nHINT: Did you mean \"log_level\"?\n"
     "default.yml:5: sources.a.db_con: unknown key\nHINT: Did you mean \"db_conn\"?"},
    {"UnknownKeyUnlikeAny",
     "pg_conn: {user: u, database: d, wombat: 1}\n"
     "sources: {a: {db_conn: {host: h, user: u}, schema_mappings: {x: y}}}\n",
     "default.yml:1: pg_conn.wombat: unknown key\nHINT: Remove it. Known keys here: host, port, "
     "user, password, database, charset, sslmode, sslrootcert, sslcert, sslkey, connect_timeout."},
    {"WrongTypes",
     "pg_conn:\n  user: u\n  database: d\n  port: mysql\n  host: [a, b]\nlog_level: loud\n"
     "sources:\n  a:\n    db_conn: {host: h, user: u, port: 70000}\n    schema_mappings: {x: y}\n"
     "    limit_tables: x.t\n    skip_tables:\n      - t\n    gtid_enable: maybe\n"
     "    copy_max_memory: lots\n    lock_timeout: soon\n    batch_retention: forever\n"
     "    sleep_loop: -1\n    my_server_id: 0\n",
     "default.yml:4: pg_conn.port: \"mysql\" is not a number from 1 to 65535\n"
     "HINT: Write a whole number, for example 5432.\n"
     "default.yml:5: pg_conn.host: must be a single value\n"
     "HINT: Write \"host: value\" on one line.\n"
     "default.yml:6: log_level: \"loud\" is not allowed\n"
     "HINT: Use one of: debug, info, warning, error.\n"
     "default.yml:9: sources.a.db_conn.port: \"70000\" is not a number from 1 to 65535\n"
     "HINT: Write a whole number, for example 3306.\n"
     "default.yml:11: sources.a.limit_tables: must be a list\n"
     "HINT: Write each entry on a line of its own below \"limit_tables:\", beginning with \"- \".\n"
     "default.yml:12: sources.a.skip_tables: \"t\" is not a table name\n"
     "HINT: Write schema.table, with the source's schema.\n"
     "default.yml:14: sources.a.gtid_enable: \"maybe\" is neither yes nor no\n"
     "HINT: Write Yes or No.\n"
     "default.yml:15: sources.a.copy_max_memory: \"lots\" is not an amount of memory from 64k\n"
     "HINT: Write a number with the suffix k, M or G, for example 300M.\n"
     "default.yml:16: sources.a.lock_timeout: \"soon\" is not a time up to one day\n"
     "HINT: Write a number with a unit, for example 120s.\n"
     "default.yml:17: sources.a.batch_retention: \"forever\" is not a PostgreSQL interval\n"
     "HINT: Write a number with a unit, for example '1 day'.\n"
     "default.yml:18: sources.a.sleep_loop: \"-1\" is not a number from 0 to 3600\n"
     "HINT: Write a number, for example 1.\n"
     "default.yml:19: sources.a.my_server_id: \"0\" is not a number from 1 to 4294967295\n"
     "HINT: Write a whole number, for example 100."},
    {"MissingValues", "pg_conn:\n  user:\n  host: h\nsources:\n  a:\n    db_conn:\n      host: h\n",
     "default.yml:1: pg_conn.database: missing\n"
     "HINT: Add it, for example \"database: db_replica\".\n"
     "default.yml:2: pg_conn.user: has no value\n"
     "HINT: Give it one, for example \"user: usr_replica\".\n"
     "default.yml:5: sources.a.schema_mappings: missing\n"
     "HINT: Add at least one line \"source_database: target_schema\".\n"
     "default.yml:6: sources.a.db_conn.user: missing\n"
     "HINT: Add it, for example \"user: usr_replica\"."},
    {"NothingAtAll", "",
     "default.yml:1: pg_conn: missing\n"
     "HINT: Add the target connection: host, port, user, password, database.\n"
     "default.yml:1: sources: missing\n"
     "HINT: Add at least one source below \"sources:\"; see config-example.yml."},
    {"OneSchemaTwice",
     "pg_conn: {user: u, database: d}\nsources:\n  a:\n    db_conn: {host: h, user: u}\n"
     "    schema_mappings:\n      x: shop\n      y: shop\n  b:\n    db_conn: {host: i, user: u}\n"
     "    schema_mappings:\n      z: shop\n",
     "default.yml:7: sources.a.schema_mappings.y: the destination schema \"shop\" is used already "
     "by sources.a.schema_mappings.x in line 6\n"
     "HINT: Each source schema needs a destination schema of its own.\n"
     "default.yml:11: sources.b.schema_mappings.z: the destination schema \"shop\" is used already "
     "by sources.a.schema_mappings.x in line 6\n"
     "HINT: Each source schema needs a destination schema of its own."},
    {"ReservedSchema",
     "pg_conn: {user: u, database: d}\nsources:\n  a:\n    db_conn: {host: h, user: u}\n"
     "    schema_mappings:\n      x: sch_chameleon\n",
     "default.yml:6: sources.a.schema_mappings.x: \"sch_chameleon\" cannot be a destination "
     "schema\nHINT: Choose a schema that belongs to the replica alone."},
    {"DuplicateKey",
     "pg_conn: {user: u, database: d}\nlog_dest: file\nlog_dest: stdout\nsources:\n  a:\n"
     "    db_conn: {host: h, user: u}\n    schema_mappings: {x: y}\n  a:\n"
     "    db_conn: {host: h, user: u}\n    schema_mappings: {x: y}\n",
     "default.yml:3: log_dest: given twice, first in line 2\nHINT: Keep one of the two.\n"
     "default.yml:8: sources.a: given twice, first in line 5\nHINT: Keep one of the two."},
    {"OneServerIdTwice",
     "pg_conn: {user: u, database: d}\nsources:\n  a:\n    db_conn: {host: h, user: u}\n"
     "    schema_mappings: {x: y}\n  b:\n    db_conn: {host: h, user: u}\n"
     "    schema_mappings: {z: w}\n",
     "default.yml:6: sources.b.my_server_id: 100 is used already by source \"a\" on the same "
     "server\nHINT: Give each source a my_server_id of its own."},
    {"KeysOfOlderManuals",
     "my_server_id: 100\nmy_database: sakila\npg_database: db_replica\ntables_limit:\n"
     "mysql_conn: {host: h, port: 3306, user: u, passwd: p}\ncopy_max_size: 100\nhexify: [blob]\n"
     "pg_conn: {user: u, database: d}\nsources:\n  a:\n    db_conn: {host: h, user: u, passwd: p}\n"
     "    schema_mappings: {x: y}\n    tables_limit: [x.t]\n",
     "default.yml:1: my_server_id: a key of an older version\n"
     "HINT: Write it as sources.NAME.my_server_id.\n"
     "default.yml:2: my_database: a key of an older version\n"
     "HINT: Name the database below sources.NAME.schema_mappings: \"DATABASE: SCHEMA\".\n"
     "default.yml:3: pg_database: a key of an older version\n"
     "HINT: Write it as pg_conn.database.\n"
     "default.yml:4: tables_limit: a key of an older version\n"
     "HINT: Write it as sources.NAME.limit_tables, each table as schema.table.\n"
     "default.yml:5: mysql_conn: a key of an older version\n"
     "HINT: Write it as sources.NAME.db_conn.\n"
     "default.yml:6: copy_max_size: a key of an older version\n"
     "HINT: Write sources.NAME.copy_max_memory: bytes instead of rows, as in 300M.\n"
     "default.yml:7: hexify: a key of an older version\n"
     "HINT: Remove it: binary types are carried as they are.\n"
     "default.yml:13: sources.a.tables_limit: a key of an older version\n"
     "HINT: Write it as limit_tables, each table as schema.table."},
    {"NotYaml", "pg_conn:\n  user: a: b\n  database: d\n",
     "default.yml:2: yaml: illegal map value\n"
     "HINT: Check the indentation, quotes and colons around this line."},
    {"FillFactor",
     "pg_conn: {user: u, database: d}\nsources: {a: {db_conn: {host: h, user: u}, "
     "schema_mappings: {x: y}}}\nfillfactor:\n  \"5\":\n    tables: [a.b]\n  \"50\":\n"
     "    tables: [b]\n",
     "default.yml:4: fillfactor.5: a fillfactor is a number from 10 to 100\n"
     "HINT: Write, for example, \"30\": with a list of tables below it.\n"
     "default.yml:7: fillfactor.50.tables: \"b\" is not a table name\n"
     "HINT: Write schema.table or \"*\"."},
};

INSTANTIATE_TEST_SUITE_P(Each, MistakeTest, ::testing::ValuesIn(kMistakes),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_F(ConfigTest, AMissingFileNamesThoseThatExist) {
  auto config = LoadConfig(home_, "default");
  EXPECT_EQ(
      Text(config.status()),
      "there is no configuration \"default\": " + home_ +
          "/configuration/default.yml does not exist\nHINT: Run chamctl "
          "set_configuration_files, then copy config-example.yml to default.yml and edit it.");
  Write("", "shop");
  Write("", "crm");
  EXPECT_EQ(Text(LoadConfig(home_, "default").status()),
            "there is no configuration \"default\": " + home_ +
                "/configuration/default.yml does not exist\nHINT: There are: crm, shop.");
  EXPECT_EQ(LoadConfig(home_, "../etc/passwd").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ConfigTest, AnUnknownSourceNamesThoseThatExist) {
  Write(kManual);
  auto config = LoadConfig(home_, "default");
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(Text(config->Source("mysq").status()),
            "configuration \"default\" has no source \"mysq\"\nHINT: There are: mysql, pgsql.");
}

TEST_F(ConfigTest, SecretsAreMaskedAndLoosePermissionsNamed) {
  Write(kManual);
  auto config = LoadConfig(home_, "default");
  ASSERT_TRUE(config.ok());
  EXPECT_THAT(config->warnings, ::testing::IsEmpty());
  bool seen = false;
  for (const auto& item : config->items) {
    EXPECT_EQ(item.value().find("never_commit"), std::string::npos) << item.key();
    if (item.key() == "sources.mysql.db_conn.password") {
      seen = true;
      EXPECT_EQ(item.value(), "********");
      EXPECT_TRUE(item.from_file());
    }
  }
  EXPECT_TRUE(seen);
  const std::string path = home_ + "/configuration/default.yml";
  chmod(path.c_str(), 0644);
  config = LoadConfig(home_, "default");
  ASSERT_TRUE(config.ok());
  EXPECT_THAT(config->warnings,
              ::testing::ElementsAre(path +
                                     " holds passwords and can be read by other users: run "
                                     "chmod 600 " +
                                     path));
}

TEST_F(ConfigTest, SetConfigurationFiles) {
  fs::remove_all(home_);
  auto first = SetConfigurationFiles(home_);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_THAT(first->created(),
              ::testing::ElementsAre(home_ + "/configuration", home_ + "/pid", home_ + "/logs",
                                     home_ + "/configuration/config-example.yml"));
  auto example = LoadConfig(home_, "config-example");
  ASSERT_TRUE(example.ok()) << example.status();
  EXPECT_EQ(example->pid_dir, home_ + "/pid");
  auto second = SetConfigurationFiles(home_);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->created_size(), 0);
  EXPECT_EQ(second->kept_size(), 4);
}

TEST(Units, Memory) {
  EXPECT_EQ(config::ParseMemory("300M"), 314572800u);
  EXPECT_EQ(config::ParseMemory("1g"), 1073741824u);
  EXPECT_EQ(config::ParseMemory("64kB"), 65536u);
  EXPECT_EQ(config::ParseMemory("4096"), 4096u);
  EXPECT_EQ(config::ParseMemory("M"), std::nullopt);
  EXPECT_EQ(config::ParseMemory("3T"), std::nullopt);
  EXPECT_EQ(config::ParseMemory("99999999999999999G"), std::nullopt);
}

TEST(Units, Durations) {
  EXPECT_EQ(config::ParseDurationMs("120s"), 120'000u);
  EXPECT_EQ(config::ParseDurationMs("120"), 120'000u);
  EXPECT_EQ(config::ParseDurationMs("500ms"), 500u);
  EXPECT_EQ(config::ParseDurationMs("2 min"), 120'000u);
  EXPECT_EQ(config::ParseDurationMs("x"), std::nullopt);
  EXPECT_TRUE(config::LooksLikeInterval("1 day"));
  EXPECT_TRUE(config::LooksLikeInterval("2 hours 30 min"));
  EXPECT_TRUE(config::LooksLikeInterval("12:00:00"));
  EXPECT_FALSE(config::LooksLikeInterval("1"));
  EXPECT_FALSE(config::LooksLikeInterval("1 dya"));
}

}  // namespace
}  // namespace chameleon::coordinator
