// The servers' own texts (facts 1.3, 3.6) → what they mean and what a user reads.
#include "worker/source/dump_error.h"

#include <gtest/gtest.h>

#include "proto/wire/error.h"

namespace chameleon::worker::source {
namespace {

TEST(DumpError, Classify) {
  struct {
    int number;
    const char* text;
    DumpError expected;
  } cases[] = {
      {1236,
       "A replica with the same server_uuid/server_id as this replica has connected to the source; "
       "the first event 'mysql-bin.000003' at 4",
       DumpError::kServerIdInUse},
      {1236,
       "A slave with the same server_uuid/server_id as this slave has connected to the master",
       DumpError::kServerIdInUse},
      {4052, "A slave with the same server_id is already connected", DumpError::kServerIdInUse},
      {1236, "Could not find first log file name in binary log index file",
       DumpError::kFileMissing},
      {1236, "Client requested source to start replication from position > file size",
       DumpError::kBeyondEnd},
      {1236,
       "Client requested master to start replication from impossible position; the first event "
       "'maria-bin.000001' at 600000",
       DumpError::kBeyondEnd},
      {1236, "Cannot replicate because the source purged required binary logs. The GTID set …",
       DumpError::kPurged},
      {1236,
       "Could not find GTID state requested by slave in any binlog files. Probably the slave state "
       "is too old",
       DumpError::kPurged},
      {1236, "Replica has more GTIDs than the source has, using the source's SERVER_UUID.",
       DumpError::kAhead},
      {1236,
       "Error: connecting slave requested to start from GTID 0-20-1000, which is not in the "
       "master's "
       "binlog",
       DumpError::kAhead},
      {1236, "binlog truncated in the middle of event; consider out of disk space on source",
       DumpError::kNotAnEvent},
      {1236,
       "log event entry exceeded max_allowed_packet; Increase max_allowed_packet on source; the "
       "first event",
       DumpError::kNotAnEvent},
      {1227,
       "Access denied; you need (at least one of) the REPLICATION SLAVE privilege(s) for this "
       "operation",
       DumpError::kPrivilege},
      {1236, "something new", DumpError::kOther},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(ClassifyDumpError(c.number, c.text), c.expected) << c.text;
  }
}

v1::Position At(const char* file, uint64_t offset) {
  v1::Position p;
  p.set_file(file);
  p.set_offset(offset);
  return p;
}

TEST(DumpError, MissingFileIsExplainedByTheLogsThatExist) {
  struct {
    const char* file;
    std::vector<BinaryLog> logs;
    const char *reason, *text;
  } cases[] = {
      {"bin.000007",
       {{"bin.000009", 10}, {"bin.000010", 20}},
       "BINLOG_PURGED",
       "cannot read from bin.000007:4: it was purged: SHOW BINARY LOGS lists bin.000009 to "
       "bin.000010; the server says: S\nHINT: Copy the source again with chamctl init_replica."},
      {"bin.999999",
       {{"bin.1000000", 10}},
       "BINLOG_PURGED",
       "cannot read from bin.999999:4: it was purged: SHOW BINARY LOGS lists bin.1000000 to "
       "bin.1000000; the server says: S\nHINT: Copy the source again with chamctl init_replica."},
      {"bin.000042",
       {{"bin.000001", 10}},
       "SERVER_RESET",
       "cannot read from bin.000042:4: the server was reset or replaced: SHOW BINARY LOGS lists "
       "bin.000001 to bin.000001; the server says: S\nHINT: Copy the source again with chamctl "
       "init_replica."},
      {"mysql-bin.000001",
       {{"bin.000001", 10}},
       "SERVER_CHANGED",
       "cannot read from mysql-bin.000001:4: the server's logs have other names: SHOW BINARY LOGS "
       "lists bin.000001 to bin.000001; the server says: S\nHINT: Copy the source again with "
       "chamctl "
       "init_replica."},
  };
  for (const auto& c : cases) {
    auto status = DumpErrorStatus(DumpError::kFileMissing, "S", At(c.file, 4), false, &c.logs);
    EXPECT_EQ(Text(status), c.text);
    EXPECT_EQ(DetailOf(status).reason(), c.reason);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  }
}

TEST(DumpError, ServerIdInUseIsForAPerson) {
  auto status = DumpErrorStatus(DumpError::kServerIdInUse, "S", At("b.1", 4), false, nullptr);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(DetailOf(status).reason(), "SERVER_ID_IN_USE");
  EXPECT_EQ(Text(status),
            "another reader uses our server_id; the server says: S\nHINT: Give this source a "
            "my_server_id that no other replica or tool uses.");
}

}  // namespace
}  // namespace chameleon::worker::source
