// The target side of a snapshot against a real PostgreSQL.
#include "coordinator/ingest/snapshot_loader.h"

#include <thread>

#include "tests/unit/ingest/log_batch.h"
#include "tests/unit/pg/target_fixture.h"

namespace chameleon::coordinator {
namespace {

using ingest::SnapshotLoader;

v1::ColumnDef Column(const std::string& name, v1::BaseType type, uint32_t length = 0) {
  v1::ColumnDef c;
  c.set_name(name);
  c.set_base_type(type);
  c.set_length(length);
  return c;
}

v1::IndexDef Index(v1::IndexDef::Kind kind, const std::string& name,
                   const std::vector<std::string>& columns) {
  v1::IndexDef index;
  index.set_kind(kind);
  index.set_name(name);
  for (const std::string& c : columns) index.add_parts()->set_column(c);
  return index;
}

v1::TableDef Orders() {
  v1::TableDef def;
  def.mutable_name()->set_schema("shop");
  def.mutable_name()->set_table("orders");
  *def.add_columns() = Column("id", v1::INT);
  def.mutable_columns(0)->set_auto_increment(true);
  *def.add_columns() = Column("code", v1::VARCHAR, 10);
  *def.add_columns() = Column("status", v1::ENUM);
  def.mutable_columns(2)->add_labels("new");
  def.mutable_columns(2)->add_labels("it's");
  *def.add_indexes() = Index(v1::IndexDef::PLAIN, "status", {"status"});
  *def.add_indexes() = Index(v1::IndexDef::UNIQUE, "code", {"code"});
  *def.add_indexes() = Index(v1::IndexDef::PRIMARY, "PRIMARY", {"id"});
  def.set_comment("our orders");
  return def;
}

class SnapshotLoaderTest : public TargetTest {
 protected:
  void SetUp() override {
    TargetTest::SetUp();
    CreateSource();
    config_.target = target_;
    source_.name = "shop";
    (*source_.options.mutable_schema_mappings())["shop"] = "shop";
    source_.lock_timeout_ms = 3000;
    source_.grant_select_to = {"nobody_here", "pg_read_all_stats"};
    sql_->Exec("CREATE SCHEMA shop; CREATE TABLE shop.old AS SELECT 1 AS x");
  }

  std::unique_ptr<SnapshotLoader> Open() {
    auto loader = SnapshotLoader::Open(config_, source_, lease_);
    EXPECT_TRUE(loader.ok()) << loader.status().ToString();
    return loader.ok() ? std::move(*loader) : nullptr;
  }

  uint64_t Plan(SnapshotLoader* loader, const v1::TableDef& def, bool replace = false) {
    v1::PlanTablesRequest request;
    *request.add_tables() = def;
    *request.mutable_position() = At(replace ? 700 : 500);
    request.set_replace(replace);
    auto plans = loader->PlanTables(request);
    EXPECT_TRUE(plans.ok()) << plans.status().ToString();
    if (!plans.ok()) return 0;
    plan_ = plans->plans(0);
    return plan_.table_id();
  }

  absl::Status Copy(SnapshotLoader* loader, uint64_t table, uint32_t chunk,
                    const std::string& lines) {
    auto copy = loader->OpenCopy(table, chunk);
    if (!copy.ok()) return copy.status();
    if (absl::Status s = (*copy)->Write(lines); !s.ok()) return s;
    return (*copy)->Finish(std::count(lines.begin(), lines.end(), '\n'));
  }

  absl::Status Finish(SnapshotLoader* loader) {
    v1::FinishSnapshotRequest request;
    *request.mutable_position() = At(500);
    return loader->FinishSnapshot(request);
  }

  std::string Schemas() {
    return Get("SELECT nspname FROM pg_namespace WHERE nspname ~ 'shop' ORDER BY 1");
  }

  static absl::Status FinishTable(ingest::SnapshotLoader* loader, uint64_t id, uint64_t rows,
                                  const std::string& altered = "") {
    v1::FinishTableRequest request;
    request.set_table_id(id);
    request.set_rows(rows);
    if (!altered.empty()) {
      v1::LedgerEntry* entry = request.add_ledger();
      entry->set_kind(altered);
      entry->set_count(2);
      entry->set_example_key("column d, id=1");
    }
    return loader->FinishTable(request);
  }

