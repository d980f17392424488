#include "coordinator/pg/connecting.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "coordinator/pg/session.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator::pg {
namespace {

constexpr char kSqlStateUrl[] = "chameleon/sqlstate";

bool Starts(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

absl::StatusCode CodeOf(std::string_view state) {
  if (state.empty() || Starts(state, "08") || Starts(state, "53") || Starts(state, "57") ||
      Starts(state, "58") || state == "55P03" || state == "55006" || state == "25006" ||
      state == "25P03") {
    return absl::StatusCode::kUnavailable;
  }
  if (Starts(state, "40") || state == "CH001" || state == "CH002") {
    return absl::StatusCode::kAborted;
  }
  if (state == "CH003") return absl::StatusCode::kDataLoss;
  if (state == "42501") return absl::StatusCode::kPermissionDenied;
  if (state == "CH012" || Starts(state, "XX")) return absl::StatusCode::kInternal;
  return absl::StatusCode::kFailedPrecondition;
}

// 'value' with backslashes before quotes and backslashes.
std::string Quoted(const std::string& value) {
  std::string text = "'";
  for (char c : value) {
    if (c == '\'' || c == '\\') text += '\\';
    text += c;
  }
  return text + "'";
}

}  // namespace

std::string ConnectionText(const TargetConnection& target, std::string_view application_name) {
  const std::vector<std::pair<std::string, std::string>> options = {
      {"host", target.host},
      {"port", std::to_string(target.port)},
      {"user", target.user},
      {"password", target.password},
      {"dbname", target.database},
      {"sslmode", target.sslmode},
      {"sslrootcert", target.sslrootcert},
      {"sslcert", target.sslcert},
      {"sslkey", target.sslkey},
      {"connect_timeout", std::to_string(target.connect_timeout_s)},
      {"application_name", std::string(application_name)},
      {"client_encoding", "UTF8"},
      {"keepalives", "1"},
      {"keepalives_idle", "10"},
      {"keepalives_interval", "5"},
      {"keepalives_count", "3"},
  };
  // libpq wants no empty values for some options, so only what is set is passed.
  std::string text;
  for (const auto& [key, value] : options) {
    if (!value.empty()) text += fmt::format("{}={} ", key, Quoted(value));
  }
  return text;
}

absl::Status ConnectError(const TargetConnection& target, const std::string& text) {
  const std::string object = fmt::format("{}:{}/{}", target.host, target.port, target.database);
  // The server refused for a reason that waiting does not mend. libpq gives no SQLSTATE here.
  for (std::string_view fatal :
       {"password authentication failed", "does not exist", "no pg_hba.conf entry",
        "permission denied", "no password supplied"}) {
    if (text.find(fatal) != std::string::npos) {
      return Error(absl::StatusCode::kFailedPrecondition, "TARGET_REFUSED", object,
                   fmt::format("target {}: {}", object, text),
                   "Check pg_conn in the configuration and the server's pg_hba.conf.");
    }
  }
  return Error(absl::StatusCode::kUnavailable, "TARGET_UNAVAILABLE", object,
               fmt::format("target {}: {}", object, text), "");
}

absl::Status StatementError(std::string_view state, const std::string& text) {
  absl::Status status(CodeOf(state), text);
  status.SetPayload(kSqlStateUrl, absl::Cord(std::string(state)));
  return status;
}

std::string SqlState(const absl::Status& status) {
  auto payload = status.GetPayload(kSqlStateUrl);
  return payload ? std::string(*payload) : "";
}

std::string Trimmed(const char* text) {
  std::string out = text == nullptr ? "" : text;
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
  return out;
}

// idle_session_timeout exists since 14, transaction_timeout since 17.
const std::string_view kSessionSetup =
    "SET datestyle = 'ISO, YMD'; SET timezone = 'UTC'; SET intervalstyle = 'postgres';"
    "SET bytea_output = 'hex'; SET extra_float_digits = 1; SET statement_timeout = 0;"
    "SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0;"
    "SET standard_conforming_strings = on; SET client_min_messages = warning;"
    "SET quote_all_identifiers = off;"  // format_type() names types that plans compare
    // What is checked again under a lock must be seen as it is then.
    "SET default_transaction_isolation = 'read committed'; SET default_transaction_deferrable = off;"
    "SELECT set_config(name, '0', false) FROM pg_catalog.pg_settings"
    " WHERE name IN ('idle_session_timeout', 'transaction_timeout')";

}  // namespace chameleon::coordinator::pg
