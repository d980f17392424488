#include "coordinator/pg/upgrade.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <regex>
#include <vector>

#include "coordinator/pg/catalogue_impl.h"
#include "coordinator/pg/catalogue_sql.h"
#include "coordinator/pg/message_json.h"
#include "coordinator/target/quote.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator::pg {
namespace {

using target::Literal;
using Mappings = std::map<std::string, std::string>;

constexpr int kReplayRows = 10'000;
constexpr char kOldV2[] = "_sch_chameleon_version2", kOldV1[] = "_sch_chameleon_version1";

absl::Status Refused(std::string_view reason, std::string_view object, std::string text,
                     std::string hint) {
  return Error(absl::StatusCode::kFailedPrecondition, reason, object, text, hint);
}

std::string PairsText(const Mappings& mappings) {
  std::vector<std::string> pairs;
  for (const auto& [from, to] : mappings) pairs.push_back(fmt::format("{}: {}", from, to));
  return fmt::format("{}", fmt::join(pairs, ", "));
}

Mappings MappingsOf(const SourceConfig& source) {
  const auto& mappings = source.options.schema_mappings();
  return {mappings.begin(), mappings.end()};
}

class Upgrade {
 public:
  Upgrade(Session* session, const Config& config, CatalogueKind kind)
      : session_(session), config_(config), kind_(kind) {}

  absl::StatusOr<std::string> Run() {
    Transaction transaction(session_);
    if (absl::Status status = transaction.Begin(); !status.ok()) return status;
    // Whoever reads or writes it now is waited for, and nobody comes after us.
    auto locked = session_->Execute(
        "SET LOCAL lock_timeout = '10s'; LOCK TABLE sch_chameleon.t_sources,"
        " sch_chameleon.t_replica_tables, sch_chameleon.t_replica_batch IN ACCESS EXCLUSIVE MODE");
    if (!locked.ok()) return WithContext(locked.status(), "locking the old catalogue");
    for (auto step : {&Upgrade::CheckAtRest, &Upgrade::CheckName, &Upgrade::CheckSources,
                      &Upgrade::ReplayPending, &Upgrade::CheckPositions}) {
      if (absl::Status status = (this->*step)(); !status.ok()) return status;
    }
    auto renamed = session_->Execute(
        fmt::format("ALTER SCHEMA sch_chameleon RENAME TO {}", target::Identifier(OldName())));
    if (!renamed.ok()) return WithContext(renamed.status(), "renaming the old catalogue");
    auto created = session_->Execute(kCatalogueSql);
    if (!created.ok()) return WithContext(created.status(), "creating the new catalogue");
    auto version = session_->Query("INSERT INTO sch_chameleon.t_catalogue (t_version) VALUES ($1)",
                                   {std::string(kCatalogueVersion)});
    if (!version.ok()) return version.status();
    auto done = session_->Execute(TakeOverCall());
    if (!done.ok()) return WithContext(done.status(), "filling the new catalogue");
    const std::vector<std::string> lines = done->Array(0, 0);
    if (absl::Status status = transaction.Commit(); !status.ok()) return status;
    return fmt::format(
        "the replica schema was upgraded to version {}; the old one is kept as {}{}{}",
        kCatalogueVersion, OldName(), lines.empty() ? "" : "; ", fmt::join(lines, "; "));
  }

 private:
  const char* OldName() const { return kind_ == CatalogueKind::kV2 ? kOldV2 : kOldV1; }

  absl::Status CheckAtRest() {
    auto busy = session_->Execute(
        "SELECT t_source, enm_status FROM sch_chameleon.t_sources WHERE enm_status::text NOT IN"
        " ('ready', 'stopped', 'initialised', 'synced') ORDER BY 1");
    if (!busy.ok()) return busy.status();
    if (!busy->empty()) {
      return Refused("SOURCE_BUSY", busy->Text(0, 0),
                     fmt::format("source {} is {}", busy->Text(0, 0), busy->Text(0, 1)),
                     "Stop it with the program that runs it; if none does, run chamctl "
                     "enable_replica for it, then this command again.");
    }
    auto alive = session_->Execute(
        "SELECT application_name, pid FROM pg_catalog.pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND application_name ILIKE '%pg\\_chameleon%' ORDER BY 2");
    if (!alive.ok()) return alive.status();
    if (alive->empty()) return absl::OkStatus();
    return Refused("SOURCE_BUSY", alive->Text(0, 1),
                   fmt::format("pg_chameleon is still connected: \"{}\", backend pid {}",
                               alive->Text(0, 0), alive->Text(0, 1)),
                   "End that process first.");
  }

