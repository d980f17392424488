#include "tests/support/replica.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>
#include <thread>

namespace chameleon::test {
namespace {

namespace fs = std::filesystem;

constexpr int kMyServerIdBase = 100;

// Processes whose environment has CHAMELEON_HOME=home, with the name of their program.
std::vector<std::pair<pid_t, std::string>> ProcessesOf(const fs::path& home) {
  std::vector<std::pair<pid_t, std::string>> found;
  std::string wanted = "CHAMELEON_HOME=" + home.string();
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    std::string name = entry.path().filename();
    if (!std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; })) {
      continue;
    }
    pid_t pid = std::stoi(name);
    if (pid == getpid()) continue;
    std::string environment = '\0' + ReadFile(entry.path() / "environ");
    if (environment.find('\0' + wanted + '\0') == std::string::npos) continue;
    fs::path program = fs::read_symlink(entry.path() / "exe", error);
    if (!error) found.emplace_back(pid, program.filename());
  }
  return found;
}

}  // namespace

std::string ProgramPath(const std::string& name) {
  const char* given = std::getenv("CHAMELEON_BIN");
  fs::path path = fs::path(given != nullptr ? given : CHAMELEON_BIN_DIR) / name;
  if (!fs::exists(path)) throw std::runtime_error(fmt::format("no program {}", path.string()));
  return path;
}

Replica::Replica(PostgresServer* postgres, std::string database)
    : postgres_(postgres), database_(std::move(database)), home_("cham-home") {
  if (postgres_->Connect()
          .Query("SELECT 1 FROM pg_database WHERE datname = " + PgLiteral(database_))
          .empty()) {
    postgres_->CreateDatabase(database_);
  }
}

Replica::~Replica() {
  for (int signal : {SIGTERM, SIGKILL}) {
    for (int i = 0; i < 100; ++i) {
      auto left = ProcessesOf(home());
      if (left.empty()) return;
      if (i == 0) {
        for (auto& [pid, program] : left) kill(pid, signal);
      }
      std::this_thread::sleep_for(Millis(50));
    }
  }
}

void Replica::AddSource(ReplicaSource source) { sources_.push_back(std::move(source)); }

const ReplicaSource& Replica::Find(const std::string& source) const {
  for (const auto& candidate : sources_) {
    if (candidate.name == source) return candidate;
  }
  throw std::runtime_error("no source " + source);
}

void Replica::WriteConfiguration() {
  const auto lines = [](const std::string& indent, std::map<std::string, std::string> keys,
                        const std::map<std::string, std::string>& others) {
    for (const auto& [key, value] : others) keys[key] = value;
    std::string text;
    for (const auto& [key, value] : keys) text += fmt::format("{}{}: {}\n", indent, key, value);
    return text;
  };
  std::string text = lines("",
                           {{"pid_dir", (home() / "pid/").string()},
                            {"log_dir", (home() / "logs/").string()},
                            {"log_dest", "file"},
                            {"log_level", "info"},
                            {"log_days_keep", "10"},
                            {"rollbar_key", "''"},
                            {"rollbar_env", "''"}},
                           global_keys_);
  if (!global_keys_.contains("type_override")) {
    text +=
        "type_override:\n  \"tinyint(1)\":\n    override_to: boolean\n    override_tables:\n"
        "      - \"*\"\n";
  }
  text += "pg_conn:\n" + lines("  ",
                               {{"host", "\"127.0.0.1\""},
                                {"port", fmt::format("\"{}\"", postgres_->port())},
                                {"user", "\"postgres\""},
                                {"password", "\"unused\""},
                                {"database", fmt::format("\"{}\"", database_)},
                                {"charset", "\"utf8\""}},
                               target_keys_);
  text += "sources:\n";
  int server_id = kMyServerIdBase;
  for (const auto& source : sources_) {
    text += fmt::format("  {}:\n    db_conn:\n", source.name);
    text += lines("      ",
                  {{"host", "\"127.0.0.1\""},
                   {"port", fmt::format("\"{}\"", source.server->port())},
                   {"user", "\"repl\""},
                   {"password", "\"repl\""},
                   {"charset", "'utf8'"},
                   {"connect_timeout", "10"}},
                  source.connection);
    text += "    schema_mappings:\n";
    for (const auto& [from, to] : source.schema_mappings) {
      text += fmt::format("      {}: {}\n", from, to);
    }
    std::map<std::string, std::string> settings = {{"limit_tables", ""},
                                                   {"skip_tables", ""},
                                                   {"grant_select_to", ""},
                                                   {"lock_timeout", "\"120s\""},
                                                   {"my_server_id", std::to_string(++server_id)},
                                                   {"replica_batch_size", "10000"},
                                                   {"replay_max_rows", "10000"},
                                                   {"batch_retention", "'1 day'"},
                                                   {"copy_max_memory", "\"100M\""},
                                                   {"copy_mode", "'direct'"},
                                                   {"out_dir", (home() / "out").string()},
                                                   {"sleep_loop", "1"},
                                                   {"on_error_replay", "continue"},
                                                   {"on_error_read", "continue"},
                                                   {"auto_maintenance", "\"disabled\""},
                                                   {"gtid_enable", "false"},
                                                   {"type", "mysql"}};
    for (const auto& [key, value] : source.settings) settings[key] = value;
    for (const auto& [key, value] : settings) text += fmt::format("    {}: {}\n", key, value);
  }
  fs::create_directories(home() / "out");
  fs::create_directories(home() / "configuration");
  WriteFile(home() / "configuration" / "test.yml", text);
}

