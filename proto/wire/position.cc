#include "proto/wire/position.h"

#include <fmt/format.h>

namespace chameleon {

bool SamePosition(const v1::Position& a, const v1::Position& b) {
  return a.file() == b.file() && a.offset() == b.offset() && a.gtid() == b.gtid() &&
         a.server_id() == b.server_id() && a.file_created() == b.file_created();
}

std::string PositionText(const v1::Position& position, bool with_gtid) {
  std::string text = fmt::format("{}:{}", position.file(), position.offset());
  if (with_gtid && !position.gtid().empty()) text += " gtid " + position.gtid();
  return text;
}

}  // namespace chameleon
