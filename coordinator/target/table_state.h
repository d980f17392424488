// A table at one moment, and how its columns go on to the next.
#pragma once

#include <vector>

#include "chameleon/v1/types.pb.h"
#include "chameleon/v1/worker.pb.h"

namespace chameleon::coordinator::target {

using ColumnRenames = google::protobuf::RepeatedPtrField<v1::ColumnRename>;

// A definition with its plan.
struct TableState {
  v1::TableDef def;
  v1::TablePlan plan;
};

// For each column of `after` the one of `before` that it continues, or -1.
std::vector<int> ContinuedColumns(const v1::TableDef& before, const v1::TableDef& after,
                                  const ColumnRenames& renames);

}  // namespace chameleon::coordinator::target
