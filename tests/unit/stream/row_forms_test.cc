// Rows that say less, or more, than what changed: incomplete images, history, and parents whose
// children's changes are not logged.
#include <gtest/gtest.h>

#include "proto/wire/error.h"
#include "worker/stream/cascade.h"
#include "worker/stream/incomplete_rows.h"
#include "worker/stream/versioned_rows.h"

namespace chameleon::worker::stream {
namespace {

using binlog::RowKind;
using binlog::RowSlices;
using binlog::Slice;

v1::TableVersion Version(uint64_t id, const std::string& table,
                         const std::vector<std::string>& columns) {
  v1::TableVersion version;
  auto* plan = version.mutable_plan();
  plan->set_table_id(id);
  plan->set_replicated(true);
  version.mutable_def()->mutable_name()->set_schema("d");
  version.mutable_def()->mutable_name()->set_table(table);
  for (const auto& name : columns) {
    auto* column = version.mutable_def()->add_columns();
    column->set_name(name);
    column->set_base_type(v1::INT);
    column->set_nullable(true);
    auto* planned = plan->add_columns();
    planned->set_target_name(name);
    planned->set_target_type("integer");
    planned->set_encoding(v1::ENCODING_NUMBER);
    planned->set_is_key(plan->columns_size() == 1);
  }
  return version;
}

v1::ForeignKeyDef* AddKey(v1::TableVersion* child, const std::string& column,
                          const std::string& parent, const std::string& referenced,
                          const std::string& on_delete, const std::string& on_update) {
  auto* key = child->mutable_def()->add_foreign_keys();
  key->add_columns(column);
  key->mutable_referenced()->set_schema("d");
  key->mutable_referenced()->set_table(parent);
  key->add_referenced_columns(referenced);
  key->set_on_delete(on_delete);
  key->set_on_update(on_update);
  return key;
}

// One INT per value; "-" is absent, "null" is NULL.
class Row {
 public:
  explicit Row(const std::vector<std::string>& values) : texts_(values.size()) {
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i] == "-") {
        slices_.push_back({});
      } else if (values[i] == "null") {
        slices_.push_back({nullptr, 0, Slice::kNull, false});
      } else {
        const auto value = static_cast<uint32_t>(std::stoi(values[i]));
        for (int k = 0; k < 4; ++k) texts_[i].push_back(static_cast<char>(value >> (8 * k)));
        slices_.push_back({texts_[i].data(), 4, Slice::kValue, false});
      }
    }
  }
  Row(const Row&) = delete;
  RowSlices& slices() { return slices_; }

 private:
  std::vector<std::string> texts_;
  RowSlices slices_;
};

std::string Text(const RowSlices& row) {
  std::string text;
  for (const Slice& slice : row) {
    if (!text.empty()) text += " ";
    text += slice.state == Slice::kAbsent ? "-"
            : slice.state == Slice::kNull ? "null"
                                          : std::to_string(static_cast<uint8_t>(slice.data[0]));
  }
  return text;
}

binlog::TableMap Map(size_t columns) {
  binlog::TableMap map;
  map.columns.resize(columns);
  for (auto& column : map.columns) {
    column.type = binlog::ColumnType::kLong;
    binlog::LayOut(&column);
  }
  return map;
}

TEST(RowFormsTest, AnUpdateIsCompletedFromItsBeforeImage) {
  struct Case {
    std::vector<std::string> before, after;
    std::string completed;
  };
  const Case cases[] = {
      {{"1", "2", "3"}, {"-", "5", "-"}, "1 5 3"},        // FULL_NODUP
      {{"1", "-", "-"}, {"-", "5", "-"}, "1 5 -"},        // MINIMAL
      {{"1", "2", "-"}, {"1", "null", "-"}, "1 null -"},  // NOBLOB
      {{"1", "null", "3"}, {"7", "-", "null"}, "7 null null"},
  };
  const auto version = Version(1, "t", {"a", "b", "c"});
  for (const auto& c : cases) {
    Row before(c.before), after(c.after);
    std::deque<std::string> documents;
    ASSERT_TRUE(CompleteUpdate(version, before.slices(), &after.slices(), &documents).ok());
    EXPECT_EQ(Text(after.slices()), c.completed);
  }
}

TEST(RowFormsTest, JoinedImagesAreReadBack) {
  const auto map = Map(10);
  Row row({"1", "-", "null", "4", "-", "-", "7", "8", "null", "10"});
  std::string present, image;
  binlog::JoinImage(map, row.slices(), false, &present, &image);
  RowSlices read;
  ASSERT_TRUE(binlog::SliceImage(map, present, image, &read).ok());
  EXPECT_EQ(Text(read), "1 - null 4 - - 7 8 null 10");
  binlog::JoinImage(map, row.slices(), true, &present, &image);
  ASSERT_TRUE(binlog::SliceImage(map, present, image, &read).ok());
  EXPECT_EQ(Text(read), "1 null null 4 null null 7 8 null 10");
}