  Config config_;
  SourceConfig source_;
  v1::TablePlan plan_;
};

TEST_F(SnapshotLoaderTest, LoadsIndexesAndSwaps) {
  // An earlier life of the source.
  auto writer = *ingest::BatchWriter::Open(target_, lease_);
  ASSERT_OK(LogBatch(1, 4, 100).Insert("{}", 99).WriteTo(writer.get()));
  ASSERT_OK(catalogue_->LogError(1, 1, "shop", "old", "", "old trouble"));

  auto loader = Open();
  const uint64_t id = Plan(loader.get(), Orders());
  EXPECT_EQ(plan_.columns(1).target_type(), "character varying(10)");
  EXPECT_EQ(plan_.columns(2).target_type(), R"("shop"."enum_orders_status")");
  ASSERT_OK(Copy(loader.get(), id, 0, "1\ta\tnew\n2\tb\tit's\n"));
  ASSERT_OK(Copy(loader.get(), id, 1, "3\tc\t\\N\n"));
  ASSERT_OK(FinishTable(loader.get(), id, 3, "nul_removed"));
  EXPECT_EQ(Get("SELECT x FROM shop.old"), "1");  // untouched so far
  ASSERT_OK(Finish(loader.get()));
  EXPECT_EQ(loader->IndexProgress(), (std::pair<uint32_t, uint32_t>{3, 3}));
  loader = nullptr;

  EXPECT_EQ(Schemas(), "shop");
  EXPECT_EQ(Get("SELECT * FROM shop.orders ORDER BY id"), "1|a|new;2|b|it's;3|c|-");
  EXPECT_EQ(Get("SELECT indexdef FROM pg_indexes WHERE schemaname = 'shop' ORDER BY indexname"),
            "CREATE UNIQUE INDEX idx_orders_code ON shop.orders USING btree (code);"
            "CREATE INDEX idx_orders_status ON shop.orders USING btree (status);"
            "CREATE UNIQUE INDEX pk_orders ON shop.orders USING btree (id)");
  EXPECT_EQ(
      Get("SELECT conname, contype FROM pg_constraint WHERE conrelid = 'shop.orders'::regclass"),
      "pk_orders|p");
  EXPECT_EQ(Get("SELECT obj_description('shop.orders'::regclass)"), "our orders");
  EXPECT_EQ(Get("SELECT has_table_privilege('pg_read_all_stats', 'shop.orders', 'SELECT')"), "t");
  EXPECT_EQ(Get("SELECT enm_status, i_binlog_position, t_worker FROM sch_chameleon.t_sources"),
            "initialised|500|");
  EXPECT_EQ(Get("SELECT t_kind, t_statement FROM sch_chameleon.t_detach_notes"),
            R"(sequence|ALTER TABLE "shop"."orders" ALTER COLUMN "id" SET NOT NULL, ALTER COLUMN )"
            R"("id" ADD GENERATED BY DEFAULT AS IDENTITY)");
  EXPECT_EQ(Get("SELECT i_id_table, t_kind, i_count, t_example_key, i_example_binlog_position"
                " FROM sch_chameleon.t_ledger"),
            std::to_string(id) + "|nul_removed|2|column d, id=1|500");
  // Nothing of the earlier life is left.
  EXPECT_EQ(
      Get("SELECT (SELECT count(*) FROM sch_chameleon.t_log_replica), (SELECT count(*) FROM"
          " sch_chameleon.t_replica_batch), (SELECT count(*) FROM sch_chameleon.t_error_log)"),
      "0|0|0");
  auto start = catalogue_->LoadReplication(1);
  ASSERT_TRUE(start.ok()) << start.status().ToString();
  EXPECT_EQ(start->received.offset(), 500u);
  EXPECT_EQ(start->next_batch_id, 2u);
  ASSERT_EQ(start->tables.size(), 1u);
  EXPECT_EQ(start->tables[0].plan().table_id(), id);
  EXPECT_EQ(start->tables[0].valid_from().offset(), 500u);
  EXPECT_EQ(start->tables[0].def().columns_size(), 3);
  // And its first batch replays.
  writer = *ingest::BatchWriter::Open(target_, lease_);
  LogBatch batch(2, 500, 600);
  batch.Update(R"({"id":"3","code":"z","status":"it's"})", id);
  ASSERT_OK(batch.WriteTo(writer.get()));
  EXPECT_EQ(Get("SELECT i_replayed, v_table_error FROM sch_chameleon.fn_replay_mysql(1, 10)"),
            "1|{}");
  EXPECT_EQ(Get("SELECT * FROM shop.orders WHERE id = 3"), "3|z|it's");
}

TEST_F(SnapshotLoaderTest, GivenUpLeavesNoDebris) {
  {
    auto loader = Open();
    const uint64_t id = Plan(loader.get(), Orders());
    ASSERT_OK(Copy(loader.get(), id, 0, "1\ta\tnew\n"));
    auto open = loader->OpenCopy(id, 1);
    ASSERT_TRUE(open.ok());
    ASSERT_OK((*open)->Write("2\tb\tnew\n"));
    open->reset();
    EXPECT_EQ(Schemas(), "_shop_tmp;shop");
  }
  EXPECT_EQ(Schemas(), "shop");
  EXPECT_EQ(Get("SELECT x FROM shop.old"), "1");
  EXPECT_EQ(Get("SELECT count(*) FROM sch_chameleon.t_replica_tables"), "0");
}

// The worker asks for the swap and dies; its operation has ended before the swap begins.
TEST_F(SnapshotLoaderTest, AbandonedOneDoesNotSwap) {
  auto loader = Open();
  const uint64_t id = Plan(loader.get(), Orders());
  ASSERT_OK(FinishTable(loader.get(), id, 0));
  const std::string state = Get("SELECT enm_status FROM sch_chameleon.t_sources");
  loader->Abandon();
  EXPECT_EQ(Finish(loader.get()).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Get("SELECT x FROM shop.old"), "1");
  EXPECT_EQ(Get("SELECT enm_status FROM sch_chameleon.t_sources"), state);
}

TEST_F(SnapshotLoaderTest, LeftoversOfAKilledOneGo) {
  sql_->Exec("CREATE SCHEMA _shop_tmp; CREATE TABLE _shop_tmp.orders (x int)");
  EXPECT_OK(SnapshotLoader::Clean(target_, source_));
  EXPECT_EQ(Schemas(), "shop");
  sql_->Exec("CREATE SCHEMA _shop_tmp; CREATE TABLE _shop_tmp.orders (x int)");
  auto loader = Open();
  EXPECT_NE(Plan(loader.get(), Orders()), 0u);
}

TEST_F(SnapshotLoaderTest, StaleLeaseCannotCommitAChunkNorSwap) {
  auto loader = Open();
  const uint64_t id = Plan(loader.get(), Orders());
  ASSERT_OK(FinishTable(loader.get(), id, 0));
  auto copy = loader->OpenCopy(id, 0);  // finished
  EXPECT_EQ(copy.status().code(), absl::StatusCode::kAlreadyExists);
  v1::TableDef other = Orders();
  other.mutable_name()->set_table("other");
  const uint64_t second = Plan(loader.get(), other);
  ASSERT_TRUE(catalogue_->NewEpoch(1, "host:2").ok());
  EXPECT_EQ(Copy(loader.get(), second, 0, "1\ta\tnew\n").code(), absl::StatusCode::kAborted);
  ASSERT_OK(FinishTable(loader.get(), second, 0));
  EXPECT_EQ(Finish(loader.get()).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Get("SELECT x FROM shop.old"), "1");
}

TEST_F(SnapshotLoaderTest, BadRowNamesLineAndColumn) {
  auto loader = Open();
  const uint64_t id = Plan(loader.get(), Orders());
  const absl::Status status = Copy(loader.get(), id, 0, "1\ta\tnew\n2\tb\tnone\n");
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Text(status), HasSubstr("COPY orders, line 2, column status: \"none\""));
}

TEST_F(SnapshotLoaderTest, LostRowsAndDuplicatesAreFound) {
  auto loader = Open();
  const uint64_t id = Plan(loader.get(), Orders());
  ASSERT_OK(Copy(loader.get(), id, 0, "1\ta\tnew\n2\ta\tnew\n"));
  EXPECT_EQ(Text(FinishTable(loader.get(), id, 3)),
            "table shop.orders: 3 rows were sent, 2 arrived");
  ASSERT_OK(FinishTable(loader.get(), id, 2));
  const absl::Status status = Finish(loader.get());
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Text(status), HasSubstr("table shop.orders: could not create unique index"));
}

TEST_F(SnapshotLoaderTest, TableReadAgainStartsEmptyAndLater) {
  auto loader = Open();
  const uint64_t id = Plan(loader.get(), Orders());
  ASSERT_OK(Copy(loader.get(), id, 0, "1\ta\tnew\n"));
  v1::TableDef changed = Orders();
  *changed.add_columns() = Column("added", v1::INT);
  EXPECT_EQ(Plan(loader.get(), changed, true), id);
  ASSERT_OK(Copy(loader.get(), id, 0, "7\tx\tnew\t5\n"));
  ASSERT_OK(FinishTable(loader.get(), id, 1));
  ASSERT_OK(Finish(loader.get()));
  EXPECT_EQ(Get("SELECT * FROM shop.orders"), "7|x|new|5");
  auto start = catalogue_->LoadReplication(1);
  ASSERT_TRUE(start.ok());
  EXPECT_EQ(start->tables[0].valid_from().offset(), 700u);
}

TEST_F(SnapshotLoaderTest, ReaderOfTheOldSchemaDelaysTheSwap) {
  auto loader = Open();
  ASSERT_OK(FinishTable(loader.get(), Plan(loader.get(), Orders()), 0));
  auto reader = std::make_unique<test::Pg>(Server().Address(target_.database));
  reader->Exec("BEGIN; SELECT * FROM shop.old");
  const absl::Status status = Finish(loader.get());
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Text(status), HasSubstr("the target schemas of source shop were in use for 3 s"));
  reader = nullptr;
  EXPECT_OK(Finish(loader.get()));
}

}  // namespace
}  // namespace chameleon::coordinator
