#include "tests/integration/modify_cases.h"

#include <set>

namespace chameleon::test {
namespace {

using Texts = std::vector<std::string>;
using Cases = std::vector<ModifyCase>;

void Numbers(Cases* out) {
  const Texts plain = {"0", "1", "7", "NULL"};
  const Texts edge = {"-5",         "127",         "128",
                      "255",        "256",         "-32768",
                      "65535",      "8388608",     "16777217",
                      "2147483648", "-2147483648", "9007199254740993",
                      "-1",         "99999",       "9223372036854775807",
                      "NULL",       "0",           "18446744073709551615"};
  for (const char* type :
       {"TINYINT", "TINYINT UNSIGNED", "SMALLINT", "MEDIUMINT UNSIGNED", "INT", "INT UNSIGNED",
        "INT(5) ZEROFILL", "INT NOT NULL", "BIGINT", "BIGINT UNSIGNED", "TINYINT(1)"}) {
    out->push_back({type, plain, edge});
  }
  const Texts decimals = {"-5",    "0.5",     "-0.5",   "1.5",      "2.5",   "0.05",
                          "0.049", "999.995", "-0.01",  "12345.67", "99999", "-99999999.99",
                          "NULL",  "127.5",   "0",      "255.4",    "255.5", "0.000001",
                          "1e60",  "-0.004",  "32767.5"};
  for (const char* type : {"DECIMAL(10,2)", "DECIMAL(5,0)", "DECIMAL(20,6) UNSIGNED",
                           "DECIMAL(65,30)", "DECIMAL(10,2) ZEROFILL"}) {
    out->push_back({type, plain, decimals});
  }
  const Texts reals = {"-5",        "0.5",      "0.1",         "1.005",  "-0e0",
                       "1e10",      "16777217", "1e38",        "1e-45",  "1e300",
                       "12345.678", "NULL",     "0.1e0+0.2e0", "-0.004", "1234567.9"};
  for (const char* type : {"FLOAT", "DOUBLE", "FLOAT(7,2)", "DOUBLE(10,3)", "DOUBLE UNSIGNED"}) {
    out->push_back({type, plain, reals});
  }
  for (const char* type : {"BIT(1)", "BIT(8)", "BIT(20)", "BIT(64)"}) {
    out->push_back({type, {"0", "1", "NULL"}, {"0", "1", "255", "65535", "18446744073709551615"}});
  }
  out->push_back({"YEAR", {"2000", "1999", "NULL"}, {"0", "1901", "2155", "NULL"}});
}

void Times(Cases* out) {
  const Texts plain = {"'2024-02-29'", "'1999-12-31'", "NULL"};
  const Texts dates = {"'0000-00-00'", "'2024-00-00'", "'1000-01-01'",
                       "'9999-12-31'", "NULL",         "'2024-02-29'"};
  out->push_back({"DATE", plain, dates});
  out->push_back({"DATE NOT NULL", plain, dates});
  Texts moments = dates;
  moments.insert(moments.end(), {"'2024-01-01 23:59:59.9999995'", "'2024-01-01 23:59:59.5'",
                                 "'2024-03-31 01:30:00.123456'", "'9999-12-31 23:59:59.999999'"});
  for (const char* type : {"DATETIME", "DATETIME(3)", "DATETIME(6)", "DATETIME NOT NULL"}) {
    out->push_back({type, plain, moments});
  }
  const Texts stamps = {"'0000-00-00'", "'1970-01-02 00:00:01'", "'2037-01-19 03:14:07.999999'",
                        "'2024-03-31 02:30:00.5'", "NULL"};
  for (const char* type : {"TIMESTAMP NULL", "TIMESTAMP(3) NULL", "TIMESTAMP(6) NULL"}) {
    out->push_back({type, plain, stamps});
  }
  const Texts times = {"'838:59:59.999999'", "'-838:59:59'", "'-00:00:00.5'", "'12:34:56.789'",
                       "'23:59:59.9999995'", "NULL",         "'00:00:00'"};
  for (const char* type : {"TIME", "TIME(3)", "TIME(6)"}) {
    out->push_back({type, {"'12:34:56'", "'-01:00:00'", "NULL"}, times});
  }
}

void Strings(Cases* out) {
  const Texts plain = {"'a'", "'b'", "'7'", "NULL"};
  const Texts edge = {"''",
                      "'a '",
                      "'  '",
                      "'é'",
                      "'€uro'",
                      "'ж'",
                      "'日本'",
                      "'😀'",
                      "'A'",
                      "'c'",
                      "'12abc'",
                      "'exactly ten'",
                      "REPEAT('x',20)",
                      "CONCAT('a',CHAR(0))",
                      "'a,b'",
                      "NULL",
                      "'1.50'",
                      "'2024-01-02'",
                      "'[1, 2]'",
                      "CONCAT('y', REPEAT('é',150))",
                      "REPEAT('y',300)",
                      "'\\t'",
                      "'a[b\\\\~'",
                      "'ab   '"};
  for (const char* type : {"CHAR(5)",
                           "CHAR(20) CHARACTER SET latin1",
                           "VARCHAR(5)",
                           "VARCHAR(20)",
                           "VARCHAR(20) NOT NULL",
                           "VARCHAR(20) CHARACTER SET latin1",
                           "VARCHAR(20) CHARACTER SET ascii",
                           "VARCHAR(20) COLLATE utf8mb4_bin",
                           "VARCHAR(300) CHARACTER SET utf8mb3",
                           "VARCHAR(20) CHARACTER SET cp1251",
                           "VARCHAR(20) CHARACTER SET sjis",
                           "VARCHAR(20) CHARACTER SET ucs2",
                           "VARCHAR(20) CHARACTER SET utf16",
                           "VARCHAR(20) CHARACTER SET swe7",
                           "TINYTEXT",
                           "TINYTEXT CHARACTER SET latin1",
                           "TEXT",
                           "TEXT CHARACTER SET latin1",
                           "MEDIUMTEXT",
                           "LONGTEXT"}) {
    out->push_back({type, plain, edge});
  }
  out->push_back({"TEXT CHARACTER SET gb18030", plain, edge, Servers::kMysql});
  const Texts bytes = {
      "''",         "'a'",     "x'00'",          "x'6100'",         "x'ff5c'",       "'abcd'",
      "'abcdefgh'", "x'c3a9'", "REPEAT('z',20)", "REPEAT('y',300)", "x'0000000000'", "NULL"};
  for (const char* type : {"BINARY(4)", "BINARY(8)", "VARBINARY(4)", "VARBINARY(20)", "TINYBLOB",
                           "BLOB", "LONGBLOB", "VARBINARY(300) NOT NULL"}) {
    out->push_back({type, plain, bytes});
  }
}

void Labels(Cases* out) {
  const Texts plain = {"'a'", "'b'", "'7'"};  // NULL may be the invalid value: among the edges
  for (const char* type :
       {"ENUM('a','b','7')", "ENUM('a','b','7','c','','é')", "ENUM('7','b','a')",
        "ENUM('A','B','7')", "ENUM('a','b','7','A2') CHARACTER SET latin1",
        "ENUM('a','b','7') NOT NULL", "ENUM('a','b','7') CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        "ENUM('7','a','b') CHARACTER SET binary", "ENUM('a','b')"}) {
    const bool few = std::string(type) == "ENUM('a','b')";
    out->push_back({type,
                    few ? Texts{"'a'", "'b'"} : plain,
                    {"1", "2", "3", "4", "5", "6", "0", "'nope'", "NULL"}});
  }
  for (const char* type : {"SET('a','b','7')", "SET('a','b','7','c')", "SET('7','b','a')",
                           "SET('a','b','7') CHARACTER SET latin1", "SET('a','b')"}) {
    const bool few = std::string(type) == "SET('a','b')";
    out->push_back({type,
                    few ? Texts{"'a'", "'a,b'", "''"} : Texts{"'a'", "'a,b,7'", "''", "NULL"},
                    {"1", "2", "3", "4", "7", "15", "0", "'b,a'", "NULL"}});
  }
}

void Others(Cases* out) {
  out->push_back({"JSON",
                  {"'1'", "'[1, \"a\"]'", "NULL"},
                  {"'{\"a\": 1}'", "'null'", "'\"x\"'"},
                  Servers::kMysql});
  for (const char* type : {"GEOMETRY", "POINT"}) {
    out->push_back({type,
                    {"ST_GeomFromText('POINT(1 2)')", "NULL"},
                    {"ST_GeomFromText('POINT(1 2)', 4326)", "NULL"}});
  }
  out->push_back({"LINESTRING",
                  {"ST_GeomFromText('LINESTRING(1 2,3 4)')", "NULL"},
                  {"ST_GeomFromText('LINESTRING(1 2,3 4)', 4326)", "NULL"}});
  out->push_back({"POINT SRID 4326",
                  {"ST_GeomFromText('POINT(1 2)', 4326)", "NULL"},
                  {"NULL"},
                  Servers::kMysql});
  const Texts uuids = {"'123e4567-e89b-12d3-a456-426614174000'", "NULL"};
  out->push_back({"UUID", uuids, uuids, Servers::kMariadb});
  const Texts addresses = {"'1.2.3.4'", "'0.0.0.0'", "NULL"};
  out->push_back({"INET4", addresses, addresses, Servers::kMariadb});
  out->push_back({"INET6", {"'::1'", "NULL"}, {"'::ffff:1.2.3.4'", "'::'"}, Servers::kMariadb});
  const Texts vectors = {"TO_VECTOR('[1,2.5,-3]')", "NULL"};
  out->push_back({"VECTOR(3)", vectors, vectors, Servers::kMysql});
  out->push_back({"VECTOR(4)", vectors, vectors, Servers::kMysql});
}

}  // namespace

const std::vector<ModifyCase>& ModifyCases() {
  static const Cases kCases = [] {
    Cases cases;
    for (auto* group : {Numbers, Times, Strings, Labels, Others}) group(&cases);
    static const std::set<std::string> kNarrow = {
        "CHAR(5)",       "VARCHAR(5)",   "BINARY(4)",         "VARBINARY(4)", "TINYTEXT",
        "ENUM('a','b')", "SET('a','b')", "ENUM('A','B','7')", "BIT(1)"};
    for (ModifyCase& c : cases) c.narrow = kNarrow.contains(c.type);
    return cases;
  }();
  return kCases;
}

}  // namespace chameleon::test
