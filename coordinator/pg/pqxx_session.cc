// Statements over libpqxx. Only API that 6.4 (Debian 12) and 7.x have, but for three shims.
#include <fmt/format.h>

#include <pqxx/pqxx>

#include "coordinator/pg/connecting.h"
#include "coordinator/pg/session.h"

namespace chameleon::coordinator::pg {
namespace {

// libpqxx 7.9 marks exec_params as deprecated in favour of what 6.4 does not have.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#if PQXX_VERSION_MAJOR >= 7
pqxx::params ParamsOf(const std::vector<Param>& params) {
  pqxx::params result;
  for (const Param& param : params) result.append(param);
  return result;
}
void ForbidReconnect(pqxx::connection*) {}  // it never does
#else
std::vector<const char*> Pointers(const std::vector<Param>& params) {
  std::vector<const char*> result;
  for (const Param& param : params) result.push_back(param ? param->c_str() : nullptr);
  return result;
}
// A connection that comes back by itself comes back without its settings, locks and transaction.
void ForbidReconnect(pqxx::connection* conn) { conn->inhibit_reactivation(true); }
#endif

Rows RowsOf(const pqxx::result& result) {
  Rows::Data rows;
  rows.reserve(result.size());
  for (const auto& from : result) {
    auto& to = rows.emplace_back();
    for (const auto& field : from) {
      to.push_back(field.is_null() ? Param() : Param(std::string(field.c_str(), field.size())));
    }
  }
  return Rows(std::move(rows));
}

// "ERROR:  text\nDETAIL:  more\nHINT:  …" → "text\nDETAIL: more": as the COPY sessions word it.
std::string Reworded(const std::string& text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    const size_t colon = line.find(":  ");
    const std::string label = colon == std::string::npos ? "" : line.substr(0, colon);
    if (label == "ERROR" || label == "FATAL" || label == "PANIC") {
      out += line.substr(colon + 3);
    } else if (label == "DETAIL" || label == "CONTEXT") {
      out += fmt::format("\n{}: {}", label, line.substr(colon + 3));
    } else if (label == "HINT") {
      continue;
    } else if (!line.empty() && !out.empty()) {
      out += "\n" + line;
    } else {
      out += line;
    }
  }
  return Trimmed(out.c_str());
}

class PqxxSession final : public Session {
 public:
  explicit PqxxSession(const std::string& options) : conn_(options), quiet_(conn_) {
    ForbidReconnect(&conn_);
  }

  absl::StatusOr<Rows> Execute(std::string_view sql) override {
    return Guarded([&](pqxx::nontransaction* work) { return work->exec(std::string(sql)); });
  }

  absl::StatusOr<Rows> Query(std::string_view sql, const std::vector<Param>& params) override {
    return Guarded([&](pqxx::nontransaction* work) {
#if PQXX_VERSION_MAJOR >= 7
      return work->exec_params(std::string(sql), ParamsOf(params));
#else
      return work->exec_params(std::string(sql),
                               pqxx::prepare::make_dynamic_params(Pointers(params)));
#endif
    });
  }

  // The session may be in a block or not: outside, ROLLBACK is a warning that nobody sees.
  void Abandon() override {
    if (Connected()) Execute("ROLLBACK").IgnoreError();
  }

  void Cancel() override {
    try {
      conn_.cancel_query();
    } catch (const std::exception&) {  // nothing runs, or the connection is gone
    }
  }

  bool Connected() const override { return !lost_ && conn_.is_open(); }
  int ServerVersion() const override { return conn_.server_version(); }

 private:
  template <typename Call>
  absl::StatusOr<Rows> Guarded(const Call& call) {
    if (lost_) return StatementError("", "the connection to PostgreSQL is lost");
    try {
      pqxx::nontransaction work(conn_);
      return RowsOf(call(&work));
    } catch (const pqxx::broken_connection& e) {
      lost_ = true;
      return StatementError("", Reworded(e.what()));
    } catch (const pqxx::sql_error& e) {
      return StatementError(e.sqlstate(), Reworded(e.what()));
    } catch (const std::exception& e) {
      return absl::InternalError(fmt::format("libpqxx: {}", e.what()));
    }
  }

  pqxx::connection conn_;
  pqxx::quiet_errorhandler quiet_;
  bool lost_ = false;
};

#pragma GCC diagnostic pop

}  // namespace

absl::StatusOr<std::unique_ptr<Session>> Session::Connect(const TargetConnection& target,
                                                          std::string_view application_name) {
  std::unique_ptr<PqxxSession> session;
  try {
    session = std::make_unique<PqxxSession>(ConnectionText(target, application_name));
  } catch (const std::exception& e) {
    return ConnectError(target, Trimmed(e.what()));
  }
  auto rows = session->Execute(kSessionSetup);
  if (!rows.ok()) return rows.status();
  return session;
}

}  // namespace chameleon::coordinator::pg
