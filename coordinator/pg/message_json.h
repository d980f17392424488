// Messages as the catalogue stores them: protobuf JSON with original field names and all fields.
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "chameleon/v1/types.pb.h"
#include "coordinator/pg/session.h"

namespace chameleon::coordinator::pg {

// 64-bit numbers come as strings: SQL reads them with ->> anyway.
std::string ToJson(const google::protobuf::Message& message);
// "[…]", or "" when there are none.
template <typename Repeated>
std::string ToJsonArray(const Repeated& messages) {
  std::string out;
  for (const auto& message : messages) out += (out.empty() ? "[" : ",") + ToJson(message);
  return out.empty() ? out : out + "]";
}

// Table versions as two SQL expressions for fn_store_batch and fn_start_life: the array without the
// definitions, and the definitions as text[] in the same order. "NULL" and "NULL" when empty.
struct VersionsSql {
  std::string versions, definitions;
};
VersionsSql ToSql(const std::vector<v1::TableVersion>& versions);

// Fields that this version does not know are ignored. INTERNAL: not the message's JSON.
absl::Status FromJson(const std::string& json, google::protobuf::Message* message);

// The five position columns in the order of the catalogue: t_binlog_name, i_binlog_position,
// t_gtid_set, t_server_id, i_file_created.
v1::Position PositionAt(const Rows& rows, size_t row, size_t first_column);

}  // namespace chameleon::coordinator::pg
