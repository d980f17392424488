// Replay against a real PostgreSQL: every path of fn_replay_mysql.
#include <thread>

#include "coordinator/ingest/batch_writer.h"
#include "coordinator/replay/replayer.h"
#include "tests/unit/ingest/log_batch.h"
#include "tests/unit/pg/target_fixture.h"

namespace chameleon::coordinator {
namespace {

using ingest::BatchWriter;

class ReplayTest : public TargetTest {
 protected:
  void SetUp() override {
    TargetTest::SetUp();
    CreateSource();
    sql_->Exec("CREATE SCHEMA shop");
    Table(1, "a", "id integer PRIMARY KEY, code integer UNIQUE, name varchar(5)",
          {{"id", "integer"}, {"code", "integer"}, {"name", "character varying(5)"}});
    Table(2, "b", "id integer PRIMARY KEY, doc jsonb, \"p%c\" text",
          {{"id", "integer"}, {"doc", "jsonb"}, {"p%c", "text"}});
    writer_ = *BatchWriter::Open(target_, lease_);
  }

  // A version that holds from batch 1; the first column is the key.
  void Table(uint64_t id, const std::string& name, const std::string& columns,
             const std::vector<std::pair<std::string, std::string>>& types) {
    sql_->Exec(fmt::format("CREATE TABLE shop.{} ({})", name, columns));
    std::string plan;
    for (const auto& [column, type] : types) {
      plan += fmt::format(R"({}{{"target_name":"{}","target_type":"{}","is_key":{}}})",
                          plan.empty() ? "" : ",", column, type, plan.empty());
    }
    sql_->Exec(fmt::format(
        R"(SELECT sch_chameleon.fn_store_version(1, 1, '{{"plan":{{"table_id":"{}","source":)"
        R"({{"schema":"shop","table":"{}"}},"target_schema":"shop","target_table":"{}",)"
        R"("replicated":true,"columns":[{}]}}}}'))",
        id, name, name, plan));
  }

  // The next batch, from where the last one ended.
  LogBatch Next() {
    const uint64_t id = next_++;
    return LogBatch(id, position_, position_ + 100);
  }
  void Write(const LogBatch& batch, bool more = false) {
    ASSERT_OK(batch.WriteTo(writer_.get()));
    if (!more) position_ += 100;
  }

  std::string Replay(int max_rows = 10000, const std::string& on_error = "continue") {
    return Get(
        fmt::format("SELECT b_continue, b_error, v_table_error, i_batches, i_replayed,"
                    " i_skipped, i_ddl, t_error FROM sch_chameleon.fn_replay_mysql(1, {},"
                    " '{}')",
                    max_rows, on_error));
  }
  std::string A() { return Get("SELECT id, code, name FROM shop.a ORDER BY id"); }
  std::string B() { return Get("SELECT id, doc, \"p%c\" FROM shop.b ORDER BY id"); }
  std::string Replayed() {
    return Get("SELECT i_binlog_position, i_last_batch FROM sch_chameleon.t_last_replayed");
  }

