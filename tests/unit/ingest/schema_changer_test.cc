// Schema changes against a real PostgreSQL: the coordinator's answer is sent back as a worker would
// send it, with rows before and after, and replayed.
#include "coordinator/ingest/schema_changer.h"

#include <map>

#include "coordinator/ingest/batch_writer.h"
#include "tests/unit/pg/target_fixture.h"

namespace chameleon::coordinator {
namespace {

using ::testing::StartsWith;
using v1::TableChange;

v1::ColumnDef Column(const std::string& name, v1::BaseType type, const std::string& type_text) {
  v1::ColumnDef column;
  column.set_name(name);
  column.set_base_type(type);
  column.set_column_type(type_text);
  column.set_nullable(name != "id");
  return column;
}

v1::ColumnDef Enum(const std::string& name, const std::vector<std::string>& labels) {
  v1::ColumnDef column = Column(name, v1::ENUM, "enum(" + fmt::format("{}", labels.size()) + ")");
  for (const auto& label : labels) column.add_labels(label);
  return column;
}

v1::TableDef Table(const std::string& name, const std::vector<v1::ColumnDef>& columns = {},
                   bool key = true) {
  v1::TableDef def;
  def.mutable_name()->set_schema("shop");
  def.mutable_name()->set_table(name);
  *def.add_columns() = Column("id", v1::INT, "int");
  for (const auto& column : columns) *def.add_columns() = column;
  if (!key) return def;
  v1::IndexDef* index = def.add_indexes();
  index->set_kind(v1::IndexDef::PRIMARY);
  index->set_name("PRIMARY");
  index->add_parts()->set_column("id");
  return def;
}

class SchemaChangerTest : public TargetTest {
 protected:
  void SetUp() override {
    TargetTest::SetUp();
    CreateSource();
    sql_->Exec("CREATE SCHEMA shop");
    config_.target = target_;
    source_.name = "shop";
    (*source_.options.mutable_schema_mappings())["shop"] = "shop";
    OpenWriter();
  }

  void OpenWriter() {
    auto writer = ingest::BatchWriter::Open(target_, lease_);
    ASSERT_OK(writer.status());
    writer_ = *std::move(writer);
  }

  static TableChange Change(TableChange::Kind kind, const std::string& name,
                            const v1::TableDef& after = {}) {
    TableChange change;
    change.set_kind(kind);
    change.mutable_name()->set_schema("shop");
    change.mutable_name()->set_table(name);
    *change.mutable_after() = after;
    return change;
  }
  TableChange Rename(const std::string& from, const std::string& to) {
    TableChange change = Change(TableChange::RENAME, from);
    change.mutable_new_name()->set_schema("shop");
    change.mutable_new_name()->set_table(to);
    return change;
  }

  // Asks, and answers with the batch that a worker would send. The message of a refusal.
  std::string Apply(std::vector<TableChange> changes, bool more = false) {
    v1::ChangeSchemaRequest request;
    *request.mutable_lease() = lease_;
    std::map<std::string, v1::TableDef> defs;
    for (const auto& [name, version] : tables_) defs[name] = version.def();
    for (TableChange& change : changes) {
      const std::string& name = change.name().table();
      const bool left = tables_.contains(name) && !tables_[name].plan().replicated();
      if (defs.contains(name) && !left) *change.mutable_before() = defs[name];
      if (tables_.contains(name)) *change.mutable_plan() = tables_[name].plan();
      if (change.kind() == TableChange::RENAME) {
        *change.mutable_after() = defs[name];
        *change.mutable_after()->mutable_name() = change.new_name();
        defs.erase(name);
        defs[change.new_name().table()] = change.after();
      } else if (change.has_after()) {
        defs[name] = change.after();
      }
      *request.add_changes() = change;
    }
    auto response = ingest::ChangeSchema(config_, source_, request);
    if (!response.ok()) return Text(response.status());
    EXPECT_EQ(response->plans_size(), static_cast<int>(changes.size()));
    v1::BatchHeader header;
    header.set_rows(response->log_rows());
    header.set_exclusive(response->exclusive());
    header.set_more(more);
    for (size_t i = 0; i < changes.size(); ++i) {
      const TableChange& change = changes[i];
      if (change.kind() == TableChange::TRUNCATE) continue;
      v1::TableVersion* version = header.add_versions();
      *version->mutable_def() = change.after();
      *version->mutable_plan() = response->plans(static_cast<int>(i));
      tables_.erase(change.name().table());
      if (change.kind() == TableChange::DROP) {
        *version->mutable_def()->mutable_name() = change.name();
      } else {
        tables_[version->plan().source().table()] = *version;
      }
    }
    Send(header, response->log_data());
    return "";
  }

