#include "tests/integration/applications.h"

#include <fmt/format.h>
#include <glob.h>
#include <string.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <regex>

#include "tests/support/process.h"
#include "tests/support/sql_script.h"
#include "worker/ddl/parser.h"

namespace chameleon::test {
namespace {

namespace ddl = worker::ddl;
namespace fs = std::filesystem;

struct Spec {
  const char* name;
  // Patterns of files below usr/share, or below the root if they begin with '/'. Files of one
  // pattern go by version.
  std::vector<std::string> schema, steps;
};

const std::vector<Spec>& Specs() {
  static const std::vector<Spec> specs = {
      {"bacula",
       {"dbconfig-common/data/bacula-director-mysql/install/mysql"},
       {"dbconfig-common/data/bacula-director-mysql/upgrade/mysql/*",
        "bacula-director/update_mysql_tables"}},
      {"cacti", {"cacti/conf_templates/cacti.sql"}, {"cacti/site/install/upgrades/*.php"}},
      {"director",
       {"icingaweb2/modules/director/schema/mysql.sql"},
       {"icingaweb2/modules/director/schema/mysql-legacy-changes/*.sql",
        "icingaweb2/modules/director/schema/mysql-migrations/*.sql"}},
      {"freeradius", {}, {"/etc/freeradius/3.0/mods-config/sql/*/mysql/*.sql"}},
      {"gammu", {"doc/gammu-smsd/examples/mysql*.sql"}, {}},
      {"glewlwyd",
       {"doc/glewlwyd/database/init.mariadb.sql"},
       {"doc/glewlwyd/database/upgrade-*.mariadb.sql"}},
      {"icinga2",
       {"icinga2-ido-mysql/schema/mysql.sql"},
       {"icinga2-ido-mysql/schema/upgrade/*.sql"}},
      {"icingadb",
       {"icingadb/schema/mysql/schema.sql"},
       {"icingadb/schema/mysql/upgrades/*.sql", "icingadb/schema/mysql/upgrades/*/*.sql"}},
      {"icingaweb2",
       {"icingaweb2/schema/mysql.schema.sql", "icingaweb2/modules/*/schema/mysql.schema.sql",
        "icingaweb2/modules/*/etc/schema/mysql.schema.sql"},
       {"icingaweb2/schema/mysql-upgrades/*.sql",
        "icingaweb2/modules/reporting/schema/mysql-*/*.sql",
        "icingaweb2/modules/x509/etc/schema/mysql-*/*.sql"}},
      {"kamailio", {"kamailio/mysql/standard-create.sql"}, {"kamailio/mysql/*-create.sql"}},
      {"kea", {}, {"kea/scripts/mysql/dhcpdb_create.mysql", "kea/scripts/mysql/upgrade_*.sh"}},
      {"mediawiki",
       {"mediawiki/maintenance/tables.sql", "mediawiki/maintenance/tables-generated.sql",
        "mediawiki/extensions-core/*/sql/mysql/tables-generated.sql"},
       {"mediawiki/maintenance/archives/*.sql", "mediawiki/extensions-core/*/sql/mysql/patch*.sql",
        "mediawiki/extensions-core/*/db_patches/mysql/*.sql"}},
      {"opendmarc",
       {"dbconfig-common/data/opendmarc/install/mysql"},
       {"dbconfig-common/data/opendmarc/upgrade/mysql/*"}},
      {"pdns",
       {"pdns-backend-mysql/schema/schema.mysql.sql"},
       {"pdns-backend-mysql/schema/*_to_*"}},
      {"phpmyadmin",
       {"dbconfig-common/data/phpmyadmin/install/mysql"},
       {"dbconfig-common/data/phpmyadmin/upgrade/mysql/*", "phpmyadmin/sql/upgrade_*.sql"}},
      {"prelude", {"libpreludedb/classic/mysql.sql"}, {"libpreludedb/classic/mysql-update-*.sql"}},
      {"request_tracker",
       {"request-tracker5/etc/schema.mysql"},
       {"request-tracker5/etc/upgrade/*/schema.mysql"}},
      {"roundcube",
       {"roundcube/SQL/mysql.initial.sql"},
       {"dbconfig-common/data/roundcube/upgrade/mysql/*", "roundcube/SQL/mysql/*.sql"}},
      {"rsyslog", {}, {"rsyslog-mysql/*.sql", "dbconfig-common/data/rsyslog-mysql/install/mysql"}},
      {"sogo", {}, {"GNUstep/SOGo/MainUI.SOGo/Resources/*-mysql.sql"}},
      {"tango",
       {"dbconfig-common/data/tango-db/install/mysql"},
       {"dbconfig-common/data/tango-db/upgrade/mysql/*"}},
      {"tt_rss",
       {"dbconfig-common/data/tt-rss/install/mysql"},
       {"dbconfig-common/data/tt-rss/upgrade/mysql/*", "tt-rss/schema/versions/mysql/*.sql"}},
      {"ulogd", {}, {"doc/ulogd2/mysql-*.sql"}},
      {"wordpress", {}, {"wordpress/wp-admin/includes/schema.php"}},
      {"zabbix",
       {"zabbix-server-mysql/schema.sql"},
       {"zabbix-server-mysql/history_pk_prepare.sql", "zabbix-server-mysql/double.sql"}},
      {"zoneminder", {"zoneminder/db/zm_create.sql"}, {"zoneminder/db/zm_update-*.sql"}},
      {"zoph", {"dbconfig-common/data/zoph/install/mysql"}, {}}};
  return specs;
}

std::vector<fs::path> Matches(const fs::path& root, const std::string& pattern) {
  const std::string full =
      pattern.starts_with("/") ? root.string() + pattern : root.string() + "/usr/share/" + pattern;
  glob_t found{};
  std::vector<fs::path> files;
  if (::glob(full.c_str(), 0, nullptr, &found) == 0) {
    for (size_t i = 0; i < found.gl_pathc; ++i) files.emplace_back(found.gl_pathv[i]);
  }
  ::globfree(&found);
  std::sort(files.begin(), files.end(), [](const fs::path& a, const fs::path& b) {
    return ::strverscmp(a.c_str(), b.c_str()) < 0;
  });
  return files;
}

// The texts that a shell script hands to a client: <<WORD … WORD.
std::string HereDocuments(const std::string& text) {
  static const std::regex begin("\n[^#\n][^\n]*<<-?\\s*['\"]?([A-Za-z_-]+)['\"]?[^\\n]*\\n");
  std::string out;
  for (auto at = text.cbegin();;) {
    std::smatch match;
    if (!std::regex_search(at, text.cend(), match, begin)) return out;
    const size_t from = static_cast<size_t>(match.suffix().first - text.cbegin());
    const size_t end = std::min(text.find("\n" + match[1].str() + "\n", from - 1), text.size());
    if (end > from) out += text.substr(from, end - from) + "\n;\n";
    at = text.cbegin() + static_cast<std::ptrdiff_t>(std::max(end, from));
  }
}

// Schema changes in the string literals of another language: PHP, or SQL's own PREPARE.
std::vector<std::string> Embedded(const std::string& text) {
  static const std::regex verb("^\\s*(CREATE|ALTER|DROP|RENAME)\\s+(\\w+\\s+)*(TABLE|INDEX)\\b.*",
                               std::regex::icase);
  std::vector<std::string> out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char quote = text[i];
    if (quote != '"' && quote != '\'') continue;
    std::string literal;
    size_t end = i + 1;
    for (; end < text.size() && text[end] != quote; ++end) {
      if (text[end] == '\\' && end + 1 < text.size()) ++end;
      literal += text[end];
    }
    const std::string line = literal.substr(0, literal.find('\n'));
    if (std::regex_match(line, verb)) {
      // Variables that stand in it: an engine, a length, the name of a table after its prefix.
      literal = std::regex_replace(literal, std::regex("\\$wpdb->"), "wp_");
      literal = std::regex_replace(literal, std::regex("=\\s*\\$\\w+"), "=InnoDB");
      literal = std::regex_replace(literal, std::regex("\\(\\s*\\$\\w+\\s*\\)"), "(191)");
      literal = std::regex_replace(literal, std::regex("\\$\\w+"), "");
      for (const std::string& statement : SplitScript(literal)) out.push_back(statement);
      i = end;
    } else if (quote == '"') {
      i = end;  // an apostrophe in a comment begins no literal
    }
  }
  return out;
}

// Forms that today's servers do not know any more.
std::string Today(const std::string& statement) {
  static const std::regex engine("\\bTYPE\\s*=\\s*(MyISAM|InnoDB|HEAP)", std::regex::icase);
  static const std::regex stamp("\\bTIMESTAMP\\s*\\(14\\)", std::regex::icase);
  if (statement.size() > 50'000) return statement;  // rows
  return std::regex_replace(std::regex_replace(statement, engine, "ENGINE=$1"), stamp, "TIMESTAMP");
}

std::vector<std::string> ReadStatements(const fs::path& file) {
  std::string text = ReadFile(file);
  std::vector<std::string> statements;
  if (file.extension() == ".php") {
    statements = Embedded(text);
  } else {
    if (text.starts_with("#!")) text = HereDocuments(text);
    for (const std::string& statement : SplitScript(text)) {
      statements.push_back(statement);
      const size_t set = statement.find("SET @");
      if (set == std::string::npos || statement.size() > 50'000) continue;
      for (const std::string& inner : Embedded(statement.substr(set))) statements.push_back(inner);
    }
  }
  for (std::string& statement : statements) statement = Today(statement);
  return statements;
}

// Long files are played in pieces, with changes of rows between them.
void AddSteps(const fs::path& file, std::vector<ApplicationStep>* steps) {
  constexpr size_t kStatements = 25;
  const auto statements = ReadStatements(file);
  for (size_t at = 0; at < statements.size(); at += kStatements) {
    const auto begin = statements.begin() + static_cast<std::ptrdiff_t>(at);
    const auto n = static_cast<std::ptrdiff_t>(std::min(kStatements, statements.size() - at));
    steps->push_back({file.filename(), {begin, begin + n}});
  }
}

bool IsWanted(const std::string& name) {
  const char* only = std::getenv("CHAMELEON_APPLICATIONS");
  return only == nullptr ||
         ("," + std::string(only) + ",").find("," + name + ",") != std::string::npos;
}

}  // namespace

std::vector<Application> Applications() {
  std::vector<Application> all;
  for (const auto& [folder, suffix] :
       {std::pair("applications", ""), std::pair("applications-sid", "_sid")}) {
    const fs::path root = CacheDir() / folder / "root";
    for (const Spec& spec : Specs()) {
      Application application{spec.name + std::string(suffix), {}, {}};
      if (!IsWanted(application.name)) continue;
      for (const std::string& pattern : spec.schema) {
        for (const fs::path& file : Matches(root, pattern)) {
          for (auto& statement : ReadStatements(file)) application.schema.push_back(statement);
        }
      }
      for (const std::string& pattern : spec.steps) {
        for (const fs::path& file : Matches(root, pattern)) AddSteps(file, &application.steps);
      }
      if (!application.schema.empty() || !application.steps.empty()) {
        all.push_back(std::move(application));
      }
    }
  }
  return all;
}

std::vector<std::string> TablesOf(const std::string& statement) {
  const auto parsed = ddl::Parse(statement, {});
  std::vector<std::string> tables;
  if (const auto* alter = std::get_if<ddl::AlterTable>(&parsed)) {
    tables.push_back(alter->table.table);
    for (const auto& action : alter->actions) {
      if (const auto* to = std::get_if<ddl::RenameTo>(&action)) tables.push_back(to->table.table);
    }
  } else if (const auto* create = std::get_if<ddl::CreateTable>(&parsed)) {
    tables.push_back(create->table.table);
  } else if (const auto* rename = std::get_if<ddl::RenameTable>(&parsed)) {
    for (const auto& pair : rename->pairs) tables.push_back(pair.to.table);
  }
  return tables;
}

bool MakeRoom(Mysql* session, const std::string& statement, unsigned error) {
  constexpr unsigned kTableExists = 1050, kBadField = 1054, kDuplicateColumn = 1060,
                     kDuplicateKey = 1061, kTwoPrimaryKeys = 1068, kNoKeyColumn = 1072,
                     kCannotDrop = 1091, kNoTable = 1146, kNoKey = 1176;
  std::string message;
  for (const Row& row : session->Query("SHOW ERRORS LIMIT 1")) message = *row[2];
  std::smatch quoted;
  if (!std::regex_search(message, quoted, std::regex("['`]([^'`]+)['`]")) &&
      error != kTwoPrimaryKeys) {
    return false;
  }
  std::string name = quoted.size() > 1 ? quoted[1].str() : "";
  if (const size_t dot = name.find('.'); dot != std::string::npos) name = name.substr(dot + 1);
  const auto tables = TablesOf(statement);
  if (error == kNoTable) {
    return session->TryExec(fmt::format(
               "CREATE TABLE {} (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, note VARCHAR(60))",
               MysqlName(name))) == 0;
  }
  if (tables.empty()) return false;
  const std::string alter = "ALTER TABLE " + MysqlName(tables[0]) + " ";
  const std::string what = MysqlName(name);
  const bool names_index =
      message.find("INDEX") != std::string::npos ||
      std::regex_search(statement, std::regex("DROP\\s+(INDEX|KEY)", std::regex::icase));
  const auto run = [&](const std::string& sql) { return session->TryExec(sql) == 0; };
  const auto add_column = [&] { return run(alter + "ADD COLUMN " + what + " VARCHAR(60)"); };
  const auto add_index = [&] {
    const std::string column = session->One(fmt::format(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND "
        "table_name = {} AND data_type LIKE '%int' LIMIT 1",
        session->Quote(tables[0])));
    return !column.empty() &&
           run(fmt::format("{}ADD INDEX {} ({})", alter, what, MysqlName(column)));
  };
  switch (error) {
    case kTableExists:
      return run("DROP TABLE " + what);
    case kDuplicateColumn:
      return run(alter + "DROP COLUMN " + what);
    case kDuplicateKey:
      return run(alter + "DROP INDEX " + what);
    case kTwoPrimaryKeys:
      return run(alter + "DROP PRIMARY KEY");
    case kBadField:
    case kNoKeyColumn:
      return add_column();
    case kCannotDrop:
      return (names_index && add_index()) || add_column();
    case kNoKey:
      return add_index();
    default:
      return false;
  }
}

}  // namespace chameleon::test
