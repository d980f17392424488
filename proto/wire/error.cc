#include "proto/wire/error.h"

#include <fmt/format.h>

#include "absl/strings/cord.h"

namespace chameleon {
namespace {
constexpr char kDetailUrl[] = "type.googleapis.com/chameleon.v1.ErrorDetail";
}

absl::Status Error(absl::StatusCode code, std::string_view reason, std::string_view object,
                   std::string_view text, std::string_view hint) {
  absl::Status status(code,
                      hint.empty() ? std::string(text) : fmt::format("{}\nHINT: {}", text, hint));
  v1::ErrorDetail detail;
  detail.set_reason(std::string(reason));
  detail.set_object(std::string(object));
  detail.set_hint(std::string(hint));
  status.SetPayload(kDetailUrl, absl::Cord(detail.SerializeAsString()));
  return status;
}

v1::ErrorDetail DetailOf(const absl::Status& status) {
  v1::ErrorDetail detail;
  if (auto payload = status.GetPayload(kDetailUrl)) detail.ParseFromString(std::string(*payload));
  return detail;
}

absl::Status WithContext(const absl::Status& status, std::string_view context) {
  if (status.ok()) return status;
  absl::Status result(status.code(), fmt::format("{}: {}", context, Text(status)));
  status.ForEachPayload(
      [&](absl::string_view url, const absl::Cord& payload) { result.SetPayload(url, payload); });
  return result;
}

std::string Text(const absl::Status& status) { return std::string(status.message()); }

}  // namespace chameleon
