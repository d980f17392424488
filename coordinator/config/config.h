// A configuration file (the manual's YAML) as checked values.
//
// Only this room knows YAML. Load() reports every problem at once, each as
// "file:line: key: what is wrong" with its remedy; a Config that exists is valid.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "chameleon/v1/control.pb.h"
#include "chameleon/v1/types.pb.h"
#include "chameleon/v1/worker.pb.h"

namespace chameleon::coordinator {

// Where and how to reach the target database.
struct TargetConnection {
  std::string host = "localhost";  // or a socket directory
  uint32_t port = 5432;
  std::string user, password, database;
  std::string charset = "utf8";
  std::string sslmode, sslrootcert, sslcert, sslkey;  // libpq's meaning; empty: libpq's default
  uint32_t connect_timeout_s = 10;
};

struct TypeOverride {
  std::string source_type;          // exactly as the source spells it: "tinyint(1)"
  std::string override_to;          // PostgreSQL type
  std::vector<std::string> tables;  // "schema.table"; "*" first: all
};

struct FillFactor {
  uint32_t percent = 100;
  std::vector<std::string> tables;  // "schema.table" or "*"
};

enum class OnError { kContinue, kExit };

// Where a source's worker runs: on the coordinator's host, on any host that joined (else on the
// coordinator's), or on one that offers the label.
inline constexpr char kWorkerLocal[] = "local";
inline constexpr char kWorkerAny[] = "any";

struct SourceConfig {
  std::string name;
  std::string type = "mysql";  // or "pgsql"
  std::string worker = kWorkerLocal;
  v1::SourceConnection connection;
  std::string database;       // pgsql sources
  v1::SourceOptions options;  // everything a worker must know
  std::vector<std::string> grant_select_to;
  uint64_t lock_timeout_ms = 120'000;  // target locks during swaps
  uint32_t replay_max_rows = 10'000;
  std::string batch_retention = "1 day";  // PostgreSQL interval
  double sleep_loop_s = 1;
  OnError on_error_replay = OnError::kContinue;
  OnError on_error_read = OnError::kExit;
  std::string auto_maintenance = "disabled";  // PostgreSQL interval or "disabled"
  bool keep_existing_schema = false;
  uint32_t batch_delay_ms = 50;        // longest wait of a committed row for company
  std::vector<FillFactor> fillfactor;  // later entries win
};

// One more address than the local socket, for other hosts.
struct ListenOptions {
  std::string address;                           // "0.0.0.0:7070"; empty: none
  std::string tls_cert, tls_key, tls_client_ca;  // PEM files
  std::string client_token_file, join_token_file;
  bool plaintext_loopback = false;  // without TLS, on loopback only
};

struct Config {
  std::string name, path;
  std::string pid_dir, log_dir;  // ~ expanded
  std::string log_dest = "file";
  std::string log_level = "info";
  uint32_t log_days_keep = 10;
  std::string rollbar_key, rollbar_env;
  std::vector<TypeOverride> type_overrides;
  TargetConnection target;
  ListenOptions listen;
  std::map<std::string, SourceConfig> sources;
  // For show_config: dotted path → value, secrets masked.
  std::vector<v1::ShowConfigResponse::Item> items;
  // For people, one line each: a file with passwords that others can read.
  std::vector<std::string> warnings;

  // NOT_FOUND with the list of what exists.
  absl::StatusOr<const SourceConfig*> Source(std::string_view source_name) const;
};

// $CHAMELEON_HOME or ~/.pg_chameleon.
std::string HomeDirectory();

// The files in HOME/configuration, without ".yml" and without the example; sorted.
std::vector<std::string> ConfigurationNames(const std::string& home);

// Reads HOME/configuration/NAME.yml. NOT_FOUND lists the configurations that exist;
// INVALID_ARGUMENT holds one line per problem.
absl::StatusOr<Config> LoadConfig(const std::string& home, const std::string& name);

// The PostgreSQL connection in words, without the password: "db_replica on localhost:5432".
std::string TargetText(const TargetConnection& target);

// Creates configuration/, pid/ and logs/ and config-example.yml (never overwrites another file).
absl::StatusOr<v1::SetConfigurationFilesResponse> SetConfigurationFiles(const std::string& home);

}  // namespace chameleon::coordinator
