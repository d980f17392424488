// The manual's example, from "Run the set_configuration_files command" to "To detach the replica":
// what it prints is typed here, with chamctl for chameleon. The servers' own commands are those of
// the manual, too, but where a server does not know them any more (said where it happens).
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>

#include "tests/support/both_servers.h"
#include "tests/support/equality.h"
#include "tests/support/replica.h"

namespace chameleon::test {
namespace {

using ::testing::HasSubstr;

// Replaces one occurrence; a text that is not there is a mistake of the test.
void Edit(std::string* text, const std::string& from, const std::string& to) {
  const size_t at = text->find(from);
  if (at == std::string::npos) throw std::runtime_error("config-example.yml has no: " + from);
  text->replace(at, from.size(), to);
}

class ManualSession : public BothServers {
 protected:
  void TearDown() override {
    const std::string pid = Home() / ".pg_chameleon/pid/chameleon.pid";
    if (!std::filesystem::exists(pid)) return;
    const pid_t coordinator = std::atoi(ReadFile(pid).c_str());
    kill(coordinator, SIGTERM);
    for (int i = 0; i < 200 && kill(coordinator, 0) == 0; ++i) usleep(50'000);
  }
  const std::filesystem::path& Home() const { return home_.path(); }

  // A line as typed in a shell, in the user's home.
  RunResult Type(const std::string& line) {
    return RunProgram(
        {.argv = {"bash", "-c", "unset CHAMELEON_HOME; cd; " + line},
         .env = {"HOME=" + Home().string(), "CHAMELEON_ALLOW_ROOT=1",
                 fmt::format("PATH={}:{}",
                             std::filesystem::path(ProgramPath("chamctl")).parent_path().string(),
                             std::getenv("PATH"))}});
  }
  std::string Must(const std::string& line) {
    const RunResult result = Type(line);
    EXPECT_EQ(result.exit_code, 0) << line << "\n" << result.out << result.err;
    return result.out;
  }

  void StartServers() {
    // "Add the configuration for the replica to my.cnf." MySQL 9 has no expire_logs_days.
    std::vector<std::string> settings = {"--binlog_format=ROW", "--binlog_row_image=FULL",
                                         "--log-bin=mysql-bin", "--server-id=1"};
    settings.push_back(GetParam() == SourceKind::kMysql ? "--binlog_expire_logs_seconds=864000"
                                                        : "--expire_logs_days=10");
    source_ = StartSource(GetParam(), {settings});
    postgres_.Start();
    source_->LoadText(
        "CREATE DATABASE sakila; USE sakila;"
        "CREATE TABLE language (language_id TINYINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,"
        " name CHAR(20) NOT NULL, last_update TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON"
        " UPDATE CURRENT_TIMESTAMP);"
        "CREATE TABLE film (film_id SMALLINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,"
        " title VARCHAR(128) NOT NULL, description TEXT, release_year YEAR,"
        " language_id TINYINT UNSIGNED NOT NULL, rental_rate DECIMAL(4,2) NOT NULL DEFAULT 4.99,"
        " rating ENUM('G','PG','PG-13','R','NC-17') DEFAULT 'G',"
        " special_features SET('Trailers','Commentaries') DEFAULT NULL, active TINYINT(1),"
        " poster BLOB, KEY idx_title (title), CONSTRAINT fk_film_language FOREIGN KEY (language_id)"
        " REFERENCES language (language_id) ON DELETE RESTRICT ON UPDATE CASCADE);"
        "CREATE VIEW film_list AS SELECT film_id, title FROM film;"
        "INSERT INTO language (name) VALUES ('English'), ('Italian');"
        "INSERT INTO film (title, release_year, language_id, rating, special_features, active,"
        " poster) VALUES ('ACADEMY DINOSAUR', 2006, 1, 'PG', 'Trailers', 1, x'00FF'),"
        " ('ZORRO ARK', 2006, 2, 'NC-17', NULL, 0, NULL);");
  }

  // "In MySQL create a user for the replica."
  void CreateUsers() {
    const bool mysql = GetParam() == SourceKind::kMysql;
    source_->LoadText(
        "CREATE USER usr_replica ;"
        // MySQL 8 and newer have no PASSWORD(), and GRANT does not take the whole name apart.
        + std::string(mysql ? "SET PASSWORD FOR usr_replica='replica';"
                            : "SET PASSWORD FOR usr_replica=PASSWORD('replica');") +
        "GRANT ALL ON sakila.* TO 'usr_replica';"
        "GRANT RELOAD ON *.* to 'usr_replica';"
        "GRANT REPLICATION CLIENT ON *.* to 'usr_replica';"
        "GRANT REPLICATION SLAVE ON *.* to 'usr_replica';"
        "FLUSH PRIVILEGES;");
    Pg postgres = postgres_.Connect();
    postgres.Exec("CREATE USER usr_replica WITH PASSWORD 'replica'");
    postgres.Exec("CREATE DATABASE db_replica WITH OWNER usr_replica");
  }

  // The example file, edited as its reader would: addresses, passwords, the source's name and
  // schema; everything else stays.
  void WriteConfiguration() {
    const auto path = Home() / ".pg_chameleon/configuration/default.yml";
    std::string text = ReadFile(path);
    Edit(&text, "never_commit_password\"", "replica\"");
    Edit(&text, "\"5432\"", fmt::format("\"{}\"", postgres_.port()));
    Edit(&text, "\"localhost\"", "\"127.0.0.1\"");
    Edit(&text, "  mysql:\n", "  example:\n");
    Edit(&text, "\"localhost\"", "\"127.0.0.1\"");
    Edit(&text, "\"3306\"", fmt::format("\"{}\"", source_->port()));
    Edit(&text, "never_commit_passwords", "replica");
    Edit(&text, "delphis_mediterranea: loxodonta_africana", "sakila: sakila");
    Edit(&text, "limit_tables:\n      - delphis_mediterranea.foo", "limit_tables:");
    Edit(&text, "skip_tables:\n      - delphis_mediterranea.bar", "skip_tables:");
    Edit(&text, "insert:\n        - delphis_mediterranea.foo", "insert:\n        # -");
    Edit(&text, "delete:\n        - delphis_mediterranea ", "delete:\n        # - ");
    WriteFile(path, text);
  }

  PgAddress Target() const { return postgres_.Address("db_replica"); }
  bool WaitForFilms(const std::string& count) {
    for (int i = 0; i < 600; ++i) {
      if (Pg(Target()).One("SELECT count(*) FROM sakila.film") == count) return true;
      usleep(50'000);
    }
    return false;
  }

  TempDir home_{"cham-user"};
  PostgresServer postgres_;
  std::unique_ptr<SourceServer> source_;
};

TEST_P(ManualSession, AsPrinted) {
  StartServers();
  Must("chamctl set_configuration_files");
  Must("cd ~/.pg_chameleon/configuration && cp config-example.yml default.yml");
  CreateUsers();
  WriteConfiguration();

  // "Check you can connect to both databases."
  EXPECT_EQ(Must(fmt::format("mysql --no-defaults -N -preplica -h 127.0.0.1 -P {} -u usr_replica"
                             " sakila -e 'SELECT count(*) FROM film'",
                             source_->port())),
            "2\n");
  EXPECT_EQ(Must(fmt::format("psql -X -A -t -h 127.0.0.1 -p {} -U usr_replica db_replica -c"
                             " 'SELECT current_user'",
                             postgres_.port())),
            "usr_replica\n");

  // "Initialise the replica."
  EXPECT_THAT(Must("chamctl create_replica_schema --debug"), HasSubstr("sch_chameleon created"));
  EXPECT_EQ(Must("chamctl add_source --config default  --debug"), "source \"example\" added\n");
  EXPECT_THAT(Must("chamctl init_replica --config default --debug"), HasSubstr("2 tables, 4 rows"));
  // "Start the replica with"
  Must("chamctl start_replica --config default --source example");
  // "Check the source status"
  const std::string status = Must("chamctl show_status --source example");
  EXPECT_THAT(status, HasSubstr("Status       running\n"));
  EXPECT_THAT(status, HasSubstr("Tables       2 replicated, 0 not replicated, 0 disabled\n"));
  // "Check the error log"
  EXPECT_EQ(Must("chamctl show_errors"), "there are no errors in the log\n");
  // The manual prints this line a second time: a running replica is not harmed, and says so.
  const RunResult again = Type("chamctl start_replica --config default --source example");
  EXPECT_EQ(again.exit_code, 3);
  EXPECT_THAT(again.err, HasSubstr("source \"example\" is running"));

  source_->LoadText(
      "INSERT INTO film (title, language_id) VALUES ('NEW', 2); UPDATE film SET rating = 'R' WHERE"
      " film_id = 1; DELETE FROM film WHERE film_id = 2",
      "sakila");
  source_->LoadText("INSERT INTO film (title, language_id) VALUES ('LAST', 1)", "sakila");
  ASSERT_TRUE(WaitForFilms("3"));
  const Equality compared = CompareSchemas(source_->Address(), "sakila", Target(), "sakila");
  EXPECT_EQ(compared.differences, "");
  // The example's type_override.
  EXPECT_EQ(Pg(Target()).One("SELECT active FROM sakila.film WHERE film_id = 1"), "t");

  // "To stop the replica", "To detach the replica"
  Must("chamctl stop_replica --config default --source example");
  Must("chamctl detach_replica --config default --source example");
  EXPECT_EQ(Pg(Target()).One("INSERT INTO sakila.film (title, language_id) VALUES ('OWN', 1)"
                             " RETURNING film_id"),
            "5");
  EXPECT_EQ(Pg(Target()).One("SELECT conname FROM pg_constraint WHERE contype = 'f' AND"
                             " convalidated AND connamespace = 'sakila'::regnamespace"),
            "fk_film_language");
}

ON_BOTH_SERVERS(ManualSession)

}  // namespace
}  // namespace chameleon::test
