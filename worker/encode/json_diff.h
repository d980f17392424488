// Partial updates of JSON documents (MySQL binlog_row_value_options=PARTIAL_JSON), applied to the
// document's binary form.
//
// Diffs, one after another: operation u8 (0 replace, 1 insert, 2 remove), path as lenenc string,
// and unless it removes, a value as lenenc string in binary JSON (sql/json_diff.h of the server).
// Pure.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace chameleon::worker::encode {

// The new document, in binary form. FAILED_PRECONDITION: a diff does not fit the document, so it is
// not the one that the diffs were made for. DATA_LOSS: damaged bytes.
absl::StatusOr<std::string> ApplyJsonDiffs(std::string_view document, std::string_view diffs);

}  // namespace chameleon::worker::encode
