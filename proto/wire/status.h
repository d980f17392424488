// absl::Status ⇄ grpc::Status, with the ErrorDetail payload.
#pragma once

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace chameleon {

grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace chameleon
