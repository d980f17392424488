// What a QUERY event says about the session that ran its statement. Pure.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "chameleon/v1/types.pb.h"
#include "worker/binlog/event.h"
#include "worker/ddl/build_column.h"
#include "worker/ddl/session_context.h"

namespace chameleon::worker::stream {

// `server`: with the character sets that source::ReadCharsets fills in.
ddl::SessionContext ContextOf(const binlog::Query& query, const v1::ServerInfo& server);

// The statement in UTF-8; the event has it in the session's character_set_client.
absl::StatusOr<std::string> TextOf(const binlog::Query& query, const v1::ServerInfo& server);

// What CREATE DATABASE without a clause gives: the session's collation_server, which need not be
// the server's.
ddl::CharsetDefault InheritedCharset(const binlog::Query& query, const v1::ServerInfo& server);

}  // namespace chameleon::worker::stream
