#include "coordinator/config/config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "coordinator/config/source_section.h"
#include "coordinator/config/yaml_reader.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator {
namespace {

using config::Problems;
using config::Section;
namespace fs = std::filesystem;

std::string UserHome() {
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') return home;
  const passwd* entry = getpwuid(geteuid());
  return entry != nullptr ? entry->pw_dir : "/";
}

// "~" alone and "~/…"; a trailing slash goes.
std::string ExpandPath(std::string path) {
  if (path == "~" || path.rfind("~/", 0) == 0) path = UserHome() + path.substr(1);
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

void ReadGlobals(const std::string& home, Section* root, Config* config) {
  config->pid_dir = ExpandPath(root->Text("pid_dir", home + "/pid"));
  config->log_dir = ExpandPath(root->Text("log_dir", home + "/logs"));
  config->log_dest = root->Choice("log_dest", "file", {"file", "stdout"});
  config->log_level = root->Choice("log_level", "info", {"debug", "info", "warning", "error"});
  config->log_days_keep = static_cast<uint32_t>(root->Number("log_days_keep", 10, 1, 3650));
  config->rollbar_key = root->Secret("rollbar_key");
  config->rollbar_env = root->Text("rollbar_env", "");
}

void ReadTypeOverrides(Section section, Config* config) {
  for (const std::string& type : section.Keys()) {
    Section entry = section.Map(type);
    TypeOverride override;
    override.source_type = type;
    override.override_to = entry.RequiredText("override_to", "boolean");
    // The manual's own example leaves the list out; an override of nothing makes no sense.
    override.tables = entry.List("override_tables");
    if (override.tables.empty()) override.tables = {"*"};
    entry.Finish();
    config->type_overrides.push_back(std::move(override));
  }
}

void ReadTarget(Section* root, TargetConnection* target) {
  if (!root->Has("pg_conn")) {
    root->Problem("pg_conn", "missing",
                  "Add the target connection: host, port, user, password, database.");
    root->Map("pg_conn");
    return;
  }
  Section section = root->Map("pg_conn");
  target->host = section.Text("host", "localhost");
  target->port = static_cast<uint32_t>(section.Number("port", 5432, 1, 65535));
  target->user = section.RequiredText("user", "usr_replica");
  target->password = section.Secret("password");
  target->database = section.RequiredText("database", "db_replica");
  target->charset = section.Text("charset", "utf8");
  target->sslmode = section.Choice(
      "sslmode", "", {"", "disable", "allow", "prefer", "require", "verify-ca", "verify-full"});
  target->sslrootcert = ExpandPath(section.Text("sslrootcert", ""));
  target->sslcert = ExpandPath(section.Text("sslcert", ""));
  target->sslkey = ExpandPath(section.Text("sslkey", ""));
  target->connect_timeout_s = static_cast<uint32_t>(section.Number("connect_timeout", 10, 1, 3600));
  section.Finish();
}

// What one source's keys cannot tell: schemas and server ids that two sources claim.
void ReadListen(Section section, ListenOptions* listen) {
  listen->address = section.Text("address", "");
  if (!listen->address.empty() && listen->address.find(':') == std::string::npos) {
    section.Problem("address", fmt::format("\"{}\" is not an address", listen->address),
                    "Write HOST:PORT, for example 0.0.0.0:7070.");
  }
  for (const auto& [key, path] :
       {std::pair("tls_cert", &listen->tls_cert), std::pair("tls_key", &listen->tls_key),
        std::pair("tls_client_ca", &listen->tls_client_ca),
        std::pair("client_token_file", &listen->client_token_file),
        std::pair("join_token_file", &listen->join_token_file)}) {
    *path = section.Text(key, "");
    if (!path->empty()) *path = ExpandPath(*path);
  }
  listen->plaintext_loopback = section.Bool("plaintext_loopback", false);
  section.Finish();
}

class CrossChecks {
 public:
  void Add(const SourceConfig& source, Section* sources) {
    Section mappings = sources->Map(source.name).Map("schema_mappings");
    if (mappings.Keys().empty()) {  // a pgsql source as the manual nests it
      mappings = sources->Map(source.name).Map("db_conn").Map("schema_mappings");
    }
    for (const std::string& from : mappings.Keys()) {
      const auto it = source.options.schema_mappings().find(from);
      if (it == source.options.schema_mappings().end() || it->second.empty()) continue;
      const auto [first, fresh] =
          schemas_.emplace(it->second, std::pair(mappings.PathOf(from), mappings.LineOf(from)));
      if (fresh) continue;
      mappings.Problem(from,
                       fmt::format("the destination schema \"{}\" is used already by {} in line {}",
                                   it->second, first->second.first, first->second.second),
                       "Each source schema needs a destination schema of its own.");
    }
    if (source.type != "mysql") return;
    const std::string server =
        fmt::format("{}:{}/{} #{}", source.connection.host(), source.connection.port(),
                    source.connection.unix_socket(), source.options.my_server_id());
    const auto [first, fresh] = servers_.emplace(server, source.name);
    if (!fresh) {
      Section section = sources->Map(source.name);
      section.Problem("my_server_id",
                      fmt::format("{} is used already by source \"{}\" on the same server",
                                  source.options.my_server_id(), first->second),
                      "Give each source a my_server_id of its own.");
    }
  }

 private:
  std::map<std::string, std::pair<std::string, int>> schemas_;
  std::map<std::string, std::string> servers_;
};

void ReadSources(Section* root, Config* config, std::vector<FillFactor> fillfactor) {
  Section sources = root->Map("sources");
  if (sources.Keys().empty()) {
    root->Problem("sources", root->Has("sources") ? "has no value" : "missing",
                  "Add at least one source below \"sources:\"; see config-example.yml.");
  }
  CrossChecks checks;
  for (const std::string& name : sources.Keys()) {
    SourceConfig source = config::ReadSource(name, sources.Map(name));
    source.fillfactor.insert(source.fillfactor.begin(), fillfactor.begin(), fillfactor.end());
    checks.Add(source, &sources);
    config->sources.emplace(name, std::move(source));
  }
}

void WarnOfLoosePermissions(const std::string& path, Config* config) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0 || (info.st_mode & 077) == 0) return;
  bool secret = !config->target.password.empty() || !config->rollbar_key.empty();
  for (const auto& [_, source] : config->sources) {
    secret = secret || !source.connection.password().empty();
  }
  if (!secret) return;
  config->warnings.push_back(fmt::format(
      "{} holds passwords and can be read by other users: run chmod 600 {}", path, path));
}

