#include "worker/take_over.h"

#include <spdlog/spdlog.h>

#include "proto/wire/position.h"
#include "worker/source/connection.h"
#include "worker/source/event_source.h"
#include "worker/source/schema_reader.h"
#include "worker/source/server.h"
#include "worker/source/table_filter.h"
#include "worker/stream/position_proof.h"

namespace chameleon::worker {
namespace {

constexpr uint64_t kFirstEventOffset = 4;

}  // namespace

absl::StatusOr<v1::TakeOverRequest> ProveTakeOver(const v1::Assignment& assignment) {
  v1::TakeOverRequest request;
  *request.mutable_lease() = assignment.lease();
  *request.mutable_stored() = assignment.take_over().stored();

  auto connection = source::Connection::Open(assignment.connection());
  if (!connection.ok()) return connection.status();
  auto server = source::ReadServerInfo(connection->get());
  if (!server.ok()) return server.status();
  const source::TableFilter filter(assignment.options(), server->lower_case_table_names());
  auto names = source::ReadSchemaNames(connection->get(), filter);
  if (!names.ok()) return names.status();
  // First the definitions, then the log: a change in between is found in the log.
  auto schema = source::ReadSchema(connection->get(), *server, *names, filter);
  if (!schema.ok()) return schema.status();

  v1::SourceOptions options = assignment.options();
  options.set_my_server_id(0);  // and so the dump ends at the end of the log
  options.set_gtid_enable(false);
  v1::Position begin;
  begin.set_file(request.stored().file());
  begin.set_offset(kFirstEventOffset);
  auto events = source::OpenServerEvents(assignment.connection(), options, begin, &*server);
  if (!events.ok()) return events.status();
  stream::PositionProof proof(*server, request.stored(), schema->tables, filter);
  if (auto status = proof.Run(events->get()); !status.ok()) return status;
  *request.mutable_server() = *server;
  *request.mutable_start() = proof.start();
  for (v1::TableDef& def : schema->tables) request.add_tables()->Swap(&def);
  for (v1::TouchedTable& table : proof.touched()) request.add_touched()->Swap(&table);
  spdlog::info("taking over src={} stored={} start={} tables={} touched={}",
               assignment.lease().source(), PositionText(request.stored()),
               PositionText(request.start(), true), request.tables_size(), request.touched_size());
  return request;
}

}  // namespace chameleon::worker
