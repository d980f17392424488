// Row images without all columns (binlog_row_image MINIMAL, NOBLOB, FULL_NODUP; JSON diffs), made
// as complete as their event allows. Pure.
//
// A column that an update's after image leaves out is unchanged: its value is in the before image,
// or it is not known here and stays absent. JSON diffs need the document in the before image.
#pragma once

#include <deque>
#include <string>

#include "absl/status/status.h"
#include "chameleon/v1/types.pb.h"
#include "worker/binlog/row_image.h"

namespace chameleon::worker::stream {

// Has the event all columns, in all its images, as values?
bool IsComplete(const binlog::RowsEvent& rows);

// Fills `after` of an update from `before`. `documents` owns the JSON documents that diffs made.
// FAILED_PRECONDITION: a column's new value cannot be told; the text says why.
absl::Status CompleteUpdate(const v1::TableVersion& version, const binlog::RowSlices& before,
                            binlog::RowSlices* after, std::deque<std::string>* documents);

// MariaDB logs a REPLACE that meets one row as an update, and leaves out of an incomplete after
// image the columns that the statement does not name: they have taken their defaults, unlike those
// that INSERT … ON DUPLICATE KEY UPDATE leaves out of the same image. True: it may be either.
bool MayBeReplace(const v1::TableVersion& version, const binlog::RowSlices& after);
// FAILED_PRECONDITION, by name: nothing says which.
absl::Status ReplaceOrNot(const v1::TableVersion& version);

// FAILED_PRECONDITION: an inserted row lacks a column that only the server could compute.
absl::Status CheckInsert(const v1::TableVersion& version, const binlog::RowSlices& after);

}  // namespace chameleon::worker::stream
