// Catalogues as pg_chameleon leaves them, for tests of upgrade_replica_schema: the tables and
// columns that its manual names, and a replay function of the same signature and effect, written
// here.
#pragma once

#include <cstdint>
#include <string>

#include "tests/support/pg_client.h"
#include "tests/support/servers.h"

namespace chameleon::test {

struct LogPlace {
  std::string file;
  int64_t offset = 0;
};
// The end of the source's binary log.
LogPlace EndOfLog(SourceServer* source);

// sch_chameleon of 2.0.x.
void CreateCatalogueV2(Pg* pg, const std::string& version = "2.0.18");
// A source that was stopped at `place`; mappings: {"d": "t"}. Returns its number.
std::string AddSourceV2(Pg* pg, const std::string& name, const std::string& mappings,
                        const LogPlace& place);
// Replicated tables: "a, b" in the target schema, all with the key (id).
void AddTables(Pg* pg, const std::string& source_id, const std::string& schema,
               const std::string& tables);
// One insert that was read and not replayed: {"id": "7", …}.
void AddPendingInsertV2(Pg* pg, const std::string& source_id, const std::string& schema,
                        const std::string& table, const std::string& row);

// sch_chameleon of 1.8, which is version 1.7: a source per schema.
void CreateCatalogueV1(Pg* pg, const std::string& version = "1.7");
std::string AddSourceV1(Pg* pg, const std::string& name, const std::string& from,
                        const std::string& to, const LogPlace& place);

// Everything in a schema that can be told: relations, functions, rows. Equal texts: untouched.
std::string Fingerprint(Pg* pg, const std::string& schema);

}  // namespace chameleon::test
