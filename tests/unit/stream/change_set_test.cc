// Netting: every sequence of changes to a key, and what it amounts to.
#include "worker/stream/change_set.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "proto/wire/error.h"

namespace chameleon::worker::stream {
namespace {

using binlog::RowKind;

class ChangeSetTest : public testing::Test {
 protected:
  std::shared_ptr<MappedTable> Table(const std::string& name) {
    auto mapped = std::make_shared<MappedTable>();
    mapped->table = std::make_shared<TableState>();
    mapped->table->version.mutable_def()->mutable_name()->set_schema("shop");
    mapped->table->version.mutable_def()->mutable_name()->set_table(name);
    return mapped;
  }

  // "i1a": insert key 1 with image a; "u1b"; "u1>2c": key change; "d1z": delete.
  absl::Status Apply(const std::shared_ptr<MappedTable>& table, const std::string& step) {
    return set_.Add(Change(table, step));
  }

  RowChange Change(const std::shared_ptr<MappedTable>& table, const std::string& step) {
    RowChange change{.mapped = table};
    std::string rest = step.substr(1);
    switch (step[0]) {
      case 'i':
        change.kind = RowKind::kInsert;
        change.key_after = arena_.Copy(rest.substr(0, 1));
        change.after = arena_.Copy(rest.substr(1));
        break;
      case 'd':
        change.kind = RowKind::kDelete;
        change.key_before = arena_.Copy(rest.substr(0, 1));
        change.before = arena_.Copy(rest.substr(1));
        break;
      default:
        change.kind = RowKind::kUpdate;
        change.key_before = change.key_after = arena_.Copy(rest.substr(0, 1));
        if (rest.size() > 2 && rest[1] == '>') {
          change.key_after = arena_.Copy(rest.substr(2, 1));
          change.before = arena_.Copy("old" + rest.substr(0, 1));
          rest = rest.substr(2);
        }
        change.after = arena_.Copy(rest.substr(1));
    }
    if (change.after.starts_with('?')) {
      change.after.remove_prefix(1);
      change.present = table->PresentColumns("some");
    }
    return change;
  }

  absl::Status ApplyAll(const std::string& steps) {
    auto table = table_ = Table("t");
    size_t at = 0;
    while (at < steps.size()) {
      const size_t end = std::min(steps.find(' ', at), steps.size());
      auto status = Apply(table, steps.substr(at, end - at));
      if (!status.ok()) return status;
      at = end + 1;
    }
    return absl::OkStatus();
  }

  std::string Net() {
    std::string text;
    for (const auto& table : set_.tables()) {
      std::map<std::string, std::string> by_key;
      for (const auto& [key, index] : table.by_key) {
        const auto& net = table.net[index];
        if (net.state == NetChange::kGone) continue;
        by_key[std::string(key)] = std::string(1, " iud"[net.state]) + std::string(key) +
                                   (net.layer == 0 ? std::string(net.image) : Layers(table, net));
      }
      for (const auto& [_, item] : by_key) text += (text.empty() ? "" : " ") + item;
    }
    return text;
  }

  // "[newest … oldest]", and whether the row is known as a whole.
  static std::string Layers(const ChangeSet::TableChanges& table, const NetChange& net) {
    std::string text;
    bool whole = net.whole;
    for (uint32_t at = net.layer; at != 0; at = table.layers[at - 1].older) {
      const auto& layer = table.layers[at - 1];
      text += (text.empty() ? "[" : " ") + std::string(layer.image);
      if (!layer.before.empty()) text += "<" + std::string(layer.before);
      whole |= layer.present == nullptr;
    }
    return text + "]" + (whole ? "whole" : "part");
  }

