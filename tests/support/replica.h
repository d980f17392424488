// The product as a user sees it: chamctl, and through it coordinator and workers, in a home
// directory of their own.
//
// Programs come from $CHAMELEON_BIN (default: bin/ of the build). Configuration, sockets, logs live
// in a temporary directory; the destructor stops the product and kills whatever process still has
// that directory in its environment.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/support/equality.h"
#include "tests/support/servers.h"
#include "tests/support/workload.h"

namespace chameleon::test {

struct ReplicaSource {
  std::string name;
  SourceServer* server = nullptr;
  std::map<std::string, std::string> schema_mappings;
  // Further keys of the source: {"copy_mode", "file"}, written as they are.
  std::map<std::string, std::string> settings;
  // Further keys of db_conn, and other values for ours.
  std::map<std::string, std::string> connection;
};

class Replica {
 public:
  explicit Replica(PostgresServer* postgres, std::string database = "db_replica");
  ~Replica();

  // ---- configuration ----
  void AddSource(ReplicaSource source);
  // Writes the configuration with other mappings; WaitCaughtUp and Differences follow them.
  void SetMappings(const std::string& source, std::map<std::string, std::string> mappings);
  void SetSetting(const std::string& source, const std::string& key, const std::string& value);
  void SetConnection(const std::string& source, const std::string& key, const std::string& value);
  // Keys of pg_conn and of the file itself; for all sources.
  void SetTarget(const std::string& key, const std::string& value);
  void SetGlobal(const std::string& key, const std::string& value);
  // Writes configuration/test.yml; called by Setup.
  void WriteConfiguration();

  // ---- commands, always with --config test ----
  RunResult Ctl(std::vector<std::string> arguments, Millis timeout = std::chrono::minutes(5));
  // A non-zero exit is a std::runtime_error with the output and the end of the logs.
  std::string MustCtl(std::vector<std::string> arguments);

  // set_configuration_files, our configuration, create_replica_schema, add_source of each.
  void Setup();
  void Init(const std::string& source);
  void Start(const std::string& source);
  void Stop(const std::string& source);

  // ---- waiting ----
  // Changes the marker row in the source (table w_marker of Workload, in the first schema) and
  // waits until PostgreSQL shows it: then everything committed before is there too.
  void WaitCaughtUp(const std::string& source, Millis timeout);
  // WaitCaughtUp, then compares all mapped schemas of the source; "" or the differences.
  std::string Differences(const std::string& source, Millis timeout = std::chrono::minutes(3));

  // ---- processes ----
  // Of this home, by program name: "chameleon-worker", "chameleon-coordinator".
  std::vector<pid_t> Pids(const std::string& program) const;
  // The newest log lines of the product, for failure messages.
  std::string Logs(int lines = 40) const;

  PgAddress target() const { return postgres_->Address(database_); }
  const std::filesystem::path& home() const { return home_.path(); }

 private:
  const ReplicaSource& Find(const std::string& source) const;

  PostgresServer* postgres_;
  std::string database_;
  TempDir home_;
  std::vector<ReplicaSource> sources_;
  std::map<std::string, std::string> target_keys_, global_keys_;
  int64_t marker_ = 0;
};

// Path of a program of the product.
std::string ProgramPath(const std::string& name);

}  // namespace chameleon::test
