#include "client/options.h"

namespace chameleon::client {

const std::vector<OptionSpec>& OptionSpecs() {
  using V = Values;
  static const auto* specs = new std::vector<OptionSpec>{
      // clang-format off
      {"action", 0, "ACTION", "list, watch or cancel", kOperation, V::kChoices,
       {"list", "watch", "cancel"}, &Options::action, true, true},
      {"id", 0, "ID", "operation, as listed", kOperation, V::kNone, {}, &Options::id, true, false},
      {"shell", 0, "SHELL", "bash, zsh or fish", kShell, V::kChoices,
       {"bash", "zsh", "fish"}, &Options::shell, true, true},
      {"kind", 0, "KIND", "configurations, sources or schemas", kKind, V::kChoices,
       {"configurations", "sources", "schemas"}, &Options::kind, true, true},
      {"config", 0, "NAME", "configuration: the file's name without .yml", kConfig,
       V::kConfigurations, {}, &Options::config},
      {"source", 0, "NAME", "source of the configuration; may be left out when there is only one",
       kSource, V::kSources, {}, &Options::source},
      {"schema", 0, "NAME", "schema of the source", kSchema, V::kSchemas, {}, &Options::schema},
      {"tables", 0, "LIST", "schema.table[,schema.table …] or disabled", kTables, V::kNone, {},
       &Options::tables},
      {"logid", 0, "N", "number of an error", kLogId, V::kNone, {}, &Options::log_id},
      {"full", 0, "", "VACUUM FULL", kFull, V::kNone, {}, &Options::full},
      {"no-wait", 0, "", "return at once; see chamctl operations", kWaits, V::kNone, {},
       &Options::no_wait},
      {"yes", 'y', "", "do not ask", kAsks, V::kNone, {}, &Options::yes},
      {"debug", 0, "", "print the coordinator's log while the command runs", 0, V::kNone, {},
       &Options::debug},
      {"rollbar-level", 0, "LEVEL",
       "least level of messages to rollbar, for the coordinator that the command starts", 0,
       V::kChoices, {"critical", "error", "warning", "info"}, &Options::rollbar_level},
      {"output", 0, "FORMAT", "table for people, json for programs", 0, V::kChoices,
       {"table", "json"}, &Options::output},
      {"address", 0, "HOST:PORT", "coordinator to use; else the local one", 0, V::kNone, {},
       &Options::address, false, false, "CHAMELEON_ADDRESS"},
      {"tls-ca", 0, "FILE", "authority of its certificate; else the system's", 0, V::kNone, {},
       &Options::tls_ca, false, false, "CHAMELEON_TLS_CA"},
      {"tls-cert", 0, "FILE", "our certificate, if it wants one", 0, V::kNone, {},
       &Options::tls_cert, false, false, "CHAMELEON_TLS_CERT"},
      {"tls-key", 0, "FILE", "its key", 0, V::kNone, {}, &Options::tls_key, false, false,
       "CHAMELEON_TLS_KEY"},
      {"token-file", 0, "FILE", "token for it, mode 0600; or the token itself in CHAMELEON_TOKEN",
       0, V::kNone, {}, &Options::token_file, false, false, "CHAMELEON_TOKEN_FILE"},
      {"home", 0, "DIRECTORY", "directory with configuration/ (CHAMELEON_HOME)", 0,
       V::kDirectories, {}, &Options::home},
      // clang-format on
  };
  return *specs;
}

bool ShownFor(const OptionSpec& option, unsigned takes) {
  return option.takes == 0 ? (takes & kLocal) == 0 || option.values == Values::kDirectories
                           : (option.takes & takes) != 0;
}

}  // namespace chameleon::client