  Arena arena_;
  std::shared_ptr<MappedTable> table_;
  ChangeSet set_;
};

TEST_F(ChangeSetTest, NetEffects) {
  struct Case {
    std::string steps, net;
  };
  const Case cases[] = {
      {"i1a", "i1a"},
      {"i1a u1b", "i1b"},
      {"i1a u1b u1c", "i1c"},
      {"i1a d1a", ""},
      {"i1a d1a i1b", "i1b"},
      {"u1a", "u1a"},
      {"u1a u1b", "u1b"},
      {"u1a d1a", "d1a"},
      {"d1a", "d1a"},
      {"d1a i1b", "u1b"},
      {"d1a i1b d1b", "d1b"},
      {"d1a i1b u1c", "u1c"},
      {"u1>2a", "d1old1 i2a"},
      {"i1a u1>2b", "i2b"},
      {"u1>2a u2>1b", "u1b"},
      {"u2>3a u1>2b", "d1old1 u2b i3a"},
      {"u1>9x u2>1y u9>2z", "u1y u2z"},  // two keys swapped through a third
      {"u1>2a d2a", "d1old1"},
  };
  for (const auto& c : cases) {
    set_.Clear();
    ASSERT_TRUE(ApplyAll(c.steps).ok()) << c.steps;
    EXPECT_EQ(Net(), c.net) << c.steps;
  }
}

TEST_F(ChangeSetTest, ImpossibleSequencesAreDataLoss) {
  for (const std::string steps :
       {"i1a i1b", "u1a i1b", "d1a u1b", "d1a d1a", "i1a d1a u1b", "i2x u1>2a"}) {
    set_.Clear();
    const auto status = ApplyAll(steps);
    EXPECT_TRUE(absl::IsDataLoss(status)) << steps << " " << status;
  }
  set_.Clear();
  EXPECT_EQ(
      Text(ApplyAll("d1a u1b")),
      "table shop.t: the binary log has an update of a row right after its delete\n"
      "HINT: The log is damaged or two sources share a server; run init_replica to copy anew.");
}

// Incomplete images: "?" after the key, "u1?b", "i1?a", "u1>2?c".
TEST_F(ChangeSetTest, IncompleteImagesLieOverOlderOnes) {
  struct Case {
    std::string steps, net;
  };
  const Case cases[] = {
      {"u1?a", "u1[a]part"},
      {"i1?a", "i1[a]whole"},
      {"u1?a u1?b", "u1[b a]part"},
      {"u1a u1?b", "u1[b a]whole"},
      {"u1?a u1b", "u1b"},
      {"i1?a u1?b", "i1[b a]whole"},
      {"i1a u1?b u1?c", "i1[c b a]whole"},
      {"u1?a d1x", "d1x"},
      {"i1?a d1x", ""},
      {"d1x i1?a", "u1[a]whole"},
      {"d1x i1?a u1?b", "u1[b a]whole"},
      {"u1?a d1x i1?b", "u1[b]whole"},
      {"u1?a u1>2b", "d1old1 i2b"},
      {"u1>2?a", "u2[a<old1]part"},
      {"u1>2?a u3?b i4c", "u2[a<old1]part u3[b]part i4c"},
  };
  for (const auto& c : cases) {
    set_.Clear();
    ASSERT_TRUE(ApplyAll(c.steps).ok()) << c.steps;
    EXPECT_EQ(Net(), c.net) << c.steps;
  }
}

TEST_F(ChangeSetTest, AMovedIncompleteRowFitsOnlyBesideStrangers) {
  struct Case {
    std::string steps, next;
    bool fits;
  };
  const Case cases[] = {
      {"", "u1>2?a", true},        {"u3b", "u1>2?a", true},     {"u1b", "u1>2?a", false},
      {"i1b", "u1>2?a", false},    {"d2b", "u1>2?a", false},    {"u1>2?a", "u3>4?a", true},
      {"u1>2?a", "u2>3?a", false}, {"u1>2?a", "u3>1?a", false}, {"u1>2?a", "i1b", false},
      {"u1>2?a", "u2b", false},    {"u1>2?a", "d2b", false},    {"u1>2?a", "i3b", true},
      {"u1>2?a", "u2?b", false},   {"u1?a", "u1?b", true},
  };
  for (const auto& c : cases) {
    set_.Clear();
    table_ = Table("t");
    ASSERT_TRUE(ApplyAll(c.steps).ok()) << c.steps;
    EXPECT_EQ(set_.Fits(Change(table_, c.next)), c.fits) << c.steps << " | " << c.next;
  }
}

TEST_F(ChangeSetTest, TablesDoNotMix) {
  auto a = Table("a"), b = Table("b");
  ASSERT_TRUE(Apply(a, "i1x").ok());
  ASSERT_TRUE(Apply(b, "i1y").ok());
  ASSERT_TRUE(Apply(a, "u1z").ok());
  ASSERT_EQ(set_.tables().size(), 2u);
  EXPECT_EQ(set_.tables()[0].net[0].image, "z");
  EXPECT_EQ(set_.tables()[1].net[0].image, "y");
}

TEST(ArenaTest, AbsorbedBytesStay) {
  Arena batch;
  std::vector<std::string_view> views;
  for (int tx = 0; tx < 100; ++tx) {
    Arena arena;
    for (int i = 0; i < 50; ++i)
      views.push_back(arena.Copy(std::string(i * 37 % 3000, 'a' + tx % 26)));
    batch.Absorb(std::move(arena));
  }
  for (int tx = 0; tx < 100; ++tx) {
    for (int i = 0; i < 50; ++i) {
      EXPECT_EQ(views[tx * 50 + i], std::string(i * 37 % 3000, 'a' + tx % 26));
    }
  }
}

}  // namespace
}  // namespace chameleon::worker::stream
