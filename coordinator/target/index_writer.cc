// Keys and indexes: BuildIndexes of ddl_writer.h.
#include <fmt/format.h>

#include <algorithm>

#include "coordinator/target/ddl_writer.h"
#include "coordinator/target/quote.h"

namespace chameleon::coordinator::target {
namespace {

// A btree entry holds 2,704 bytes; some are its header and alignment.
constexpr uint64_t kEntryBytesMax = 2600;

struct Part {
  const v1::IndexPart* part;
  const v1::ColumnDef* def;
  const v1::ColumnPlan* plan;
  bool IsText() const {
    return plan->encoding() == v1::ENCODING_TEXT || plan->encoding() == v1::ENCODING_SET ||
           plan->encoding() == v1::ENCODING_ENUM;
  }
  bool IsBytes() const { return plan->encoding() == v1::ENCODING_BYTEA; }
};

// Longest value in bytes, as PostgreSQL stores it.
uint64_t WidthMax(const Part& p) {
  const uint64_t length = p.part->prefix_length();
  switch (p.def->base_type()) {
    case v1::CHAR:
    case v1::VARCHAR:
      return 4 * (length ? length : p.def->length());
    case v1::BINARY:
    case v1::VARBINARY:
      return length ? length : p.def->length();
    case v1::TINYTEXT:
    case v1::TEXT:
    case v1::MEDIUMTEXT:
    case v1::LONGTEXT:
      return length ? 4 * length : UINT32_MAX;
    case v1::TINYBLOB:
    case v1::BLOB:
    case v1::MEDIUMBLOB:
    case v1::LONGBLOB:
      return length ? length : UINT32_MAX;
    default:
      return 64;
  }
}

std::string Prefixed(const Part& p) {
  const std::string name = Identifier(p.plan->target_name());
  if (p.part->prefix_length() == 0) return name;
  return p.IsBytes() ? fmt::format("substring({} from 1 for {})", name, p.part->prefix_length())
                     : fmt::format("left({}, {})", name, p.part->prefix_length());
}

std::string Digest(const Part& p) {
  return fmt::format("md5({})", Prefixed(p));  // of text and of bytea alike
}

class Builder {
 public:
  Builder(const v1::TableDef& def, const v1::TablePlan& plan, bool has_postgis)
      : def_(def), plan_(plan), has_postgis_(has_postgis) {}

  IndexPlans Build() {
    std::vector<const v1::IndexDef*> order;
    for (const v1::IndexDef& index : def_.indexes()) order.push_back(&index);
    std::stable_partition(order.begin(), order.end(),
                          [](const v1::IndexDef* i) { return i->kind() == v1::IndexDef::PRIMARY; });
    for (const v1::IndexDef* index : order) Add(*index);
    return std::move(out_);
  }

 private:
  void Add(const v1::IndexDef& index) {
    if (!index.definition().empty()) return AddAsWritten(index);
    std::vector<Part> parts;
    if (std::string why = Resolve(index, &parts); !why.empty()) {
      out_.skipped.push_back(fmt::format("{}: {}", index.name(), why));
      return;
    }
    if (index.kind() == v1::IndexDef::SPATIAL) {
      Emit(index, "INDEX", Name(index.name()), " USING gist",
           Identifier(parts.front().plan->target_name()));
      return;
    }
    const bool unique = index.kind() != v1::IndexDef::PLAIN;
    uint64_t width = 0;
    bool prefixed = false;
    for (const Part& p : parts) {
      width += WidthMax(p);
      prefixed |= p.part->prefix_length() != 0;
    }
    if (width > kEntryBytesMax) {
      Wide(index, parts, unique);
    } else if (index.kind() == v1::IndexDef::PRIMARY && !prefixed) {
      Primary(index, parts);
    } else {
      std::vector<std::string> columns;
      for (const Part& p : parts)
        columns.push_back(Prefixed(p) + (p.part->descending() ? " DESC" : ""));
      Emit(index, unique ? "UNIQUE INDEX" : "INDEX", Name(index.name()), "",
           fmt::format("{}", fmt::join(columns, ", ")));
      if (unique && prefixed && IsKey(parts)) Lookup(index, parts);
    }
  }

  void AddAsWritten(const v1::IndexDef& index) {
    const bool primary = index.kind() == v1::IndexDef::PRIMARY;
    Emit(index, index.kind() == v1::IndexDef::PLAIN ? "INDEX" : "UNIQUE INDEX",
         primary ? PrimaryKeyName(plan_.target_table()) : Name(index.name()), "", "");
    out_.indexes.back().primary = primary;
    out_.indexes.back().definition = index.definition();
  }