TEST(RowFormsTest, WhatTheServerComputesIsNotGuessed) {
  auto version = Version(1, "t", {"a", "b"});
  version.mutable_def()->mutable_columns(1)->set_generated(v1::GENERATED_VIRTUAL);
  Row before({"1", "-"}), after({"2", "-"});
  std::deque<std::string> documents;
  EXPECT_EQ(
      chameleon::Text(CompleteUpdate(version, before.slices(), &after.slices(), &documents)),
      "table d.t: the new value of column b is not in the log (a generated column)\n"
      "HINT: Set binlog_row_image=FULL on the source, for all sessions, then copy the table again "
      "with sync_tables.");
  EXPECT_TRUE(absl::IsFailedPrecondition(CheckInsert(version, Row({"1", "-"}).slices())));
  version.mutable_plan()->mutable_columns(1)->set_omitted(true);
  EXPECT_TRUE(CheckInsert(version, Row({"1", "-"}).slices()).ok());
}

TEST(RowFormsTest, HistoryIsIgnoredAndItsBeginningDeletes) {
  auto mapped = std::make_shared<MappedTable>();
  mapped->table = std::make_shared<TableState>();
  mapped->table->version = Version(1, "t", {"a", "row_end"});
  mapped->table->version.mutable_def()->set_row_end_column("ROW_END");
  const std::string end10("\x7f\xff\xff\xff\x0f\x42\x3f", 7),
      end11("\xff\xff\xff\xff\x0f\x42\x3f", 7), past("\x65\x00\x00\x00\x00\x00\x00", 7);
  struct Case {
    RowKind kind;
    const std::string* row_end;  // of the image that counts; null: absent
    std::string result;
  };
  const Case cases[] = {
      {RowKind::kInsert, &end10, "insert"},   {RowKind::kInsert, &end11, "insert"},
      {RowKind::kInsert, &past, "ignored"},   {RowKind::kUpdate, &end10, "update"},
      {RowKind::kUpdate, &past, "delete"},    {RowKind::kUpdate, nullptr, "update"},
      {RowKind::kDelete, &past, "ignored"},   {RowKind::kDelete, &end11, "delete"},
      {RowKind::kDelete, nullptr, "unknown"}, {RowKind::kInsert, nullptr, "unknown"},
  };
  for (const auto& c : cases) {
    RowSlices image(2);
    if (c.row_end != nullptr) image[1] = {c.row_end->data(), 7, Slice::kValue, false};
    RowChange change{.mapped = mapped, .kind = c.kind};
    bool ignored = false;
    const auto status = ToPresent(image, image, &change, &ignored);
    const char* const names[] = {"insert", "update", "delete"};
    EXPECT_EQ(!status.ok() ? "unknown"
              : ignored    ? "ignored"
                           : names[static_cast<int>(change.kind)],
              c.result);
  }
}

class CascadeTest : public testing::Test {
 protected:
  CascadeTest() : tables_(Options(), true) {
    parent_ = Version(1, "p", {"id", "u"});
    auto c = Version(2, "c", {"id", "p"});
    AddKey(&c, "P", "p", "ID", "CASCADE", "CASCADE");
    auto n = Version(3, "n", {"id", "p"});
    AddKey(&n, "p", "p", "u", "SET NULL", "SET NULL");
    auto r = Version(4, "r", {"id", "p"});
    AddKey(&r, "p", "p", "id", "RESTRICT", "NO ACTION");
    for (const auto& version : {parent_, c, n, r}) EXPECT_TRUE(tables_.Put(version).ok());
    EXPECT_EQ(tables_.Find("d", "p", &state_), Wanted::kKnown);
  }
  static v1::SourceOptions Options() {
    v1::SourceOptions options;
    (*options.mutable_schema_mappings())["d"] = "d";
    return options;
  }
  // The lines of each group, or what a rule could not tell.
  std::string Lines(
      const std::vector<std::pair<std::vector<std::string>, std::vector<std::string>>>& changes) {
    const auto rules = CascadeRulesOf("d", "p", &parent_.def(), tables_);
    Cascade cascade;
    std::string text;
    for (const auto& [before, after] : changes) {
      Row old_row(before), new_row(after);
      for (const auto& rule : rules) {
        if (!(after.empty() ? rule.deletes : rule.updates)) continue;
        if (!cascade.Add(rule, state_.get(), Map(2), old_row.slices(),
                         after.empty() ? nullptr : &new_row.slices())) {
          text += "?" + rule.child->version.def().name().table() + "\n";
        }
      }
    }
    for (const auto& group : cascade.Take()) text += group.lines + "--\n";
    return text;
  }

