#include "coordinator/pg/message_json.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include "coordinator/target/quote.h"

namespace chameleon::coordinator::pg {

std::string ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string out;
  // Fails only for messages with Any or broken timestamps, which the contract has none of.
  if (!google::protobuf::util::MessageToJsonString(message, &out, options).ok()) return "{}";
  return out;
}

VersionsSql ToSql(const std::vector<v1::TableVersion>& versions) {
  if (versions.empty()) return {"NULL", "NULL"};
  std::vector<v1::TableVersion> plans = versions;
  std::string definitions;
  for (v1::TableVersion& version : plans) {
    definitions += (definitions.empty() ? "" : ", ") + target::Literal(ToJson(version.def()));
    version.clear_def();
  }
  return {target::Literal(ToJsonArray(plans)), "ARRAY[" + definitions + "]::text[]"};
}

absl::Status FromJson(const std::string& json, google::protobuf::Message* message) {
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  auto status = google::protobuf::util::JsonStringToMessage(json, message, options);
  if (status.ok()) return absl::OkStatus();
  return absl::InternalError(fmt::format("the catalogue holds a broken {}: {}",
                                         message->GetTypeName(), status.ToString()));
}

v1::Position PositionAt(const Rows& rows, size_t row, size_t first_column) {
  v1::Position position;
  position.set_file(rows.Text(row, first_column));
  position.set_offset(rows.Uint(row, first_column + 1));
  position.set_gtid(rows.Text(row, first_column + 2));
  position.set_server_id(rows.Text(row, first_column + 3));
  position.set_file_created(static_cast<uint32_t>(rows.Uint(row, first_column + 4)));
  return position;
}

}  // namespace chameleon::coordinator::pg