  // Lines without their batch.
  void Send(v1::BatchHeader header, const std::string& lines) {
    header.set_batch_id(++batch_);
    *header.mutable_begin() = At(position_);
    if (!header.more()) position_ += 10;
    *header.mutable_end() = At(position_);
    std::string data;
    for (size_t at = 0; at < lines.size();) {
      const size_t end = lines.find('\n', at) + 1;
      data += fmt::format("{}\t{}", batch_, lines.substr(at, end - at));
      at = end;
    }
    ASSERT_OK(writer_->Begin(header));
    ASSERT_OK(writer_->Data(data));
    ASSERT_OK(writer_->Commit());
  }

  void Insert(const std::string& table, const std::string& row, const std::string& more = "") {
    v1::BatchHeader header;
    header.set_rows(more.empty() ? 1 : 2);
    Send(header, fmt::format("{}\tinsert\t\\N\t{}\t\\N\n{}", Id(table), row, more));
  }

  uint64_t Id(const std::string& table) { return tables_[table].plan().table_id(); }

  // "" or what replay says.
  std::string Replay(int rows_max = 1000) {
    std::string out;
    for (int i = 0; i < 50; ++i) {
      auto row = sql_->Query(fmt::format(
          "SELECT b_continue, b_error, array_to_string(v_table_error, ','), t_error FROM "
          "sch_chameleon.fn_replay_mysql({}, {}, 'continue')",
          lease_.source_id(), rows_max))[0];
      out += row[2].value_or("") + row[3].value_or("");
      if (row[0] == "f") break;
    }
    return out;
  }

