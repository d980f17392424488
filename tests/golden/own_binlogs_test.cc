// Facts of our own logs (binlogs/*.sql says what was run) that no dump shows.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/wire/error.h"
#include "tests/golden/binlog_exercise.h"
#include "tests/golden/corpus.h"
#include "worker/binlog/gtid_set.h"

namespace chameleon::test {
namespace {

using namespace worker::binlog;

std::string Tally(const BinlogFile& file) {
  BinlogWalker walker;
  for (const std::string& raw : file.events) {
    absl::Status status = walker.Take(raw);
    EXPECT_TRUE(status.ok()) << Text(status);
  }
  std::string out;
  for (const auto& [name, count] : walker.tally().events) {
    out += name + ":" + std::to_string(count) + " ";
  }
  return out;
}

TEST(OwnBinlogs, HoldTheEventsThatTheCorpusLacks) {
  EXPECT_EQ(Tally(OwnBinlog("mysql97")),
            "DELETE_ROWS_V2:2 FORMAT_DESCRIPTION:1 GTID:27 GTID_TAGGED:1 PARTIAL_UPDATE_ROWS:4 "
            "PREVIOUS_GTIDS:1 QUERY:28 ROTATE:1 ROWS_QUERY:19 TABLE_MAP:19 TRANSACTION_PAYLOAD:2 "
            "UPDATE_ROWS_V2:4 WRITE_ROWS_V2:10 XA_PREPARE:2 XID:17 payload:QUERY:2 "
            "payload:ROWS_QUERY:2 payload:TABLE_MAP:2 payload:UPDATE_ROWS_V2:2 "
            "payload:WRITE_ROWS_V2:2 payload:XID:2 ");
  EXPECT_EQ(Tally(OwnBinlog("mariadb1011")),
            "FORMAT_DESCRIPTION:1 MARIADB_ANNOTATE_ROWS:10 MARIADB_BINLOG_CHECKPOINT:1 "
            "MARIADB_DELETE_ROWS_COMPRESSED_V1:1 MARIADB_GTID:19 MARIADB_GTID_LIST:1 "
            "MARIADB_QUERY_COMPRESSED:1 MARIADB_UPDATE_ROWS_COMPRESSED_V1:1 "
            "MARIADB_WRITE_ROWS_COMPRESSED_V1:1 QUERY:10 ROTATE:1 TABLE_MAP:10 UPDATE_ROWS_V1:2 "
            "WRITE_ROWS_V1:5 XA_PREPARE:1 XID:8 ");
}

// Calls `take` with every event of a log.
template <typename Take>
void ForEach(const BinlogFile& file, Take take) {
  EventParser parser;
  for (const std::string& raw : file.events) {
    auto event = parser.Parse(raw);
    ASSERT_TRUE(event.ok()) << Text(event.status());
    take(*event, parser.format());
  }
}

TEST(OwnBinlogs, SessionCharacterSetIsInTheQuery) {
  std::vector<int> clients;
  ForEach(OwnBinlog("mysql97"), [&](const Event& event, const FormatDescription&) {
    if (event.header.type != EventType::kQuery) return;
    auto query = ParseQuery(event);
    ASSERT_TRUE(query.ok());
    if (query->statement.starts_with("DROP TABLE")) clients.push_back(*query->charset_client);
  });
  EXPECT_THAT(clients, ::testing::ElementsAre(8));  // SET NAMES latin1
}

TEST(OwnBinlogs, XaKeysMatchBetweenPrepareAndGtid) {
  const std::string key("\x07\0\0\0\x02\0\0\0\x01\0\0\0x1b", 15);
  int seen = 0;
  for (const char* log : {"mysql97", "mariadb1011"}) {
    ForEach(OwnBinlog(log), [&](const Event& event, const FormatDescription&) {
      if (event.header.type == EventType::kXaPrepare) {
        auto prepare = ParseXaPrepare(event);
        ASSERT_TRUE(prepare.ok());
        if (!prepare->one_phase) {
          EXPECT_EQ(prepare->xid, key);
          ++seen;
        } else {
          EXPECT_EQ(prepare->xid, std::string("\x01\0\0\0\x03\0\0\0\0\0\0\0one", 15));
        }
      }
      if (event.header.type == EventType::kMariadbGtid) {
        auto gtid = ParseMariadbGtid(event);
        ASSERT_TRUE(gtid.ok());
        if (gtid->xid) {
          EXPECT_EQ(*gtid->xid, key);
          ++seen;
        }
      }
    });
  }
  EXPECT_EQ(seen, 1 + 1 + 2);
}

TEST(OwnBinlogs, TwoPhaseAlterNamesItsStart) {
  MariadbGtid start, commit;
  MariadbGtidPosition position;
  ForEach(OwnBinlog("mariadb1011"), [&](const Event& event, const FormatDescription&) {
    if (event.header.type == EventType::kMariadbQueryCompressed) {
      EXPECT_TRUE(ParseQuery(event)->statement.starts_with("create table"));
    }
    if (event.header.type != EventType::kMariadbGtid) return;
    auto gtid = ParseMariadbGtid(event);
    ASSERT_TRUE(gtid.ok());
    if ((gtid->flags_extra & MariadbGtid::kExtraStartAlter) != 0) start = *gtid;
    if ((gtid->flags_extra & MariadbGtid::kExtraCommitAlter) != 0) commit = *gtid;
    position.Set(gtid->domain, gtid->server_id, gtid->sequence);
  });
  EXPECT_GT(start.sequence, 0u);
  EXPECT_EQ(commit.alter_start_seqno, start.sequence);
  EXPECT_EQ(position.ToString(), "0-20-17,7-20-2");
}

// With the digits from the schema the columns fall into place, up to the text at the end.
TEST(OwnBinlogs, OldTemporalTypesWithFractions) {
  constexpr uint8_t kDigits[] = {0, 1, 3, 6, 0, 2, 4, 6, 0, 2, 5, 0};
  std::vector<std::string> values;
  TableMap map;
  ForEach(OwnBinlog("mariadb1011_oldtime"),
          [&](const Event& event, const FormatDescription& format) {
            if (event.header.type == EventType::kTableMap) {
              map = *ParseTableMap(event, format);
              ASSERT_EQ(map.columns.size(), std::size(kDigits));
              for (size_t i = 0; i < map.columns.size(); ++i) LayOut(&map.columns[i], kDigits[i]);
            }
            auto rows = ParseRowsEvent(event, format);
            if (!rows.ok()) return;
            RowCursor cursor(map, *rows);
            RowSlices before, after;
            absl::Status status = cursor.Next(&before, &after);
            ASSERT_TRUE(status.ok()) << Text(status);
            EXPECT_TRUE(cursor.AtEnd());
            for (const Slice& slice : after) {
              std::string hex;
              for (uint32_t i = 0; i < slice.size; ++i) {
                hex += fmt::format("{:02x}", static_cast<uint8_t>(slice.data[i]));
              }
              values.push_back(hex);
            }
          });
  ASSERT_EQ(values.size(), 12u);
  EXPECT_EQ(values[0], "c01dfe");      // -123456, little endian
  EXPECT_EQ(values[2], "00b15478eb");  // -12:34:56.789, facts 5.5
  EXPECT_EQ(values[11], "656e64");     // "end"
}

TEST(OwnBinlogs, OptionalMetadata) {
  std::string mysql, mariadb;
  auto describe = [](const TableMap& map, const TableMetadata& meta) {
    std::string out;
    for (size_t i = 0; i < map.columns.size(); ++i) {
      out += std::string(meta.names[i]) + (meta.is_unsigned[i] ? " unsigned" : "");
      if (meta.collations[i] != 0) out += " " + std::to_string(meta.collations[i]);
      out += ", ";
    }
    for (uint32_t column : meta.primary_key) out += "key " + std::to_string(column);
    return out;
  };
  auto take = [&](std::string* out, const char* table, bool is_mariadb) {
    return [=](const Event& event, const FormatDescription& format) {
      if (event.header.type != EventType::kTableMap) return;
      auto map = ParseTableMap(event, format);
      ASSERT_TRUE(map.ok()) << Text(map.status());
      auto meta = ParseTableMetadata(*map, is_mariadb);
      ASSERT_TRUE(meta.ok()) << Text(meta.status());
      if (map->table == table) *out = describe(*map, *meta);
    };
  };
  ForEach(OwnBinlog("mysql97"), take(&mysql, "wide", false));
  ForEach(OwnBinlog("mariadb1011"), take(&mariadb, "small", true));
  // utf8mb4_0900_ai_ci; binary for byte strings and the vector, none for JSON.
  EXPECT_EQ(mysql,
            "id unsigned, a, b, c, d, f, g, n, bt, y unsigned, dt, t0, t6, s0, s3, ts, ch 255, "
            "lc 255, bi 63, v 255, lv 255, tb 63, bl 63, mt 255, lt 255, j, e 255, st 255, ve 63, "
            "key 0");
  // The server's default is latin1; its JSON is utf8mb4_bin text.
  EXPECT_EQ(mariadb, "id, v 8, u 63, i 63, vc 8, bc 63, j 46, key 0");
}

}  // namespace
}  // namespace chameleon::test
