// A position that another program has stored: where it really stands, and what is known there.
//
// Reads the log from the beginning of the position's file to its end and finds the transaction that
// the position stands in, the GTIDs executed before it, and every schema change since. A table that
// no statement has touched since then had at the position the definition that it has now: read the
// definitions first, then this. Nothing is guessed: a position that is not the end of an event is
// refused (DATA_LOSS), as is one behind the end of the log.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "chameleon/v1/types.pb.h"
#include "chameleon/v1/worker.pb.h"
#include "worker/binlog/event.h"
#include "worker/ddl/schema_change.h"
#include "worker/source/event_source.h"
#include "worker/source/table_filter.h"
#include "worker/stream/log_position.h"

namespace chameleon::worker::stream {

class PositionProof {
 public:
  // `tables`: as they are now; they and `filter` outlive the proof. Only file and offset of
  // `stored` are looked at.
  PositionProof(const v1::ServerInfo& server, const v1::Position& stored,
                const std::vector<v1::TableDef>& tables, const source::TableFilter& filter);

  // `events` begin at the beginning of the position's file and end at the end of the log
  // (STREAM_ENDED, or CANCELLED of a file).
  absl::Status Run(source::EventSource* events);

  // The beginning of the transaction that the position stands in, or the position itself.
  const v1::Position& start() const { return start_; }
  std::vector<v1::TouchedTable> touched() const;

 private:
  absl::Status Handle(const binlog::Event& event, const v1::Position& before);
  absl::Status OnQuery(const binlog::Event& event, const v1::Position& before);
  absl::Status OnTableMap(const binlog::Event& event);
  absl::Status Touch(const binlog::Query& query);
  void Touch(const v1::TableName& name, const std::string& reason, bool created);
  absl::Status SetExecuted(const std::string& gtids);
  void BeginGroup(const v1::Position& before);
  void EndGroup();
  bool IsAtStored() const;
  void Reached();
  absl::Status Finish();

  const v1::ServerInfo& server_;
  const v1::Position stored_;
  const std::vector<v1::TableDef>& tables_;
  const source::TableFilter& filter_;

  binlog::EventParser parser_;
  binlog::FormatDescription format_;
  LogPosition position_;
  v1::Position group_begin_;
  bool in_group_ = false, standalone_ = false;
  bool header_ = true;      // nothing but a file's head was seen
  bool at_header_ = false;  // the position stands in it
  bool reached_ = false;
  bool next_decides_ = false;  // the event behind the position tells whether it cuts a statement
  std::set<std::pair<std::string, std::string>> mapped_;  // of the open statement
  v1::Position start_;
  std::map<std::pair<std::string, std::string>, v1::TouchedTable> touched_;
};

}  // namespace chameleon::worker::stream