  std::vector<std::string> Followed() {
    std::vector<std::string> names;
    auto start = catalogue_->LoadReplication(lease_.source_id());
    EXPECT_OK(start.status());
    for (const auto& version : start->tables) {
      if (version.plan().replicated()) names.push_back(version.def().name().table());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  Config config_;
  SourceConfig source_;
  std::unique_ptr<ingest::BatchWriter> writer_;
  std::map<std::string, v1::TableVersion> tables_;  // as the worker's registry
  uint64_t batch_ = 0, position_ = 4;
};

using ::testing::ElementsAre;

TEST_F(SchemaChangerTest, CreateWithIndexesGrantsAndFillfactor) {
  sql_->Exec("DROP ROLE IF EXISTS chameleon_reader; CREATE ROLE chameleon_reader");
  source_.grant_select_to = {"chameleon_reader", "nobody_of_this_name"};
  source_.fillfactor = {{.percent = 70, .tables = {"*"}}};
  v1::TableDef def = Table("a", {Enum("e", {"x", "y"})});
  auto* index = def.add_indexes();
  index->set_kind(v1::IndexDef::PLAIN);
  index->set_name("k");
  index->add_parts()->set_column("e");
  EXPECT_EQ(Apply({Change(TableChange::CREATE, "a", def)}), "");
  Insert("a", R"({"id":"1","e":"y"})");
  EXPECT_EQ(Replay(), "");
  EXPECT_EQ(Get("SELECT id, e FROM shop.a"), "1|y");
  EXPECT_EQ(Get("SELECT indexname FROM pg_indexes WHERE schemaname = 'shop' ORDER BY 1"),
            "idx_a_k;pk_a");
  EXPECT_EQ(Get("SELECT has_table_privilege('chameleon_reader', 'shop.a', 'SELECT')"), "t");
  EXPECT_EQ(Get("SELECT reloptions FROM pg_class WHERE oid = 'shop.a'::regclass"),
            "{fillfactor=70}");
  EXPECT_THAT(Followed(), ElementsAre("a"));
  sql_->Exec("DROP OWNED BY chameleon_reader; DROP ROLE chameleon_reader");
}

TEST_F(SchemaChangerTest, ABacklogOfChangesReplaysInOneRound) {
  Apply({Change(TableChange::CREATE, "a", Table("a", {Column("n", v1::INT, "int")}))});
  Insert("a", R"({"id":"1","n":"5"})");
  Apply({Change(TableChange::ALTER, "a", Table("a", {Column("n", v1::BIGINT, "bigint")}))});
  Insert("a", R"({"id":"2","n":"5000000000"})");
  TableChange renamed =
      Change(TableChange::ALTER, "a", Table("a", {Column("m", v1::BIGINT, "bigint")}));
  auto* rename = renamed.add_renames();
  rename->set_from("n");
  rename->set_to("m");
  EXPECT_EQ(Apply({renamed}), "");
  Insert("a", R"({"id":"3","m":"6"})");
  EXPECT_EQ(Apply({Change(TableChange::TRUNCATE, "a")}), "");
  Insert("a", R"({"id":"4","m":"7"})");
  EXPECT_EQ(Replay(), "");
  EXPECT_EQ(Get("SELECT id, m FROM shop.a"), "4|7");
  EXPECT_EQ(Get("SELECT pg_typeof(m) FROM shop.a"), "bigint");
}

// RENAME TABLE a TO tmp, b TO a, tmp TO b: lines of two tables, in the statement's order.
TEST_F(SchemaChangerTest, TablesAreSwapped) {
  Apply({Change(TableChange::CREATE, "a", Table("a", {Enum("e", {"x"})}))});
  Apply({Change(TableChange::CREATE, "b", Table("b", {Enum("e", {"y"})}))});
  Insert("a", R"({"id":"1","e":"x"})");
  Insert("b", R"({"id":"2","e":"y"})");
  EXPECT_EQ(Replay(), "");
  EXPECT_EQ(Apply({Rename("a", "tmp"), Rename("b", "a"), Rename("tmp", "b")}), "");
  EXPECT_THAT(Followed(), ElementsAre("a", "b"));
  Insert("a", R"({"id":"3","e":"y"})");
  Insert("b", R"({"id":"4","e":"x"})");
  EXPECT_EQ(Replay(), "");
  EXPECT_EQ(Get("SELECT id FROM shop.a ORDER BY 1"), "2;3");
  EXPECT_EQ(Get("SELECT id FROM shop.b ORDER BY 1"), "1;4");
  EXPECT_EQ(Get("SELECT pg_typeof(e) FROM shop.a LIMIT 1"), "shop.enum_a_e");
  EXPECT_EQ(Get("SELECT conname FROM pg_constraint WHERE conrelid = 'shop.a'::regclass"), "pk_a");
}

// A new label can only be used when its transaction has ended: the round ends there.
TEST_F(SchemaChangerTest, AnAddedLabelIsUsedByTheRowsBehindIt) {
  Apply({Change(TableChange::CREATE, "a", Table("a", {Enum("e", {"x"})}))});
  Insert("a", R"({"id":"1","e":"x"})");
  EXPECT_EQ(Replay(), "");
  EXPECT_EQ(Apply({Change(TableChange::ALTER, "a", Table("a", {Enum("e", {"x", "new"})}))}), "");
  EXPECT_EQ(Get("SELECT b_exclusive FROM sch_chameleon.t_replica_batch WHERE NOT b_replayed"), "t");
  Insert("a", R"({"id":"2","e":"new"})");
  EXPECT_EQ(Replay(), "");
  EXPECT_EQ(Get("SELECT id, e FROM shop.a ORDER BY 1"), "1|x;2|new");
}

TEST_F(SchemaChangerTest, DropAndCreateAgainBeforeTheDropIsReplayed) {
  Apply({Change(TableChange::CREATE, "a", Table("a", {Enum("e", {"x"})}))});
  Insert("a", R"({"id":"1","e":"x"})");
  const uint64_t first = Id("a");
  EXPECT_EQ(Apply({Change(TableChange::DROP, "a")}), "");
  EXPECT_THAT(Followed(), ElementsAre());
  EXPECT_EQ(Apply({Change(TableChange::CREATE, "a", Table("a", {Enum("e", {"z"})}))}), "");
  EXPECT_NE(Id("a"), first);
  EXPECT_THAT(Followed(), ElementsAre("a"));
  Insert("a", R"({"id":"9","e":"z"})");
  EXPECT_EQ(Replay(), "");
  EXPECT_EQ(Get("SELECT id, e FROM shop.a"), "9|z");
  EXPECT_EQ(Get("SELECT i_id_table FROM sch_chameleon.t_replica_tables"), std::to_string(Id("a")));
}

// Rows first, then the stop, in one batch; rows of another table beside it.
TEST_F(SchemaChangerTest, AStopLineEndsItsTableBehindItsRows) {
  Apply({Change(TableChange::CREATE, "a", Table("a"))});
  Apply({Change(TableChange::CREATE, "b", Table("b"))});
  EXPECT_EQ(Replay(), "");
  v1::BatchHeader header;
  header.set_rows(3);
  *header.add_versions() = tables_["a"];
  header.mutable_versions(0)->mutable_plan()->set_replicated(false);
  Send(header, fmt::format("{0}\tinsert\t\\N\t{{\"id\":\"1\"}}\t\\N\n"
                           "{0}\tstop\t\\N\t\\N\ta row, a reason\n"
                           "{1}\tinsert\t\\N\t{{\"id\":\"2\"}}\t\\N\n",
                           Id("a"), Id("b")));
  EXPECT_THAT(Followed(), ElementsAre("b")) << "before it is replayed";
  EXPECT_EQ(Replay(), "");
  EXPECT_THAT(Followed(), ElementsAre("b"));
  EXPECT_EQ(Get("SELECT id FROM shop.a"), "1");
  EXPECT_EQ(Get("SELECT id FROM shop.b"), "2");
  EXPECT_EQ(Get("SELECT b_replica_enabled, t_reason, ts_disabled IS NOT NULL FROM "
                "sch_chameleon.t_replica_tables WHERE v_table_name = 'a'"),
            "f|a row, a reason|t");
  EXPECT_EQ(Get("SELECT v_table_name, t_error_message, t_sql FROM sch_chameleon.t_error_log"),
            "a|a row, a reason|");
  Insert("a", R"({"id":"3"})");
  EXPECT_EQ(Replay(), "");
  EXPECT_EQ(Get("SELECT count(*) FROM shop.a"), "1");
}

// A statement that fails takes its table out; the round goes on without it.
TEST_F(SchemaChangerTest, AFailingStatementStopsItsTableAndNamesTheView) {
  Apply({Change(TableChange::CREATE, "a", Table("a", {Column("n", v1::INT, "int")}))});
  Apply({Change(TableChange::CREATE, "b", Table("b"))});
  EXPECT_EQ(Replay(), "");
  sql_->Exec("CREATE VIEW public.of_a_user AS SELECT n FROM shop.a");
  Apply({Change(TableChange::ALTER, "a", Table("a", {Column("n", v1::BIGINT, "bigint")}))});
  Insert("b", R"({"id":"2"})");
  EXPECT_EQ(Replay(), "shop.a");
  EXPECT_EQ(Get("SELECT id FROM shop.b"), "2");
  EXPECT_THAT(Get("SELECT t_error_message, t_detail FROM sch_chameleon.t_error_log"),
              HasSubstr("of_a_user"));
}

TEST_F(SchemaChangerTest, ATableWithoutAKeyIsCreatedAndNotFollowed) {
  EXPECT_EQ(Apply({Change(TableChange::CREATE, "log", Table("log", {}, false))}), "");
  EXPECT_EQ(Replay(), "");
  EXPECT_EQ(Get("SELECT to_regclass('shop.log') IS NOT NULL"), "t");
  EXPECT_EQ(Get("SELECT b_replicated, b_replica_enabled FROM sch_chameleon.t_replica_tables"),
            "f|f");
  EXPECT_THAT(Followed(), ElementsAre());
}

// A table that could not be followed from its beginning is not missing without a word.
TEST_F(SchemaChangerTest, AnUnknownTableThatCannotBeFollowedIsShown) {
  TableChange recopy = Change(TableChange::RECOPY, "q");
  recopy.set_reason("it is made from a query");
  EXPECT_EQ(Apply({recopy}), "");
  EXPECT_EQ(Replay(), "");
  EXPECT_EQ(Get("SELECT t_source_table, b_replica_enabled, t_reason FROM "
                "sch_chameleon.t_replica_tables"),
            "q|f|it is made from a query");
  EXPECT_EQ(Get("SELECT t_error_message FROM sch_chameleon.t_error_log"),
            "it is made from a query");
}

// Whatever is not followed is known to whoever reads the log next, and a DROP ends it.
TEST_F(SchemaChangerTest, ATableThatIsNotFollowedIsDropped) {
  EXPECT_EQ(Apply({Change(TableChange::CREATE, "log", Table("log", {Enum("e", {"x"})}, false))}),
            "");
  EXPECT_EQ(Apply({Change(TableChange::CREATE, "a", Table("a"))}), "");
  EXPECT_EQ(Replay(), "");
  auto start = catalogue_->LoadReplication(lease_.source_id());
  ASSERT_OK(start.status());
  ASSERT_EQ(start->tables.size(), 2);
  EXPECT_EQ(start->tables[1].def().name().table(), "log");
  EXPECT_EQ(start->tables[1].plan().table_id(), Id("log"));
  EXPECT_EQ(start->tables[1].plan().reason(), tables_["log"].plan().reason());
  EXPECT_EQ(Apply({Change(TableChange::DROP, "log")}), "");
  EXPECT_EQ(Apply({Change(TableChange::CREATE, "log", Table("log", {Enum("e", {"y"})}))}), "");
  Insert("log", R"({"id":"1","e":"y"})");
  EXPECT_EQ(Replay(), "");
  EXPECT_EQ(Get("SELECT id, e FROM shop.log"), "1|y");
  EXPECT_THAT(Followed(), ElementsAre("a", "log"));
}

// Its copy stays when a user's view needs it, and the error log says so.
TEST_F(SchemaChangerTest, ADroppedTableThatAViewNeedsStays) {
  EXPECT_EQ(Apply({Change(TableChange::CREATE, "log", Table("log", {}, false))}), "");
  EXPECT_EQ(Replay(), "");
  sql_->Exec("CREATE VIEW public.of_a_user AS SELECT id FROM shop.log");
  EXPECT_EQ(Apply({Change(TableChange::DROP, "log")}), "");
  EXPECT_EQ(Replay(), "");
  EXPECT_EQ(Get("SELECT to_regclass('shop.log') IS NOT NULL"), "t");
  EXPECT_THAT(Get("SELECT t_error_message, t_detail FROM sch_chameleon.t_error_log"),
              HasSubstr("of_a_user"));
}

// A table that had left the replica is gone from the source: its name is free for another.
TEST_F(SchemaChangerTest, ANameIsTakenOverFromATableThatHadLeft) {
  Apply({Change(TableChange::CREATE, "a", Table("a", {Enum("e", {"x"})}))});
  Apply({Change(TableChange::CREATE, "b", Table("b", {Enum("e", {"y"})}))});
  EXPECT_EQ(Replay(), "");
  sql_->Exec(
      "UPDATE sch_chameleon.t_replica_tables SET b_replica_enabled = false WHERE "
      "v_table_name = 'a'");
  tables_.erase("a");
  EXPECT_EQ(Apply({Rename("b", "a")}), "");
  EXPECT_EQ(Replay(), "");
  Insert("a", R"({"id":"1","e":"y"})");
  EXPECT_EQ(Replay(), "");
  EXPECT_EQ(Get("SELECT id, e FROM shop.a"), "1|y");
}

// The worker dies inside a group that creates a table: nothing of it is left.
TEST_F(SchemaChangerTest, AnOpenTransactionTakesItsVersionsAlong) {
  Apply({Change(TableChange::CREATE, "a", Table("a"))});
  EXPECT_EQ(Apply({Change(TableChange::DROP, "a"), Change(TableChange::CREATE, "a", Table("a")),
                   Change(TableChange::CREATE, "c", Table("c"))},
                  /*more=*/true),
            "");
  auto epoch = catalogue_->NewEpoch(lease_.source_id(), "host:2");
  ASSERT_OK(epoch.status());
  lease_.set_epoch(*epoch);
  EXPECT_THAT(Followed(), ElementsAre("a"));
  EXPECT_EQ(Get("SELECT v_table_name, b_dropped FROM sch_chameleon.t_replica_tables"), "a|f");
  EXPECT_EQ(Replay(), "");
  EXPECT_EQ(Get("SELECT to_regclass('shop.c') IS NULL"), "t");
}

TEST_F(SchemaChangerTest, AnOldLeaseIsRefused) {
  ASSERT_OK(catalogue_->NewEpoch(lease_.source_id(), "host:2").status());
  EXPECT_THAT(Apply({Change(TableChange::CREATE, "a", Table("a"))}), StartsWith("epoch "));
}

}  // namespace
}  // namespace chameleon::coordinator
