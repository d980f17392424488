// QUERY events that are not row changes: what they mean for the replicated tables.
//
// A statement that concerns no replicated table never disturbs anything; one that does becomes
// schema changes in the stream, in order; one that cannot be understood stops the tables it may
// concern, by name. Used by the reader thread only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "chameleon/v1/worker.pb.h"
#include "worker/binlog/event.h"
#include "worker/ddl/session_context.h"
#include "worker/ddl/statement.h"
#include "worker/source/table_now.h"
#include "worker/stream/batch.h"
#include "worker/stream/database_defaults.h"
#include "worker/stream/table_registry.h"

namespace chameleon::worker::stream {

class SchemaFollower {
 public:
  // The round trip to the coordinator.
  using ChangeSchema = std::function<absl::StatusOr<v1::ChangeSchemaResponse>(
      const v1::ChangeSchemaRequest& request)>;

  // What the source knows and the log does not say.
  struct Source {
    // What has the name there now; nothing: it is free.
    std::function<absl::StatusOr<std::optional<source::TableNow>>(const v1::TableName& name)> ask;
    std::string default_engine = "InnoDB";
    DatabaseDefaults::TableCharset table_charset;  // see DatabaseDefaults
  };

  // `server`, `databases`: see DatabaseDefaults.
  SchemaFollower(const v1::Lease& lease, const v1::ServerInfo& server,
                 const std::vector<v1::DatabaseDefault>& databases, TableRegistry* tables,
                 ChangeSchema change_schema, Source source);

  struct Action {
    enum Kind {
      kBenign,      // concerns no replicated table
      kOutside,     // likewise: `name`, a change of rows of another table
      kSavepoint,   // `name`
      kRollbackTo,  // `name`
      kBegin,
      kCommit,
      kRollback,
      kStatementDml,  // refused: rows that are not in the log
      kXaCommit,      // of a prepared transaction; `name`: its xid, as in binlog::XaPrepare
      kXaRollback,    // likewise
      kChange,        // `batch` must go into the stream alone; the registry is already changed
    };
    Kind kind = kBenign;
    std::string name;  // savepoint; what a benign statement was
    std::unique_ptr<Batch> batch;
    std::vector<v1::DatabaseDefault> databases;  // whose defaults it changes
  };
  // `position`: the end of the statement's event, or of its group when it is one of its own.
  absl::StatusOr<Action> Follow(const binlog::Query& query, const v1::Position& position);

  // Rows of tables have come that should be here and that nobody has described: they are copied, if
  // the source has them. kBenign: none of them.
  absl::StatusOr<Action> CopyUnknown(const std::set<std::pair<std::string, std::string>>& tables,
                                     const v1::Position& position);

 private:
  absl::StatusOr<Action> FollowTables(const ddl::Statement& statement, const std::string& text,
                                      uint16_t error_code, const ddl::SessionContext& context,
                                      const v1::Position& position);
  absl::StatusOr<Action> Change(const std::vector<v1::TableChange>& changes,
                                const std::string& text, const v1::Position& position);
  bool HasChildren(const ddl::TableRef& parent) const;
  bool IsOutside(const ddl::Dml& dml, const binlog::Query& query) const;
  absl::Status CompareWithSource(const ddl::Statement& statement,
                                 std::vector<v1::TableChange>* changes) const;
  bool IsInCopy(const v1::TableChange& change) const;
  absl::StatusOr<Action> Failed(const std::vector<v1::TableChange>& changes,
                                const std::string& text, uint16_t error_code);
  absl::Status AskCoordinator(std::vector<v1::TableChange> changes, const std::string& text,
                              const v1::Position& position, Batch* batch);
  absl::StatusOr<v1::ChangeSchemaResponse> Ask(const std::vector<v1::TableChange>& changes,
                                               const std::string& text,
                                               const v1::Position& position);
  static std::vector<v1::TableChange> CopiedAgain(const std::vector<v1::TableChange>& changes,
                                                  const std::string& reason);
  std::vector<v1::TableChange> MadeAgain(const std::vector<v1::TableChange>& changes) const;
  absl::Status UpdateRegistry(const v1::TableChange& change, const v1::TablePlan& plan,
                              const v1::Position& position, Batch* batch);
  void Stop(const v1::TableName& name, const std::string& reason, Batch* batch);

  const v1::Lease lease_;
  DatabaseDefaults defaults_;
  TableRegistry* const tables_;
  const ChangeSchema change_schema_;
  const Source source_;
};

}  // namespace chameleon::worker::stream