  TableRegistry tables_;
  v1::TableVersion parent_;
  std::shared_ptr<TableState> state_;
};

TEST_F(CascadeTest, RulesAreThoseThatAct) {
  EXPECT_EQ(CascadeRulesOf("d", "p", &parent_.def(), tables_).size(), 2u);
  EXPECT_EQ(CascadeRulesOf("d", "c", nullptr, tables_).size(), 0u);
  EXPECT_EQ(CascadeRulesOf("d", "p", nullptr, tables_)[0].columns.size(), 0u);
}

TEST_F(CascadeTest, ParentsRowsBecomeChildrensLines) {
  EXPECT_EQ(
      Lines({{{"1", "7"}, {}}}),
      "2\tcascade\t{\"p\":\"1\"}\t\\N\t\\N\n3\tcascade\t{\"p\":\"7\"}\t{\"p\":null}\t\\N\n--\n");
  EXPECT_EQ(Lines({{{"1", "null"}, {}}}), "2\tcascade\t{\"p\":\"1\"}\t\\N\t\\N\n--\n");
  EXPECT_EQ(Lines({{{"1", "7"}, {"1", "7"}}}), "");
  EXPECT_EQ(Lines({{{"1", "7"}, {"2", "7"}}}),
            "2\tcascade\t{\"p\":\"1\"}\t{\"p\":\"2\"}\t\\N\n--\n");
  EXPECT_EQ(Lines({{{"1", "7"}, {"1", "null"}}}),
            "3\tcascade\t{\"p\":\"7\"}\t{\"p\":null}\t\\N\n--\n");
  // A row takes a key that another one has left: what was moved there is moved again.
  EXPECT_EQ(Lines({{{"1", "7"}, {"2", "7"}}, {{"2", "7"}, {"3", "7"}}}),
            "2\tcascade\t{\"p\":\"1\"}\t{\"p\":\"2\"}\t\\N\n--\n"
            "2\tcascade\t{\"p\":\"2\"}\t{\"p\":\"3\"}\t\\N\n--\n");
  EXPECT_EQ(Lines({{{"2", "7"}, {"3", "7"}}, {{"1", "7"}, {"2", "7"}}}),
            "2\tcascade\t{\"p\":\"2\"}\t{\"p\":\"3\"}\t\\N\n"
            "2\tcascade\t{\"p\":\"1\"}\t{\"p\":\"2\"}\t\\N\n--\n");
}

TEST_F(CascadeTest, AKeyThatIsNotInTheLogIsNotGuessed) {
  EXPECT_EQ(Lines({{{"1", "-"}, {}}}), "?n\n2\tcascade\t{\"p\":\"1\"}\t\\N\t\\N\n--\n");
  EXPECT_EQ(Lines({{{"1", "-"}, {"1", "8"}}}), "?n\n");
  EXPECT_EQ(Lines({{{"1", "-"}, {"1", "-"}}}), "");
}

TEST(MayCascadeTest, TheFlagsTell) {
  const auto may = [](RowKind kind, uint16_t flags) {
    binlog::RowsEvent rows;
    rows.kind = kind;
    rows.flags = flags;
    return MayCascade(rows);
  };
  EXPECT_TRUE(may(RowKind::kDelete, 0x01));
  EXPECT_TRUE(may(RowKind::kUpdate, 0));
  EXPECT_FALSE(may(RowKind::kInsert, 0x01));
  EXPECT_FALSE(may(RowKind::kDelete, 0x03)) << "foreign_key_checks=0";
  EXPECT_FALSE(may(RowKind::kDelete, 0x11)) << "MySQL 9.6 logs the children's rows";
}

TEST(TableRegistryTest, FiltersAsTheSnapshotDoes) {
  v1::SourceOptions options;
  (*options.mutable_schema_mappings())["Shop"] = "s";
  (*options.mutable_schema_mappings())["other"] = "o";
  auto* limit = options.add_limit_tables();
  limit->set_schema("Shop");
  limit->set_table("Orders");
  const TableRegistry exact(options, false, 0), folded(options, false, 1);
  EXPECT_TRUE(exact.Covers("Shop", "Orders"));
  EXPECT_FALSE(exact.Covers("shop", "orders"));
  EXPECT_TRUE(folded.Covers("shop", "orders"));
  EXPECT_FALSE(folded.Covers("shop", "items"));
  EXPECT_TRUE(exact.Covers("other", "anything")) << "limit_tables does not name this schema";
  TableRegistry tables(options, false, 1);
  EXPECT_TRUE(tables.Put(Version(1, "T", {"id"})).ok());
  EXPECT_EQ(tables.tables().count({"d", "t"}), 1u);
}

}  // namespace
}  // namespace chameleon::worker::stream