void Replica::SetMappings(const std::string& source, std::map<std::string, std::string> mappings) {
  const_cast<ReplicaSource&>(Find(source)).schema_mappings = std::move(mappings);
  WriteConfiguration();
}

void Replica::SetSetting(const std::string& source, const std::string& key,
                         const std::string& value) {
  const_cast<ReplicaSource&>(Find(source)).settings[key] = value;
  WriteConfiguration();
}

void Replica::SetConnection(const std::string& source, const std::string& key,
                            const std::string& value) {
  const_cast<ReplicaSource&>(Find(source)).connection[key] = value;
  WriteConfiguration();
}

void Replica::SetTarget(const std::string& key, const std::string& value) {
  target_keys_[key] = value;
  WriteConfiguration();
}

void Replica::SetGlobal(const std::string& key, const std::string& value) {
  global_keys_[key] = value;
  WriteConfiguration();
}

RunResult Replica::Ctl(std::vector<std::string> arguments, Millis timeout) {
  Spawn spawn{.argv = {ProgramPath("chamctl")},
              .env = {"CHAMELEON_HOME=" + home().string(), "CHAMELEON_ALLOW_ROOT=1"}};
  spawn.argv.insert(spawn.argv.end(), arguments.begin(), arguments.end());
  if (arguments.empty() || arguments[0] != "set_configuration_files") {
    spawn.argv.insert(spawn.argv.end(), {"--config", "test"});
  }
  return RunProgram(spawn, timeout);
}

std::string Replica::MustCtl(std::vector<std::string> arguments) {
  RunResult result = Ctl(arguments);
  if (result.exit_code != 0) {
    throw std::runtime_error(fmt::format("chamctl {}: exit {}\n{}{}\n{}", arguments[0],
                                         result.exit_code, result.out, result.err, Logs()));
  }
  return result.out;
}

void Replica::Setup() {
  MustCtl({"set_configuration_files"});
  WriteConfiguration();
  MustCtl({"create_replica_schema"});
  for (const auto& source : sources_) MustCtl({"add_source", "--source", source.name});
}

void Replica::Init(const std::string& source) { MustCtl({"init_replica", "--source", source}); }
void Replica::Start(const std::string& source) { MustCtl({"start_replica", "--source", source}); }
void Replica::Stop(const std::string& source) { MustCtl({"stop_replica", "--source", source}); }

void Replica::WaitCaughtUp(const std::string& name, Millis timeout) {
  const ReplicaSource& source = Find(name);
  const auto& [from, to] = *source.schema_mappings.begin();
  std::string marker = std::to_string(++marker_);
  source.server->Connect(from).Exec("UPDATE w_marker SET n = " + marker);
  std::string query = fmt::format("SELECT n FROM {}.w_marker", PgName(to));
  auto end = std::chrono::steady_clock::now() + timeout;
  std::string seen;
  while (true) {
    try {
      Pg pg(target());
      while (seen != marker && std::chrono::steady_clock::now() < end) {
        seen = pg.One(query);
        if (seen != marker) std::this_thread::sleep_for(Millis(20));
      }
    } catch (const PgError& error) {
      seen = error.what();
    }
    if (seen == marker) return;
    if (std::chrono::steady_clock::now() >= end) break;
    std::this_thread::sleep_for(Millis(100));
  }
  throw std::runtime_error(fmt::format(
      "source {} did not catch up in {} s: marker {} instead of {}\n{}\n{}", name,
      timeout.count() / 1000, seen, marker, Ctl({"show_status", "--source", name}).out, Logs()));
}

std::string Replica::Differences(const std::string& name, Millis timeout) {
  WaitCaughtUp(name, timeout);
  const ReplicaSource& source = Find(name);
  std::string differences;
  for (const auto& [from, to] : source.schema_mappings) {
    differences += CompareSchemas(source.server->Address(), from, target(), to).differences;
  }
  if (!differences.empty()) {
    differences += Ctl({"show_status", "--source", name}).out + Ctl({"show_errors"}).out + Logs();
  }
  return differences;
}

std::vector<pid_t> Replica::Pids(const std::string& program) const {
  std::vector<pid_t> pids;
  for (auto& [pid, name] : ProcessesOf(home())) {
    if (name == program) pids.push_back(pid);
  }
  return pids;
}

std::string Replica::Logs(int lines) const {
  std::string text;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(home() / "logs", error)) {
    text += fmt::format("---- {}\n{}", entry.path().filename().string(), Tail(entry.path(), lines));
  }
  return text;
}

}  // namespace chameleon::test
