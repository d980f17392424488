// type_override: which PostgreSQL types can hold which source columns, and how values are written.
#pragma once

#include <optional>
#include <string>

#include "chameleon/v1/types.pb.h"

namespace chameleon::coordinator::target {

// The encoding for `column` in `target_type`, or nothing when its values would not be exact there.
// `native` is the column's encoding without the override.
std::optional<v1::Encoding> OverrideEncoding(const v1::ColumnDef& column, v1::Encoding native,
                                             const std::string& target_type);

}  // namespace chameleon::coordinator::target