  absl::Status CheckName() {
    auto taken =
        session_->Query("SELECT to_regnamespace(quote_ident($1)) IS NOT NULL", {OldName()});
    if (!taken.ok()) return taken.status();
    if (!taken->Bool(0, 0)) return absl::OkStatus();
    return Refused("SCHEMA_EXISTS", OldName(),
                   fmt::format("schema {} exists already: the old catalogue is to be kept under "
                               "this name",
                               OldName()),
                   "Drop or rename it, then run this command again.");
  }

  absl::Status CheckSources() {
    return kind_ == CatalogueKind::kV2 ? CheckSourcesV2() : CheckSourcesV1();
  }

  // The file must mean the same sources, or start_replica would follow something else.
  absl::Status CheckSourcesV2() {
    auto rows = session_->Execute(
        "SELECT t_source, enm_source_type, json_build_object('schema_mappings',"
        " jsb_schema_mappings) FROM sch_chameleon.t_sources ORDER BY 1");
    if (!rows.ok()) return WithContext(rows.status(), "reading the old catalogue");
    for (size_t i = 0; i < rows->size(); ++i) {
      const std::string name = rows->Text(i, 0);
      const auto found = config_.sources.find(name);
      if (found == config_.sources.end()) {
        return Refused("SOURCE_UNKNOWN", name,
                       fmt::format("the old catalogue has a source {}, the configuration has none "
                                   "of that name",
                                   name),
                       "Add it to the configuration, or drop it with pg_chameleon's drop_source.");
      }
      if (found->second.type != rows->Text(i, 1)) {
        return Refused("SOURCE_TYPE", name,
                       fmt::format("source {} is of type {} in the old catalogue, {} in the "
                                   "configuration",
                                   name, rows->Text(i, 1), found->second.type),
                       "Correct the configuration.");
      }
      v1::SourceStatus stored;
      if (absl::Status status = FromJson(rows->Text(i, 2), &stored); !status.ok()) return status;
      const Mappings before{stored.schema_mappings().begin(), stored.schema_mappings().end()};
      if (before == MappingsOf(found->second)) continue;
      return Mismatch(name, PairsText(before), PairsText(MappingsOf(found->second)));
    }
    return absl::OkStatus();
  }

  static absl::Status Mismatch(const std::string& name, const std::string& stored,
                               const std::string& given) {
    return Refused("MAPPINGS_CONFLICT", name,
                   fmt::format("schema_mappings of source {} are {} in the configuration, the old "
                               "catalogue has {}",
                               name, given, stored),
                   "Make them equal; update_schema_mappings changes them afterwards.");
  }

  // One old source per schema: every pair belongs to exactly one source of the file, which has no
  // other.
  absl::Status CheckSourcesV1() {
    auto rows = session_->Execute(
        "SELECT t_source, coalesce(t_source_schema, ''), t_dest_schema"
        " FROM sch_chameleon.t_sources ORDER BY 1");
    if (!rows.ok()) return WithContext(rows.status(), "reading the old catalogue");
    std::map<std::string, Mappings> known;  // by source of the file
    for (size_t i = 0; i < rows->size(); ++i) {
      const std::string old = rows->Text(i, 0), from = rows->Text(i, 1), to = rows->Text(i, 2);
      if (from.empty()) {
        return Refused("SOURCE_SCHEMA_UNKNOWN", old,
                       fmt::format("source {} of the old catalogue does not say its schema", old),
                       "Start its replica once with pg_chameleon 1.8.2, which stores it.");
      }
      bool found = false;
      for (const auto& [name, source] : config_.sources) {
        const auto pair = source.options.schema_mappings().find(from);
        if (source.type != "mysql" || pair == source.options.schema_mappings().end() ||
            pair->second != to) {
          continue;
        }
        if (found) return Mismatch(name, fmt::format("{}: {} once", from, to), "more of them");
        known[name][from] = to;
        found = true;
      }
      if (!found) {
        return Refused("MAPPINGS_CONFLICT", old,
                       fmt::format("the old catalogue maps {} to {}, no source of the "
                                   "configuration does",
                                   from, to),
                       "Add the pair to schema_mappings.");
      }
    }
    for (const auto& [name, mappings] : known) {
      const Mappings given = MappingsOf(config_.sources.at(name));
      if (given != mappings) return Mismatch(name, PairsText(mappings), PairsText(given));
      v1::SourceStatus carrier;
      *carrier.mutable_schema_mappings() = {mappings.begin(), mappings.end()};
      sources_v1_ += fmt::format(
          "{}jsonb_build_object('source', {}, 'mappings', ({}::jsonb)->'schema_mappings')",
          sources_v1_.empty() ? "" : ", ", Literal(name), Literal(ToJson(carrier)));
    }
    return absl::OkStatus();
  }

  static constexpr char kPending[] =
      "SELECT s.i_id_source, s.t_source, count(*) FROM sch_chameleon.t_replica_batch b"
      " JOIN sch_chameleon.t_batch_events e USING (i_id_batch)"
      " JOIN sch_chameleon.t_sources s ON s.i_id_source = b.i_id_source"
      " WHERE b.b_started AND b.b_processed AND NOT b.b_replayed GROUP BY 1, 2 ORDER BY 1";

