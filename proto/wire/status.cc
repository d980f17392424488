#include "proto/wire/status.h"

#include "absl/strings/cord.h"
#include "proto/wire/error.h"

namespace chameleon {

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  v1::ErrorDetail detail = DetailOf(status);
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()),
                      detail.reason().empty() ? std::string() : detail.SerializeAsString());
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  v1::ErrorDetail detail;
  if (!status.error_details().empty() && detail.ParseFromString(status.error_details())) {
    result.SetPayload("type.googleapis.com/chameleon.v1.ErrorDetail",
                      absl::Cord(status.error_details()));
  }
  return result;
}

}  // namespace chameleon
