#include "proto/wire/status.h"

#include "absl/strings/cord.h"
#include "chameleon/v1/status.pb.h"
#include "proto/wire/error.h"

namespace chameleon {
namespace {

// Metadata of more than 8 KiB is refused by default, and the text goes twice.
constexpr size_t kDetailedMessageMax = 3 << 10;

}  // namespace

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const std::string message(status.message());
  const v1::ErrorDetail detail = DetailOf(status);
  std::string details;
  if (!detail.reason().empty() && message.size() <= kDetailedMessageMax) {
    v1::RpcStatus rpc;
    rpc.set_code(static_cast<int>(status.code()));
    rpc.set_message(message);
    rpc.add_details()->PackFrom(detail);
    details = rpc.SerializeAsString();
  }
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), message, details);
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  v1::RpcStatus rpc;
  v1::ErrorDetail detail;
  if (status.error_details().empty() || !rpc.ParseFromString(status.error_details())) return result;
  for (const auto& any : rpc.details()) {
    if (!any.Is<v1::ErrorDetail>() || !any.UnpackTo(&detail)) continue;
    result.SetPayload("type.googleapis.com/chameleon.v1.ErrorDetail",
                      absl::Cord(detail.SerializeAsString()));
  }
  return result;
}

}  // namespace chameleon