  // The catalogue brings the function that replays its log: it knows the log's form.
  absl::Status ReplayPending() {
    auto pending = session_->Execute(kPending);
    if (!pending.ok()) return WithContext(pending.status(), "reading the old log");
    for (size_t i = 0; i < pending->size(); ++i) {
      absl::Status status = Replay(pending->Text(i, 0));
      if (!status.ok()) return NotReplayed(pending->Text(i, 1), Text(status));
    }
    auto left = session_->Execute(kPending);
    if (!left.ok()) return left.status();
    if (left->empty()) return absl::OkStatus();
    return NotReplayed(left->Text(0, 1), fmt::format("{} batches are left", left->Text(0, 2)));
  }

  absl::Status Replay(const std::string& source_id) {
    const std::string call =
        kind_ == CatalogueKind::kV2
            ? fmt::format(
                  "SELECT r.b_continue, r.b_error, array_to_string(r.v_table_error, '; ')"
                  " FROM sch_chameleon.fn_replay_mysql({}, {}, true) r",
                  kReplayRows, source_id)
            : fmt::format("SELECT sch_chameleon.fn_process_batch({}, {}), false, ''", kReplayRows,
                          source_id);
    while (true) {
      auto round = session_->Execute(call);
      if (!round.ok()) return round.status();
      if (round->Bool(0, 1)) return absl::FailedPreconditionError(round->Text(0, 2));
      if (!round->Bool(0, 0)) return absl::OkStatus();
    }
  }

  static absl::Status NotReplayed(const std::string& source, const std::string& why) {
    return Refused(
        "ROWS_TO_REPLAY", source,
        fmt::format("what source {} has logged cannot be replayed: {}", source, why),
        "Start its replica with pg_chameleon, mend or leave out what fails, and stop it "
        "when nothing waits for replay; or drop the old catalogue and run init_replica.");
  }

  // A source that was copied and does not say where to read on cannot be taken over.
  absl::Status CheckPositions() {
    auto rows = session_->Execute(fmt::format(
        "SELECT s.t_source FROM sch_chameleon.t_sources s WHERE {} AND NOT EXISTS"
        " (SELECT FROM sch_chameleon.t_replica_batch b WHERE b.i_id_source = s.i_id_source"
        "  AND NOT b.b_processed AND NOT b.b_replayed AND b.t_binlog_name IS NOT NULL"
        "  AND b.i_binlog_position >= 4) ORDER BY 1",
        kind_ == CatalogueKind::kV2
            ? "s.enm_source_type::text = 'mysql' AND s.enm_status::text <> 'ready'"
            : "true"));
    if (!rows.ok()) return rows.status();
    if (rows->empty()) return absl::OkStatus();
    return Refused(
        "POSITION_UNKNOWN", rows->Text(0, 0),
        fmt::format("the old catalogue does not say where source {} reads on", rows->Text(0, 0)),
        "Start and stop its replica once with pg_chameleon; or drop the old catalogue "
        "and run init_replica.");
  }

  std::string TakeOverCall() const {
    if (kind_ == CatalogueKind::kV2) {
      return fmt::format("SELECT sch_chameleon.fn_take_over_v2({})", Literal(OldName()));
    }
    return fmt::format("SELECT sch_chameleon.fn_take_over_v1({}, to_jsonb(ARRAY[{}]::jsonb[]))",
                       Literal(OldName()), sources_v1_);
  }

  Session* const session_;
  const Config& config_;
  const CatalogueKind kind_;
  std::string sources_v1_;  // SQL: one jsonb object per source of the file
};

}  // namespace

CatalogueKind KindOf(const std::string& version) {
  static const std::regex kV2Text("2\\.0(\\.[0-9]+)?");
  if (version == kCatalogueVersion) return CatalogueKind::kOurs;
  if (version == "1.7") return CatalogueKind::kV1;
  return std::regex_match(version, kV2Text) ? CatalogueKind::kV2 : CatalogueKind::kOther;
}

absl::StatusOr<std::string> UpgradeCatalogue(Session* session, const Config& config,
                                             const std::string& version) {
  const CatalogueKind kind = KindOf(version);
  if (kind == CatalogueKind::kOther) {
    return Refused("REPLICA_SCHEMA_VERSION", version,
                   fmt::format("the replica schema has version {}, which this program ({}) cannot "
                               "upgrade; it knows pg_chameleon's 2.0.x and 1.7",
                               version, kCatalogueVersion),
                   "Upgrade with pg_chameleon to 1.8.2 (catalogue 1.7) or 2.0 first, or use a "
                   "newer chameleon.");
  }
  return Upgrade(session, config, kind).Run();
}

}  // namespace chameleon::coordinator::pg