  std::unique_ptr<BatchWriter> writer_;
  uint64_t next_ = 1, position_ = 4;
};

TEST_F(ReplayTest, DeleteUpdateInsertAndBookkeeping) {
  Write(Next()
            .Insert(R"({"id":"1","code":"1","name":"one"})")
            .Insert(R"({"id":"2","code":"2","name":null})"));
  EXPECT_EQ(Replay(), "f|f|{}|1|2|0|0|-");
  Write(Next()
            .Delete(R"({"id":"2"})")
            .Update(R"({"id":"1","code":"2","name":"uno"})")
            .Insert(R"({"id":"3","code":"1","name":"three"})"));
  EXPECT_EQ(Replay(), "f|f|{}|1|3|0|0|-");
  EXPECT_EQ(A(), "1|2|uno;3|1|three");
  EXPECT_EQ(Replayed(), "204|2");
  EXPECT_EQ(Get("SELECT i_id_batch, b_replayed, i_replayed, i_skipped FROM"
                " sch_chameleon.t_replica_batch ORDER BY 1"),
            "1|t|2|0;2|t|3|0");
  EXPECT_EQ(Replay(), "f|f|{}|0|0|0|0|-");
}

// As a string of JSON they would be there without any error.
TEST_F(ReplayTest, DocumentsInADomain) {
  sql_->Exec(
      "CREATE DOMAIN shop.doc AS jsonb;"
      "CREATE TABLE shop.c (id integer PRIMARY KEY, doc shop.doc)");
  sql_->Exec(
      R"(SELECT sch_chameleon.fn_store_version(1, 1, '{"plan":{"table_id":"3","source":)"
      R"({"schema":"shop","table":"c"},"target_schema":"shop","target_table":"c",)"
      R"("replicated":true,"columns":[{"target_name":"id","target_type":"integer","is_key":true},)"
      R"({"target_name":"doc","target_type":"shop.doc","encoding":"ENCODING_JSON"}]}}'))");
  Write(Next()
            .Insert(R"({"id":"1","doc":"[2]"})", 3)
            .Insert(R"({"id":"2","doc":"null"})", 3)
            .Insert(R"({"id":"3","doc":null})", 3));
  Write(Next().Add(3, "update", R"({"id":"1"})", R"({"doc":"{}"})"));
  EXPECT_EQ(Replay(), "f|f|{}|2|4|0|0|-");
  EXPECT_EQ(Get("SELECT id, jsonb_typeof(doc) FROM shop.c ORDER BY id"), "1|object;2|null;3|-");
}

TEST_F(ReplayTest, UpdateThatChangesTheKey) {
  Write(Next().Insert(R"({"id":"1","code":"1","name":"x"})"));
  Write(Next().Add(1, "update", R"({"id":"1"})", R"({"id":"9","code":"1","name":"y"})"));
  EXPECT_EQ(Replay(), "f|f|{}|2|2|0|0|-");
  EXPECT_EQ(A(), "9|1|y");
}

TEST_F(ReplayTest, IncompleteUpdatesKeepWhatTheyDoNotHave) {
  Write(Next()
            .Insert(R"({"id":"1","doc":"{}","p%c":"one"})", 2)
            .Insert(R"({"id":"2","doc":"[2]","p%c":"two"})", 2)
            .Insert(R"({"id":"3","doc":"3","p%c":"three"})", 2));
  Write(Next()
            .Add(2, "update", R"({"id":"1"})", R"({"id":"1","p%c":"uno"})")
            .Add(2, "update", R"({"id":"2"})", R"({"id":"20","doc":"null"})")
            .Add(2, "update", R"({"id":"3"})", R"({"doc":null})"));
  EXPECT_EQ(Replay(), "f|f|{}|2|6|0|0|-");
  EXPECT_EQ(B(), "1|{}|uno;3|-|three;20|null|two");
  Write(Next().Add(2, "update", R"({"id":"7"})", R"({"p%c":"none"})"));
  EXPECT_EQ(Replay(), "f|f|{shop.b}|1|0|1|0|-");
  EXPECT_EQ(Get("SELECT t_row_data, t_error FROM sch_chameleon.t_discarded_rows"),
            R"({"p%c": "none"}|update of 1 row(s) found 0: the target is not equal to the source)");
}

TEST_F(ReplayTest, IncompleteUpdatesSwapUniqueValues) {
  Write(Next()
            .Insert(R"({"id":"1","code":"1","name":"a"})")
            .Insert(R"({"id":"2","code":"2","name":"b"})")
            .Insert(R"({"id":"3","code":"3","name":"c"})"));
  for (int round = 0; round < 2; ++round) {  // in one replay transaction
    Write(Next()
              .Delete(fmt::format(R"({{"id":"{}"}})", 3 + round))
              .Update(fmt::format(R"({{"id":"1","code":"{}","name":"a"}})", 2 - round))
              .Add(1, "update", R"({"id":"2"})", fmt::format(R"({{"code":"{}"}})", 1 + round))
              .Insert(fmt::format(R"({{"id":"{}","code":"3","name":"d"}})", 4 + round)));
  }
  EXPECT_EQ(Replay(), "f|f|{}|3|11|0|0|-");
  EXPECT_EQ(A(), "1|1|a;2|2|b;5|3|d");
}

v1::XaStep Xa(v1::XaStep::Kind kind, const std::string& xid, uint32_t part = 0) {
  v1::XaStep step;
  step.set_kind(kind);
  step.set_xid(xid);
  step.set_part(part);
  return step;
}

TEST_F(ReplayTest, PreparedTransactionsWait) {
  const std::string xid("\x01\0\xff", 3);
  Write(Next().Insert(R"({"id":"1","code":"1","name":"a"})").More(), true);
  auto last =
      Next().Update(R"({"id":"1","code":"2","name":"b"})").Add(2, "stop", "", "", "because");
  *last.header().mutable_xa() = Xa(v1::XaStep::PREPARE, xid);
  Write(last);
  // A table that leaves does so at once.
  EXPECT_EQ(Replay(), "f|f|{}|1|0|0|0|-");
  EXPECT_EQ(A(), "");
  EXPECT_EQ(Get("SELECT t_reason FROM sch_chameleon.t_replica_tables WHERE NOT b_replica_enabled"),
            "because");
  auto start = catalogue_->LoadReplication(1);
  ASSERT_TRUE(start.ok()) << start.status();
  ASSERT_EQ(start->prepared.size(), 1u);
  EXPECT_EQ(start->prepared[0].xid(), xid);
  EXPECT_EQ(start->prepared[0].parts(), 2u);
  auto other = Next();
  *other.header().mutable_xa() = Xa(v1::XaStep::PREPARE, "other");
  Write(other);
  auto undone = Next();
  *undone.header().mutable_xa() = Xa(v1::XaStep::ROLLBACK, "other");
  Write(undone);
  auto first = Next().More();
  *first.header().mutable_xa() = Xa(v1::XaStep::COMMIT, xid, 1);
  Write(first, true);
  EXPECT_EQ(Replay(), "f|f|{}|0|0|0|0|-");
  // The worker dies here: the next one begins the commit again.
  auto epoch = catalogue_->NewEpoch(1, "host:2");
  ASSERT_TRUE(epoch.ok()) << epoch.status();
  lease_.set_epoch(*epoch);
  writer_ = *BatchWriter::Open(target_, lease_);
  --next_;
  for (uint32_t part : {1, 2}) {
    auto batch = part == 1 ? Next().More() : Next();
    *batch.header().mutable_xa() = Xa(v1::XaStep::COMMIT, xid, part);
    Write(batch, part == 1);
  }
  EXPECT_EQ(Replay(), "f|f|{}|2|2|0|0|-");
  EXPECT_EQ(A(), "1|2|b");
  EXPECT_EQ(Get("SELECT count(*) FROM sch_chameleon.t_xa_prepared"), "0");
  EXPECT_EQ(Get("SELECT count(*) FROM sch_chameleon.t_xa_lines"), "0");
  auto unknown = Next();
  *unknown.header().mutable_xa() = Xa(v1::XaStep::ROLLBACK, xid);
  EXPECT_TRUE(absl::IsDataLoss(unknown.WriteTo(writer_.get())));
}

class CascadeReplayTest : public ReplayTest {
 protected:
  void SetUp() override {
    ReplayTest::SetUp();
    for (const auto& [id, name, column, parent, action] :
         std::vector<std::tuple<int, std::string, std::string, std::string, std::string>>{
             {11, "p", "x", "", ""},
             {12, "c", "p", "p", "CASCADE"},
             {13, "g", "c", "c", "CASCADE"},
             {14, "n", "p", "p", "SET NULL"}}) {
      sql_->Exec(
          fmt::format("CREATE TABLE shop.{} (id integer PRIMARY KEY, {} integer)", name, column));
      const std::string key =
          parent.empty()
              ? ""
              : fmt::format(R"(,"foreign_keys":[{{"columns":["{}"],"referenced":{{"schema":"shop",)"
                            R"("table":"{}"}},"referenced_columns":["ID"],"on_delete":"{}",)"
                            R"("on_update":"{}"}}])",
                            column, parent, action, action);
      sql_->Exec(fmt::format(
          R"(SELECT sch_chameleon.fn_store_version(1, 1, '{{"plan":{{"table_id":"{0}","source":)"
          R"({{"schema":"shop","table":"{1}"}},"target_schema":"shop","target_table":"{1}",)"
          R"("replicated":true,"columns":[{{"target_name":"id","target_type":"integer","is_key":true}},)"
          R"({{"target_name":"{2}","target_type":"integer"}}]}}}}', '{{"name":{{"schema":"shop",)"
          R"("table":"{1}"}},"columns":[{{"name":"id"}},{{"name":"{2}","default_value":)"
          R"("\\\u0000"}}]{3}}}'))",
          id, name, column, key));
    }
    sql_->Exec(
        "INSERT INTO shop.p VALUES (1), (2); INSERT INTO shop.c VALUES (1, 1), (2, 2), (3, 1);"
        "INSERT INTO shop.g VALUES (1, 1), (2, 2); INSERT INTO shop.n VALUES (1, 1), (2, 2)");
  }
  std::string Rows(const std::string& table) {
    return Get("SELECT * FROM shop." + table + " ORDER BY id");
  }
};

TEST_F(CascadeReplayTest, DeletesGoOnToGrandchildren) {
  Write(Next()
            .Add(12, "cascade", R"({"p":"1"})", "")
            .Add(14, "cascade", R"({"p":"1"})", R"({"p":null})"));
  EXPECT_EQ(Replay(), "f|f|{}|1|2|0|0|-");
  EXPECT_EQ(Rows("c"), "2|2");
  EXPECT_EQ(Rows("g"), "2|2");
  EXPECT_EQ(Rows("n"), "1|-;2|2");
}

TEST_F(CascadeReplayTest, KeysThatMoveAtOnceDoNotMeet) {
  Write(Next()
            .Add(12, "cascade", R"({"p":"2"})", R"({"p":"3"})")
            .Add(12, "cascade", R"({"p":"1"})", R"({"p":"2"})"));
  EXPECT_EQ(Replay(), "f|f|{}|1|2|0|0|-");
  EXPECT_EQ(Rows("c"), "1|2;2|3;3|2");
  EXPECT_EQ(Rows("g"), "1|1;2|2");
}

TEST_F(CascadeReplayTest, UniqueValuesThatMoveAtOnceDoNotMeet) {
  sql_->Exec(
      "DELETE FROM shop.c WHERE id = 3; ALTER TABLE shop.c ADD UNIQUE (p),"
      " ADD \"x%s\" integer GENERATED ALWAYS AS (id * 2) STORED, ADD own text DEFAULT 'own';"
      "UPDATE shop.c SET own = 'kept'");
  Write(Next()
            .Add(12, "cascade", R"({"p":"1"})", R"({"p":"2"})")
            .Add(12, "cascade", R"({"p":"2"})", R"({"p":"3"})"));
  EXPECT_EQ(Replay(), "f|f|{}|1|2|0|0|-");
  EXPECT_EQ(Rows("c"), "1|2|2|kept;2|3|4|kept");
  EXPECT_EQ(Rows("g"), "1|1;2|2");
  // A value that is there for another reason: loudly.
  sql_->Exec("INSERT INTO shop.c (id, p) VALUES (9, 9)");
  Write(Next().Add(12, "cascade", R"({"p":"2"})", R"({"p":"9"})"));
  EXPECT_EQ(Replay(), "f|f|{shop.c}|1|0|1|0|-");
  EXPECT_EQ(Rows("c"), "1|2|2|kept;2|3|4|kept;9|9|18|own");
}

TEST_F(CascadeReplayTest, AChildThatIsNotFollowedTakesItsChildrenAlong) {
  sql_->Exec(
      "UPDATE sch_chameleon.t_replica_tables SET b_replica_enabled = false,"
      " ts_disabled = now() WHERE i_id_table = 12");
  Write(Next().Add(12, "cascade", R"({"p":"1"})", ""));
  EXPECT_EQ(Replay(), "f|f|{}|1|0|1|0|-");
  EXPECT_EQ(Get("SELECT v_table_name, t_reason FROM sch_chameleon.t_replica_tables"
                " WHERE NOT b_replica_enabled AND i_id_table > 12"),
            "g|the source changes its rows through a foreign key of shop.c, which has left the "
            "replica");
}

TEST_F(ReplayTest, SwappedUniqueValues) {
  Write(Next()
            .Insert(R"({"id":"1","code":"1","name":"a"})")
            .Insert(R"({"id":"2","code":"2","name":"b"})")
            .Insert(R"({"id":"3","code":"3","name":"c"})"));
  Write(Next()
            .Delete(R"({"id":"3"})")
            .Update(R"({"id":"1","code":"2","name":"a"})")
            .Update(R"({"id":"2","code":"3","name":"b"})")
            .Insert(R"({"id":"4","code":"1","name":"d"})"));
  EXPECT_EQ(Replay(), "f|f|{}|2|7|0|0|-");
  EXPECT_EQ(A(), "1|2|a;2|3|b;4|1|d");
}

TEST_F(ReplayTest, JsonNullIsNotSqlNull) {
  Write(Next()
            .Insert(R"({"id":"1","doc":"null","p%c":"50%"})", 2)
            .Insert(R"({"id":"2","doc":null,"p%c":null})", 2)
            .Insert(R"({"id":"3","doc":"{\"a\": [1, 1.50]}","p%c":""})", 2)
            .Insert(R"({"id":"4","doc":"\"text\"","p%c":"x"})", 2));
  Replay();
  EXPECT_EQ(B(), R"(1|null|50%;2|-|-;3|{"a": [1, 1.50]}|;4|"text"|x)");
  EXPECT_EQ(Get("SELECT jsonb_typeof(doc) FROM shop.b ORDER BY id"), "null;-;object;string");
  Write(Next().Update(R"({"id":"3","doc":"null","p%c":"z"})", 2));
  Replay();
  EXPECT_EQ(Get("SELECT jsonb_typeof(doc) FROM shop.b WHERE id = 3"), "null");
}

TEST_F(ReplayTest, DriftIsAnError) {
  Write(Next().Insert(R"({"id":"1","code":"1","name":"a"})"));
  Replay();
  sql_->Exec("DELETE FROM shop.a");
  Write(Next().Update(R"({"id":"1","code":"5","name":"b"})"));
  EXPECT_EQ(Replay(), "f|f|{shop.a}|1|0|1|0|-");
  EXPECT_EQ(Get("SELECT t_error_message FROM sch_chameleon.t_error_log"),
            "update of 1 row(s) found 0: the target is not equal to the source");
  EXPECT_EQ(Get("SELECT b_replica_enabled, t_reason FROM sch_chameleon.t_replica_tables"
                " WHERE i_id_table = 1"),
            "f|replay of batch 2 failed: update of 1 row(s) found 0: the target is not equal to the"
            " source (error log 1)");
  Write(Next().Delete(R"({"id":"7"})", 2));
  EXPECT_EQ(Replay(), "f|f|{shop.b}|1|0|1|0|-");
}

TEST_F(ReplayTest, BadRowIsQuarantinedAndOthersGoOn) {
  Write(Next().Insert(R"({"id":"1","code":"1","name":"a"})"));
  Replay();
  Write(Next().Update(R"({"id":"1","code":"1","name":"new"})"));
  Write(Next()
            .Insert(R"({"id":"2","code":"2","name":"ok"})")
            .Insert(R"({"id":"3","code":"3","name":"too long"})")
            .Insert(R"({"id":"4","code":"x","name":"no"})")
            .Insert(R"({"id":"1","doc":"1","p%c":"b"})", 2));
  EXPECT_EQ(Replay(), "f|f|{shop.a}|2|1|4|0|-");
  // The table is the source as of the last replayed position: not even batch 2 is in it.
  EXPECT_EQ(A(), "1|1|a");
  EXPECT_EQ(B(), "1|1|b");
  EXPECT_EQ(Get("SELECT i_id_batch, v_schema_name, v_table_name, enm_binlog_event, t_row_data,"
                " t_error FROM sch_chameleon.t_discarded_rows ORDER BY i_id_row"),
            R"(3|shop|a|insert|{"id": "3", "code": "3", "name": "too long"}|)"
            R"(value too long for type character varying(5);)"
            R"(3|shop|a|insert|{"id": "4", "code": "x", "name": "no"}|)"
            R"(invalid input syntax for type integer: "x")");
  auto errors = catalogue_->Errors(1);
  ASSERT_TRUE(errors.ok());
  EXPECT_EQ(errors->at(0).table(), "a");
  EXPECT_EQ(errors->at(0).batch_id(), 3u);
  EXPECT_THAT(errors->at(0).detail(), HasSubstr("2 offending row(s) in t_discarded_rows"));
  auto status = catalogue_->Status("shop", true);
  ASSERT_TRUE(status.ok()) << status.status().ToString();
  EXPECT_EQ(status->tables_disabled(), 1u);
  EXPECT_EQ(status->tables(0).state(), "disabled");
  // Its later rows are skipped and counted.
  Write(Next().Insert(R"({"id":"8","code":"8","name":"x"})"));
  EXPECT_EQ(Replay(), "f|f|{}|1|0|1|0|-");
}

TEST_F(ReplayTest, ExitAppliesNothing) {
  Write(Next().Insert(R"({"id":"1","doc":"1","p%c":"b"})", 2));
  Write(Next().Insert(R"({"id":"3","code":"3","name":"too long"})"));
  EXPECT_EQ(
      Replay(10000, "exit"),
      "f|t|{}|0|0|0|0|table shop.a: value too long for type character varying(5) (error log 1,"
      " batch 2)");
  EXPECT_EQ(B(), "");
  EXPECT_EQ(Replayed(), "-|0");
  EXPECT_EQ(Get("SELECT count(*) FROM sch_chameleon.t_replica_tables WHERE b_replica_enabled"),
            "2");
}

TEST_F(ReplayTest, DuplicateOfAnExistingRowIsFound) {
  Write(Next().Insert(R"({"id":"1","code":"1","name":"a"})"));
  Replay();
  sql_->Exec("INSERT INTO shop.a VALUES (50, 50, 'alien')");
  Write(Next()
            .Insert(R"({"id":"2","code":"2","name":"b"})")
            .Insert(R"({"id":"3","code":"50","name":"c"})"));
  EXPECT_EQ(Replay(), "f|f|{shop.a}|1|0|2|0|-");
  EXPECT_EQ(Get("SELECT t_row_data::json->>'id' FROM sch_chameleon.t_discarded_rows"), "3");
}

TEST_F(ReplayTest, PartsBecomeVisibleOnlyTogether) {
  Write(Next().Insert(R"({"id":"1","code":"1","name":"a"})"));
  Write(Next().Insert(R"({"id":"2","code":"2","name":"b"})").More(), true);
  EXPECT_EQ(Replay(), "f|f|{}|1|1|0|0|-");
  EXPECT_EQ(Replay(), "f|f|{}|0|0|0|0|-");
  EXPECT_EQ(A(), "1|1|a");
  EXPECT_EQ(Replayed(), "104|1");
  Write(Next().Update(R"({"id":"2","code":"2","name":"c"})").More(), true);
  Write(Next().Update(R"({"id":"2","code":"2","name":"d"})"));
  // More than max_rows, and yet one transaction.
  EXPECT_EQ(Replay(1), "f|f|{}|3|3|0|0|-");
  EXPECT_EQ(A(), "1|1|a;2|2|d");
  EXPECT_EQ(Replayed(), "204|4");
}

TEST_F(ReplayTest, FailureInALaterPartTakesTheTableBackToTheLastCommit) {
  Write(Next().Insert(R"({"id":"1","code":"1","name":"a"})"));
  Replay();
  Write(Next().Insert(R"({"id":"2","code":"2","name":"b"})").More(), true);
  Write(Next().Insert(R"({"id":"3","code":"2","name":"dup"})"));
  EXPECT_EQ(Replay(), "f|f|{shop.a}|2|0|2|0|-");
  EXPECT_EQ(A(), "1|1|a");
  EXPECT_EQ(Get("SELECT i_id_batch, t_row_data::json->>'id' FROM sch_chameleon.t_discarded_rows"),
            "3|3");
}

TEST_F(ReplayTest, RoundsEndAtMaxRowsAndAfterExclusive) {
  for (int i = 1; i <= 5; ++i) {
    Write(Next().Insert(fmt::format(R"({{"id":"{}","code":"{}","name":"x"}})", i, i)));
  }
  EXPECT_EQ(Replay(2), "t|f|{}|2|2|0|0|-");
  EXPECT_EQ(Replayed(), "204|2");
  EXPECT_EQ(Replay(10), "f|f|{}|3|3|0|0|-");
  Write(Next().Add(1, "ddl", "", "", "CREATE TYPE shop.e AS ENUM ('a')"));
  Write(Next().Add(1, "ddl", "", "", "ALTER TYPE shop.e ADD VALUE 'b'").Exclusive());
  Write(Next().Add(1, "ddl", "", "", "CREATE TABLE shop.t AS SELECT 'b'::shop.e AS v"));
  EXPECT_EQ(Replay(), "t|f|{}|2|0|0|2|-");
  EXPECT_EQ(Replay(), "f|f|{}|1|0|0|1|-");
  EXPECT_EQ(Get("SELECT v FROM shop.t"), "b");
}

TEST_F(ReplayTest, TruncateIsExecutedInOrder) {
  Write(Next().Insert(R"({"id":"1","code":"1","name":"a"})"));
  Write(Next().Add(1, "truncate", "", "", "TRUNCATE TABLE shop.a"));
  Write(Next().Insert(R"({"id":"1","code":"1","name":"b"})"));
  EXPECT_EQ(Replay(), "f|f|{}|3|2|0|1|-");
  EXPECT_EQ(A(), "1|1|b");
}

TEST_F(ReplayTest, LockedTableIsNotAnError) {
  Write(Next().Insert(R"({"id":"1","code":"1","name":"a"})"));
  Write(Next().Add(1, "truncate", "", "", "TRUNCATE TABLE shop.a"));
  test::Pg reader(Server().Address(target_.database));
  reader.Exec("BEGIN; SELECT * FROM shop.a");
  EXPECT_EQ(sql_->TryExec("SELECT sch_chameleon.fn_replay_mysql(1, 100)"), "55P03");
  EXPECT_EQ(Get("SELECT count(*) FROM sch_chameleon.t_error_log"), "0");
  reader.Exec("COMMIT");
  EXPECT_EQ(Replay(), "f|f|{}|2|1|0|1|-");
}

TEST_F(ReplayTest, LogTablesTakeTurnsAndNothingUnreplayedIsTruncated) {
  sql_->Exec(
      "CREATE FUNCTION pg_temp.size(t text) RETURNS bigint LANGUAGE sql AS"
      " $$SELECT pg_relation_size(('sch_chameleon.'||t)::regclass)$$");
  // Straight into fn_store_batch, with a small limit.
  const auto store = [&](int id) {
    const std::string log = Get("SELECT v_log_table[1] FROM sch_chameleon.t_sources");
    const std::string at =
        R"({{"file":"b.1","offset":"{}","gtid":"","server_id":"","file_created":0}})";
    sql_->Exec(fmt::format(
        "BEGIN; INSERT INTO sch_chameleon.{0} SELECT {1}, 1, 'insert', NULL,"
        " json_build_object('id', {1} * 10 + i, 'code', {1} * 10 + i)::jsonb, NULL FROM"
        " generate_series(0, 4) i; SELECT sch_chameleon.fn_store_batch(1, 1, {1}, '{2}', '{3}',"
        " false, false, 5, 5, 1700000000000000, '{0}', 10); COMMIT",
        log, id, fmt::format(fmt::runtime(at), position_),
        fmt::format(fmt::runtime(at), position_ + 100)));
    position_ += 100;
  };
  const auto truncate = [&] { return Get("SELECT sch_chameleon.fn_truncate_log(1)"); };
  store(1);
  EXPECT_EQ(truncate(), "f");
  store(2);  // 10 rows: the next goes to the other table
  store(3);
  EXPECT_EQ(Get("SELECT i_id_batch, v_log_table FROM sch_chameleon.t_replica_batch ORDER BY 1"),
            "1|t_log_replica_1_1;2|t_log_replica_1_1;3|t_log_replica_1_2");
  EXPECT_EQ(truncate(), "f");  // nothing is replayed yet
  store(4);
  store(5);  // the first is not empty: stays
  EXPECT_EQ(Get("SELECT v_log_table[1] FROM sch_chameleon.t_sources"), "t_log_replica_1_2");
  EXPECT_EQ(Replay(5), "t|f|{}|1|5|0|0|-");
  EXPECT_EQ(truncate(), "f");
  EXPECT_EQ(Replay(5), "t|f|{}|1|5|0|0|-");
  {
    test::Pg reader(Server().Address(target_.database));
    reader.Exec("BEGIN; SELECT * FROM sch_chameleon.v_log_replica");
    EXPECT_EQ(sql_->TryExec("SELECT sch_chameleon.fn_truncate_log(1)"), "55P03");
  }
  EXPECT_EQ(truncate(), "t");
  EXPECT_EQ(truncate(), "f");
  EXPECT_EQ(Get("SELECT pg_temp.size('t_log_replica_1_1')"), "0");
  store(6);  // back to the first, after this one
  store(7);
  EXPECT_EQ(Get("SELECT v_log_table FROM sch_chameleon.t_replica_batch WHERE i_id_batch = 7"),
            "t_log_replica_1_1");
  EXPECT_EQ(Replay(), "f|f|{}|5|25|0|0|-");
  EXPECT_EQ(Get("SELECT count(*) FROM shop.a"), "35");
}

// COPY fills what earlier pages have left: a batch's lines are found wherever they stand, and only
// its own are read.
TEST_F(ReplayTest, LinesAreFoundWhereverTheyStand) {
  const std::string long_name(300, 'n');
  for (int batch = 1; batch <= 40; ++batch) {
    LogBatch next = Next();
    for (int i = 0; i < 20 + batch % 5; ++i) {
      const int id = batch * 100 + i;
      next.Insert(fmt::format(R"({{"id":"{}","code":"{}","name":"{}"}})", id, id,
                              long_name.substr(0, 1 + id * 37 % 300)));
      if (i % 2 == 0 && batch > 1) next.Delete(fmt::format(R"({{"id":"{}"}})", id - 100));
    }
    Write(next);
  }
  EXPECT_EQ(Get("SELECT count(*) > 0 FROM sch_chameleon.t_log_replica a JOIN "
                "sch_chameleon.t_log_replica b ON a.i_id_batch > b.i_id_batch AND a.ctid < b.ctid"),
            "t");
  EXPECT_EQ(Get("SELECT i_batches, t_error IS NULL FROM sch_chameleon.fn_replay_mysql(1, 1000000)"),
            "40|t");
}

TEST_F(ReplayTest, MissingLinesAreAnError) {
  Write(Next().Insert(R"({"id":"1","code":"1","name":"a"})"));
  sql_->Exec("DELETE FROM sch_chameleon.t_log_replica WHERE i_id_batch = 1");
  EXPECT_EQ(sql_->TryExec("SELECT sch_chameleon.fn_replay_mysql(1, 100)"), "CH012");
}

TEST_F(ReplayTest, IdleAdvanceMovesTheReplayedPosition) {
  Write(Next().Insert(R"({"id":"1","code":"1","name":"a"})"));
  Write(Next());
  EXPECT_EQ(Replay(), "f|f|{}|1|1|0|0|-");
  EXPECT_EQ(Replayed(), "204|2");
}

TEST_F(ReplayTest, OldBatchesAreForgotten) {
  Write(Next().Insert(R"({"id":"1","code":"1","name":"a"})"));
  Write(Next().Insert(R"({"id":"2","code":"2","name":"a"})"));
  Replay();
  Write(Next().Insert(R"({"id":"3","code":"3","name":"a"})"));
  EXPECT_EQ(Get("SELECT sch_chameleon.fn_clean_batches(1, '1 day')"), "0");
  EXPECT_EQ(Get("SELECT sch_chameleon.fn_clean_batches(1, '0 s')"), "2");
  EXPECT_EQ(Get("SELECT i_id_batch FROM sch_chameleon.t_replica_batch"), "3");
}

class ReplayerTest : public ReplayTest {
 protected:
  std::unique_ptr<replay::Replayer> Start(OnError on_error = OnError::kContinue,
                                          double sleep_loop_s = 1) {
    return replay::Replayer::Start(
        target_,
        {.source_id = 1, .source = "shop", .on_error = on_error, .sleep_loop_s = sleep_loop_s},
        [this](const absl::Status& status) { ended_ = status; });
  }
  absl::Status ended_ = absl::UnknownError("not ended");
};

TEST_F(ReplayerTest, FollowsTheWriter) {
  auto replayer = Start();
  for (int i = 1; i <= 50; ++i) {
    Write(Next().Insert(fmt::format(R"({{"id":"{}","code":"{}","name":"x"}})", i, i)));
    replayer->Wake();
  }
  EXPECT_OK(replayer->Drain(20));
  EXPECT_EQ(Get("SELECT count(*) FROM shop.a"), "50");
  replayer->Stop();
  EXPECT_OK(ended_);
}

// What another process logged is found without a word from it.
TEST_F(ReplayerTest, LooksBySleepLoopWhenNobodyWakesIt) {
  auto often = Start(OnError::kContinue, 0.1);
  EXPECT_OK(often->Drain(20));
  Write(Next().Insert(R"({"id":"1","code":"1","name":"x"})"));
  for (int i = 0; i < 100 && Get("SELECT count(*) FROM shop.a") != "1"; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_EQ(Get("SELECT count(*) FROM shop.a"), "1");
  often->Stop();
  auto seldom = Start(OnError::kContinue, 3600);
  EXPECT_OK(seldom->Drain(20));
  Write(Next().Insert(R"({"id":"2","code":"2","name":"x"})"));
  std::this_thread::sleep_for(std::chrono::seconds(1));
  EXPECT_EQ(Get("SELECT count(*) FROM shop.a"), "1");
  seldom->Wake();
  EXPECT_OK(seldom->Drain(20));
  EXPECT_EQ(Get("SELECT count(*) FROM shop.a"), "2");
  seldom->Stop();
}

TEST_F(ReplayerTest, ComesBackAfterItsBackendWasKilled) {
  auto replayer = Start();
  EXPECT_OK(replayer->Drain(20));
  for (int i = 1; i <= 3; ++i) {
    sql_->Query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'chameleon replay shop'");
    Write(Next().Insert(fmt::format(R"({{"id":"{}","code":"{}","name":"x"}})", i, i)));
    EXPECT_OK(replayer->Drain(20));
  }
  EXPECT_EQ(Get("SELECT count(*) FROM shop.a"), "3");
}

TEST_F(ReplayerTest, ExitStopsWithTheReason) {
  Write(Next().Insert(R"({"id":"3","code":"3","name":"too long"})"));
  auto replayer = Start(OnError::kExit);
  EXPECT_EQ(replayer->Drain(20).code(), absl::StatusCode::kFailedPrecondition);
  replayer->Stop();
  EXPECT_EQ(ended_.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Text(ended_),
            "table shop.a: value too long for type character varying(5) (error log 1, batch 1)\n"
            "HINT: Repair the row (see t_discarded_rows) and start the replica again, or set "
            "on_error_replay to continue.");
}

}  // namespace
}  // namespace chameleon::coordinator