absl::StatusOr<std::string> ReadFile(const std::string& home, const std::string& name,
                                     const std::string& path) {
  std::ifstream file(path);
  if (file) {
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  const std::vector<std::string> names = ConfigurationNames(home);
  if (fs::exists(path)) {
    return Error(absl::StatusCode::kFailedPrecondition, "CONFIG_UNREADABLE", path,
                 fmt::format("cannot read {}", path), "Let this user read the file.");
  }
  return Error(absl::StatusCode::kNotFound, "CONFIG_NOT_FOUND", name,
               fmt::format("there is no configuration \"{}\": {} does not exist", name, path),
               names.empty()
                   ? "Run chamctl set_configuration_files, then copy config-example.yml to "
                     "default.yml and edit it."
                   : fmt::format("There are: {}.", fmt::join(names, ", ")));
}

}  // namespace

absl::StatusOr<const SourceConfig*> Config::Source(std::string_view source_name) const {
  const auto it = sources.find(std::string(source_name));
  if (it != sources.end()) return &it->second;
  std::vector<std::string> names;
  for (const auto& [key, _] : sources) names.push_back(key);
  return Error(absl::StatusCode::kNotFound, "SOURCE_NOT_FOUND", source_name,
               fmt::format("configuration \"{}\" has no source \"{}\"", name, source_name),
               fmt::format("There are: {}.", fmt::join(names, ", ")));
}

std::string HomeDirectory() {
  if (const char* home = std::getenv("CHAMELEON_HOME"); home != nullptr && *home != '\0') {
    return ExpandPath(home);
  }
  return UserHome() + "/.pg_chameleon";
}

std::vector<std::string> ConfigurationNames(const std::string& home) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(home + "/configuration", error)) {
    // The example is there to be copied, not to be used.
    if (entry.path().extension() == ".yml" && entry.path().stem() != "config-example") {
      names.push_back(entry.path().stem());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string TargetText(const TargetConnection& target) {
  return fmt::format("{} on {}:{}", target.database, target.host, target.port);
}

absl::StatusOr<Config> LoadConfig(const std::string& home, const std::string& name) {
  if (name.empty() || name.find('/') != std::string::npos || name.front() == '.') {
    return Error(absl::StatusCode::kInvalidArgument, "CONFIG_NAME_INVALID", name,
                 fmt::format("\"{}\" is not the name of a configuration", name),
                 "Give the file's name in configuration/ without \".yml\".");
  }
  Config config;
  config.name = name;
  config.path = fmt::format("{}/configuration/{}.yml", home, name);
  absl::StatusOr<std::string> text = ReadFile(home, name, config.path);
  if (!text.ok()) return text.status();

  Problems problems(config.path);
  YAML::Node document;
  try {
    document = YAML::Load(*text);
    Section root(&problems, &config.items, document, "", 1);
    ReadGlobals(home, &root, &config);
    ReadTypeOverrides(root.Map("type_override"), &config);
    ReadTarget(&root, &config.target);
    ReadListen(root.Map("listen"), &config.listen);
    std::vector<FillFactor> fillfactor;
    config::ReadFillFactor(root.Map("fillfactor"), &fillfactor);
    ReadSources(&root, &config, std::move(fillfactor));
    root.Finish();
  } catch (const YAML::Exception& e) {
    problems.Add(e.mark.is_null() ? 1 : e.mark.line + 1, "yaml", e.msg,
                 "Check the indentation, quotes and colons around this line.");
  }
  if (!problems.empty()) return problems.ToStatus();
  WarnOfLoosePermissions(config.path, &config);
  return config;
}

}  // namespace chameleon::coordinator