  // Empty, or why the index cannot be built.
  std::string Resolve(const v1::IndexDef& index, std::vector<Part>* parts) {
    if (index.kind() == v1::IndexDef::FULLTEXT) return "FULLTEXT";
    for (const v1::IndexPart& part : index.parts()) {
      if (part.column().empty()) return "an expression";
      int i = 0;
      while (i < def_.columns_size() && def_.columns(i).name() != part.column()) ++i;
      if (i == def_.columns_size()) return "no column " + part.column();
      if (plan_.columns(i).omitted()) continue;
      Part p{&part, &def_.columns(i), &plan_.columns(i)};
      const bool geometry = p.plan->encoding() == v1::ENCODING_EWKB;
      if (index.kind() == v1::IndexDef::SPATIAL && !(geometry && has_postgis_)) return "SPATIAL";
      if (part.prefix_length() != 0 && !p.IsText() && !p.IsBytes()) {
        return fmt::format("a prefix of {}", p.plan->target_type());
      }
      parts->push_back(p);
    }
    return parts->empty() ? "no columns" : "";
  }

  // As a unique index first: several indexes of one table can then be built at the same time.
  void Primary(const v1::IndexDef& index, const std::vector<Part>& parts) {
    std::vector<std::string> columns;
    for (const Part& p : parts) columns.push_back(Identifier(p.plan->target_name()));
    Emit(index, "UNIQUE INDEX", PrimaryKeyName(plan_.target_table()), "",
         fmt::format("{}", fmt::join(columns, ", ")));
    out_.indexes.back().primary = true;
  }

  // Uniqueness by the digest of what is wide; lookups by a hash index, which takes any width.
  void Wide(const v1::IndexDef& index, const std::vector<Part>& parts, bool unique) {
    if (unique) {
      std::vector<std::string> columns;
      for (const Part& p : parts) {
        columns.push_back(p.IsText() || p.IsBytes() ? Digest(p) : Prefixed(p));
      }
      Emit(index, "UNIQUE INDEX", Name(index.name()), "",
           fmt::format("{}", fmt::join(columns, ", ")));
      if (IsKey(parts)) Lookup(index, parts);
      return;
    }
    const Part& widest =
        *std::max_element(parts.begin(), parts.end(),
                          [](const Part& a, const Part& b) { return WidthMax(a) < WidthMax(b); });
    Emit(index, "INDEX", Name(index.name()), " USING hash", Prefixed(widest));
  }

  bool IsKey(const std::vector<Part>& parts) const {
    return std::all_of(parts.begin(), parts.end(), [](const Part& p) { return p.plan->is_key(); });
  }

  // Replay finds rows by whole columns.
  void Lookup(const v1::IndexDef& index, const std::vector<Part>& parts) {
    const Part& widest =
        *std::max_element(parts.begin(), parts.end(),
                          [](const Part& a, const Part& b) { return WidthMax(a) < WidthMax(b); });
    Emit(index, "INDEX", Name(index.name() + "_key"), " USING hash",
         Identifier(widest.plan->target_name()));
  }

  std::string Name(const std::string& index) const {
    return IndexName(plan_.target_table(), index);
  }

  void Emit(const v1::IndexDef& index, std::string_view kind, std::string name,
            std::string_view method, const std::string& columns) {
    out_.indexes.push_back({.index = index.name(),
                            .name = std::move(name),
                            .kind = std::string(kind),
                            .method = std::string(method),
                            .columns = columns});
  }

  const v1::TableDef& def_;
  const v1::TablePlan& plan_;
  const bool has_postgis_;
  IndexPlans out_;
};

}  // namespace

std::vector<std::string> IndexPlan::Names() const { return {ShortName(name), HashedName(name)}; }

IndexPlans PlanIndexes(const v1::TableDef& def, const v1::TablePlan& plan, bool has_postgis) {
  return Builder(def, plan, has_postgis).Build();
}

IndexStatements BuildIndexes(const v1::TableDef& def, const v1::TablePlan& plan,
                             const std::string& schema, bool has_postgis, NamePool* pool) {
  IndexPlans plans = PlanIndexes(def, plan, has_postgis);
  const std::string table = Identifier(schema, plan.target_table());
  IndexStatements out;
  out.skipped = std::move(plans.skipped);
  for (const IndexPlan& index : plans.indexes) {
    const std::string name = Identifier(pool->Take(index.name));
    const std::string how = index.definition.empty()
                                ? fmt::format("{} ({})", index.method, index.columns)
                                : " " + index.definition;
    out.create.push_back(fmt::format("CREATE {} {} ON {}{}", index.kind, name, table, how));
    if (!index.primary) continue;
    out.finish.push_back(fmt::format("ALTER TABLE {} ADD CONSTRAINT {} PRIMARY KEY USING INDEX {}",
                                     table, name, name));
  }
  return out;
}

}  // namespace chameleon::coordinator::target
