#include "tests/integration/type_cases.h"

#include <fmt/format.h>

namespace chameleon::test {
namespace {

using Cases = std::vector<TypeCase>;

void Integers(Cases* cases) {
  struct Width {
    const char *type, *least, *most, *unsigned_most;
  };
  static constexpr Width kWidths[] = {
      {"TINYINT", "-128", "127", "255"},
      {"SMALLINT", "-32768", "32767", "65535"},
      {"MEDIUMINT", "-8388608", "8388607", "16777215"},
      {"INT", "-2147483648", "2147483647", "4294967295"},
      {"BIGINT", "-9223372036854775808", "9223372036854775807", "18446744073709551615"}};
  for (const Width& w : kWidths) {
    const std::string type = w.type;
    cases->push_back({type, {w.least, w.most, "0", "-1", "1", "NULL"}});
    cases->push_back({type + " UNSIGNED", {"0", "1", w.unsigned_most, "NULL"}});
    cases->push_back({type + "(3) ZEROFILL", {"0", "7", w.unsigned_most}});
  }
  cases->push_back({"TINYINT(1)", {"0", "1", "-3", "2", "NULL"}});
  cases->push_back({"BOOL", {"TRUE", "FALSE"}});
  for (const char* name : {"INT1", "INT2", "INT3", "INT4", "INT8", "MIDDLEINT", "INTEGER"}) {
    cases->push_back({name, {"-128", "127"}});
  }
}

void Numbers(Cases* cases) {
  const std::string most = std::string(35, '9') + "." + std::string(30, '9');
  cases->push_back({"DECIMAL(65,30)",
                    {most, "-" + most, "0.000000000000000000000000000001", "-0.0", "0", "-1"}});
  cases->push_back({"DECIMAL(65)", {std::string(65, '9'), "-" + std::string(65, '9'), "0"}});
  cases->push_back({"DECIMAL(30,30)", {"-0." + std::string(30, '9'), "0." + std::string(30, '9')}});
  cases->push_back({"DECIMAL(10,3) ZEROFILL", {"1.5", "0", "0.001", "9999999.999"}});
  cases->push_back({"DECIMAL", {"-9999999999", "0", "7"}});
  cases->push_back({"DECIMAL(3,3) UNSIGNED", {"0.999", "0.001", "0"}});
  for (const char* name : {"DEC(5,2)", "FIXED(5,2)", "NUMERIC(5,2)"}) {
    cases->push_back({name, {"-999.99", "0.01"}});
  }
  const std::vector<std::string> floats = {
      "16777217", "1234567.9", "3.4028235e38", "-3.4028235e38", "1.17549435e-38", "1e-45", "0.1",
      "-0e0",     "0",         "123456789",    "1e10",          "0.000001",       "NULL"};
  const std::vector<std::string> doubles = {"0.1",
                                            "0.30000000000000004",
                                            "1e22",
                                            "5e-324",
                                            "2.2250738585072014e-308",
                                            "1.7976931348623157e308",
                                            "-1.7976931348623157e308",
                                            "-0e0",
                                            "1e15",
                                            "1e-15",
                                            "123456789012345678",
                                            "0.0000001",
                                            "4.35",
                                            "1e0/3"};
  for (const char* name : {"FLOAT", "FLOAT(24)", "FLOAT4"}) cases->push_back({name, floats});
  for (const char* name : {"DOUBLE", "FLOAT(25)", "FLOAT8", "REAL", "DOUBLE PRECISION"}) {
    cases->push_back({name, doubles});
  }
  cases->push_back({"FLOAT ZEROFILL", {"1.5", "0", "1e20"}});
  cases->push_back({"FLOAT(7,2)", {"12345.67", "-0.01", "99999.99", "0.005"}});
  cases->push_back({"DOUBLE(20,2)", {"12345.67", "-0.01", "999999999999999999.99", "0.005"}});
  cases->push_back({"DOUBLE UNSIGNED ZEROFILL", {"1.5", "0", "1e20"}});
  for (int bits : {1, 7, 8, 9, 10, 31, 32, 33, 63, 64}) {
    cases->push_back({fmt::format("BIT({})", bits), {"b'1'", "b'0'", "18446744073709551615"}});
  }
  cases->push_back({"BIT", {"1", "0", "NULL"}});
}

void Times(Cases* cases) {
  cases->push_back({"YEAR", {"0", "1901", "2155", "'0000'", "2000", "'0'", "NULL"}});
  cases->push_back({"YEAR(4)", {"0", "1901", "2155"}});
  cases->push_back({"YEAR(2)", {"0", "69", "70", "99", "2000", "1999"}, kMariadbs});
  cases->push_back({"DATE",
                    {"'0000-00-00'", "'2024-00-00'", "'2024-02-00'", "'0000-12-31'", "'1000-01-01'",
                     "'9999-12-31'", "'2024-02-29'", "'0001-01-01'", "NULL"}});
  for (int f = 0; f <= 6; ++f) {
    cases->push_back({fmt::format("DATETIME({})", f),
                      {"'0000-00-00'", "'2024-02-00 10:00:00'", "'0001-01-01 00:00:00'",
                       "'9999-12-31 23:59:59'", "'9999-12-31 23:59:59.499999'",
                       "'2024-02-29 23:59:59.123456'", "'1969-12-31 23:59:59.000001'",
                       "'0000-01-01 00:00:00'", "'2024-12-31 23:59:59.999999'"}});
    // Around the nights when Berlin, where the test's server lives, changes its clocks.
    cases->push_back(
        {fmt::format("TIMESTAMP({}) NULL", f),
         {"'0000-00-00'", "'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'", "'2024-03-31 00:59:59'",
          "'2024-03-31 01:00:00.999999'", "'2024-10-27 00:30:00.5'", "'2024-10-27 01:30:00.05'",
          "'2024-10-27 01:00:00'", "NULL"}});
    cases->push_back({fmt::format("TIME({})", f),
                      {"'-838:59:59'", "'838:59:59'", "'838:59:59.999999'", "'-838:59:59.999999'",
                       "'00:00:00'", "'-00:00:00.5'", "'-00:00:01.499999'", "'-12:34:56.789'",
                       "'23:59:59.123456'", "'100:00:00'", "'-00:00:00.000001'", "NULL"}});
  }
  cases->push_back({"DATETIME", {"'2024-01-02 03:04:05'"}});
  cases->push_back({"TIME", {"'01:02:03'"}});
}

void Texts(Cases* cases) {
  const std::vector<std::string> texts = {"''",
                                          "'a  '",
                                          "'é€'",
                                          "CONCAT('a',CHAR(0),'b')",
                                          R"('\\N')",
                                          R"('tab\tnl\ncr\r"q"\\b')",
                                          "NULL",
                                          "'NULL'",
                                          "REPEAT('é',40)",
                                          "'\xef\xbf\xbd'",
                                          "'  '",
                                          R"('\'')"};
  cases->push_back({"VARCHAR(40) CHARACTER SET utf8mb3", texts});
  std::vector<std::string> wide = texts;
  wide.insert(wide.end(), {"'😀'", "REPEAT('😀',40)"});
  cases->push_back({"VARCHAR(40)", wide});
  cases->push_back({"VARCHAR(8000)", {"''", "REPEAT('é',8000)"}});
  cases->push_back({"VARCHAR(0)", {"''", "NULL"}});
  cases->push_back({"CHAR(10)", {"'a  '", "''", "'  '", "'éé'", "'😀'", "NULL"}});
  cases->push_back({"CHAR(10) CHARACTER SET ucs2", {"'a  '", "''", "'  '", "'éé'"}});
  cases->push_back({"CHAR(255)", {"'a'", "REPEAT('😀',255)"}});
  cases->push_back({"CHAR(0)", {"''", "NULL"}});
  cases->push_back({"CHAR", {"'a'", "''"}});
  for (const char* type :
       {"TINYTEXT", "TEXT", "MEDIUMTEXT", "LONGTEXT", "TEXT(100)", "TEXT(70000)"}) {
    cases->push_back(
        {std::string(type) + " CHARACTER SET latin1", {"''", "'é€ '", "REPEAT('x',90)", "NULL"}});
  }
  for (const char* type :
       {"CHARACTER(5)", "NCHAR(5)", "NATIONAL VARCHAR(5)", "NVARCHAR(5)", "CHARACTER VARYING(5)",
        "LONG", "LONG VARCHAR", "VARCHAR(5) ASCII", "CHAR(5) UNICODE", "VARCHAR(5) BINARY",
        "NATIONAL CHARACTER VARYING(5)", "VARCHAR(5) COLLATE utf8mb4_bin",
        "VARCHAR(5) CHARSET latin1 COLLATE latin1_bin"}) {
    cases->push_back({type, {"'a '", "'abcde'", "''"}});
  }
  // The longest of one statement here; both are read and written in one piece.
  cases->push_back({"LONGTEXT", {"REPEAT('0123456789abcdé',1000000)"}});
}

void Bytes(Cases* cases) {
  cases->push_back({"BINARY(5)", {"'ab'", "''", "x'0000000001'", "x'00'", "x'6100'", "NULL"}});
  cases->push_back({"BINARY", {"'a'", "x'00'"}});
  cases->push_back({"BINARY(255)", {"'a'", "REPEAT(x'ff',255)"}});
  cases->push_back({"VARBINARY(9)", {"'ab'", "''", "x'610000'", "x'ff5c'", "NULL"}});
  cases->push_back({"CHAR(4) CHARACTER SET binary", {"'ab'", "''"}});
  cases->push_back({"VARCHAR(4) BYTE", {"'ab'", "x'ff00'"}});
  for (const char* type : {"TINYBLOB", "BLOB", "MEDIUMBLOB", "LONGBLOB", "BLOB(100)",
                           "LONG VARBINARY", "BLOB(70000)"}) {
    cases->push_back({type, {"''", "x'00ff5c0a'", "REPEAT('x',90)", "NULL"}});
  }
  cases->push_back({"MEDIUMBLOB", {"REPEAT(x'00ff5c27',4194303)"}});
}

void Labels(Cases* cases) {
  cases->push_back({R"(ENUM('a','','x,y','it''s','é','q"u','b\\s'))",
                    {"'a'", "''", "'x,y'", "3", "4", "5", "6", "7", "0", "'nope'", "NULL"}});
  std::string many, members;
  for (int i = 1; i <= 300; ++i) many += fmt::format("{}'e{}'", i > 1 ? "," : "", i);
  for (int i = 1; i <= 64; ++i) members += fmt::format("{}'m{}'", i > 1 ? "," : "", i);
  cases->push_back({"ENUM(" + many + ")", {"1", "255", "256", "300"}});
  cases->push_back({"ENUM('" + std::string(70, 'l') + "','s')", {"1", "2", "NULL"}});
  cases->push_back(
      {"SET(" + members + ")",
       {"18446744073709551615", "1", "9223372036854775808", "0", "''", "9007199254740993",
        "'m1,m64'", "6148914691236517205", "12297829382473034411", "NULL"}});
  cases->push_back({"SET('x','y','z')", {"'x,z'", "7", "''", "9", "NULL"}});
  cases->push_back({"SET('é','b c','''q')", {"1", "6", "7"}});
  cases->push_back({"SET('','a')", {"1", "2", "3", "0"}});
}

void Json(Cases* cases) {
  cases->push_back(
      {"JSON",
       {R"('{"a": 1, "bb": [1,2.0,"x"], "c": null, "": {"": []}}')",
        "'[]'",
        "'{}'",
        "'null'",
        "'true'",
        "'false'",
        R"('"s"')",
        R"('""')",
        "'1e10'",
        "'1e20'",
        "'1e-7'",
        "'-0.0'",
        "'0'",
        "'18446744073709551615'",
        "'-9223372036854775808'",
        "'9223372036854775808'",
        "'100000000000000000000'",
        "'1.7976931348623157e308'",
        "'5e-324'",
        R"('"\\u0000a\\u001f\\u007f\\"\\\\\\/"')",
        R"('"\\ud83d\\ude00 é"')",
        R"('{"b":1,"a":2,"b":3,"aa":4}')",
        "JSON_OBJECT('k', REPEAT('x',70000))",
        "JSON_ARRAY(REPEAT('y',40000),REPEAT('z',40000),123456,-5,12345678901,-1.5,TRUE,NULL)",
        "CONCAT(REPEAT('[',31),REPEAT(']',31))",
        R"(JSON_OBJECT('a"b',1,'\t',2,'é',3))",
        "JSON_ARRAY(-0.0, 1e2, 100.0, 1.10, 123456789.123)",
        "NULL"}});
  cases->push_back(
      {"JSON",
       {"JSON_ARRAY(1.50, CAST(1.1 AS FLOAT), CAST('2024-01-02' AS DATE),"
        " CAST('2024-01-02 03:04:05.678' AS DATETIME(6)), CAST('-838:59:59' AS TIME),"
        " CAST('10:11:12.13' AS TIME(2)), x'00ff', b'101', CAST('1999' AS YEAR))",
        "JSON_ARRAY(POINT(1,2), TIMESTAMP'2024-01-02 03:04:05')",
        "JSON_ARRAY(0.1e0+0.2e0, 1.7976931348623157e308, 5e-324, 1e-7, 123456789.123e0)",
        "JSON_ARRAY(CAST(REPEAT('b',100) AS BINARY), 99999999999999999999999999999.999)",
        "CONCAT(REPEAT('[',100),REPEAT(']',100))", "CAST(1.50 AS JSON)",
        "CAST(CAST('2024-01-02' AS DATE) AS JSON)", "CAST(x'ff' AS JSON)"},
       kMysql9});
  cases->push_back(
      {"JSON", {R"('{"b": 1,   "a":2, "b":3}')", R"('"\\u0000\\ud83d\\ude00"')"}, kMariadbs});
}

void Spaces(Cases* cases) {
  const std::vector<std::pair<std::string, std::string>> shapes = {
      {"POINT", "POINT(1.5 -2)"},
      {"LINESTRING", "LINESTRING(0 0,1 1)"},
      {"POLYGON", "POLYGON((0 0,4 0,4 4,0 0),(1 0.5,2 0.5,2 1,1 0.5))"},
      {"MULTIPOINT", "MULTIPOINT((1 2),(3 4))"},
      {"MULTILINESTRING", "MULTILINESTRING((0 0,1 1),(2 2,3 3))"},
      {"MULTIPOLYGON", "MULTIPOLYGON(((0 0,1 0,1 1,0 0)))"},
      {"GEOMETRYCOLLECTION", "GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1 1))"}};
  std::vector<std::string> all = {"ST_GeomFromText('GEOMETRYCOLLECTION EMPTY')", "NULL"};
  for (const auto& [type, text] : shapes) {
    std::vector<std::string> values = {fmt::format("ST_GeomFromText('{}')", text),
                                       fmt::format("ST_GeomFromText('{}',4326)", text),
                                       fmt::format("ST_GeomFromText('{}',3857)", text)};
    all.insert(all.end(), values.begin(), values.end());
    values.push_back("NULL");
    cases->push_back({type, values});
  }
  cases->push_back({"GEOMETRY", all});
  for (const char* srid : {"4326", "0"}) {
    cases->push_back({fmt::format("POINT SRID {}", srid),
                      {fmt::format("ST_GeomFromText('POINT(1 2)',{})", srid)},
                      kMysql9});
  }
}

void Others(Cases* cases) {
  cases->push_back({"VECTOR(3)",
                    {"TO_VECTOR('[1,2.5,-3]')", "TO_VECTOR('[1e-30,3.4e38,0.1]')", "NULL"},
                    kMysql9});
  cases->push_back({"VECTOR", {"TO_VECTOR('[1,2.5,-3,4]')"}, kMysql9});
  cases->push_back({"VECTOR(3)",
                    {"VEC_FromText('[1,2.5,-3]')", "VEC_FromText('[1e-30,3.4e38,0.1]')", "NULL"},
                    kMariadb118});
  cases->push_back(
      {"UUID",
       {"'123e4567-e89b-12d3-a456-426614174000'", "'00000000-0000-0000-0000-000000000000'",
        "'0189e2f0-7c00-7000-8000-000000000000'", "'ffffffff-ffff-4fff-bfff-ffffffffffff'", "NULL"},
       kMariadbs});
  cases->push_back({"INET6",
                    {"'::'", "'::1'", "'::ffff:1.2.3.4'", "'2001:db8::'", "'2001:db8:0:1:1:1:1:1'",
                     "'1:0:0:2:0:0:0:3'", "'::1.2.3.4'", "'ff02::1:ff00:0'", "NULL"},
                    kMariadbs});
  cases->push_back(
      {"INET4", {"'0.0.0.0'", "'10.0.0.0'", "'255.255.255.255'", "'1.2.3.4'", "NULL"}, kMariadbs});
  cases->push_back({"VARCHAR(1000) COMPRESSED CHARACTER SET latin1",
                    {"''", "'short'", "REPEAT('é',600)", "NULL", "CONCAT(REPEAT('a',500),'b')"},
                    kMariadbs});
  cases->push_back({"BLOB COMPRESSED",
                    {"''", "'short'", "REPEAT('x',600)", "REPEAT(CHAR(0),60000)"},
                    kMariadbs});
  cases->push_back(
      {"LONGTEXT COMPRESSED", {"''", "REPEAT('é',60000)", "REPEAT('ab',9000000)"}, kMariadbs});
}

}  // namespace

bool Has(unsigned on, SourceKind kind) {
  switch (kind) {
    case SourceKind::kMariadb:
      return (on & kMariadb10) != 0;
    case SourceKind::kMysql:
      return (on & kMysql9) != 0;
    case SourceKind::kMariadb11:
      return (on & kMariadb118) != 0;
  }
  return false;
}

std::vector<TypeCase> TypeCases() {
  Cases cases;
  for (auto* group : {Integers, Numbers, Times, Texts, Bytes, Labels, Json, Spaces, Others}) {
    group(&cases);
  }
  return cases;
}

std::vector<TableCase> TableCases() {
  const std::vector<std::string> versioned = {
      "INSERT INTO % (id, v) VALUES (1, 'one'), (2, 'two'), (3, 'three')",
      "UPDATE % SET v = 'zwei' WHERE id = 2", "DELETE FROM % WHERE id = 3"};
  return {
      {"generated",
       {"CREATE TABLE % (id INT PRIMARY KEY, a INT, s INT AS (a * 2) STORED,"
        " v VARCHAR(20) AS (CONCAT(a, 'x')) VIRTUAL, d DATE AS (MAKEDATE(2024, a)) STORED,"
        " k BIGINT UNSIGNED AS (a + 1) VIRTUAL UNIQUE)"},
       {"INSERT INTO % (id, a) VALUES (1, 1), (2, NULL), (3, 33)",
        "UPDATE % SET a = 34 WHERE id = 3"}},
      {"invisible",
       {"CREATE TABLE % (id INT PRIMARY KEY, h INT INVISIBLE, a INT, t VARCHAR(9) INVISIBLE"
        " DEFAULT 'dé')"},
       {"INSERT INTO % (id, a) VALUES (1, 1)", "INSERT INTO % (id, h, a) VALUES (2, 22, 2)"}},
      {"hidden_key",
       {"SET SESSION sql_generate_invisible_primary_key = 1", "CREATE TABLE % (a INT, b TEXT)",
        "SET SESSION sql_generate_invisible_primary_key = 0"},
       {"INSERT INTO % VALUES (1, 'one'), (1, 'one'), (NULL, NULL)",
        "UPDATE % SET b = 'null' WHERE a IS NULL"},
       kMysql9},
      {"serial",
       {"CREATE TABLE % (id SERIAL PRIMARY KEY, v VARCHAR(3))"},
       {"INSERT INTO % (v) VALUES ('a')", "INSERT INTO % VALUES (18446744073709551614, 'b')"}},
      {"versioned",
       {"CREATE TABLE % (id INT PRIMARY KEY, v VARCHAR(9)) WITH SYSTEM VERSIONING"},
       versioned,
       kMariadbs},
      {"versioned_named",
       {"CREATE TABLE % (id INT PRIMARY KEY, v VARCHAR(9), b TIMESTAMP(6) GENERATED ALWAYS AS ROW"
        " START INVISIBLE, e TIMESTAMP(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME"
        " (b, e)) WITH SYSTEM VERSIONING"},
       versioned,
       kMariadbs},
      {"json_empty",
       {"CREATE TABLE % (id INT PRIMARY KEY)"},
       {"INSERT INTO % VALUES (1), (2)", "ALTER TABLE % ADD j JSON NOT NULL",
        "UPDATE % SET id = 3 WHERE id = 2"},
       kMysql9},
      {"keys_of_every_kind",
       {"CREATE TABLE % (d DATE NOT NULL, t TIME(3) NOT NULL, ts TIMESTAMP(6) NOT NULL DEFAULT"
        " '2001-01-01', n DECIMAL(20,5) NOT NULL, b VARBINARY(20) NOT NULL, c CHAR(5) CHARACTER"
        " SET latin1 NOT NULL, e ENUM('x','y') NOT NULL, bi BIT(9) NOT NULL, y YEAR NOT NULL,"
        " v INT, PRIMARY KEY (d, t, ts, n, b, c, e, bi, y))"},
       {"INSERT INTO % VALUES ('2024-01-02', '-01:02:03.5', '2024-10-27 00:30:00', -1.5, x'00ff',"
        " 'é ', 'y', b'101', 1999, 1), ('9999-12-31', '838:59:59', '2024-10-27 01:30:00.000001',"
        " 1.5, '', '', 'x', 511, 0, 2)",
        "UPDATE % SET v = v + 1", "UPDATE % SET c = 'ü' WHERE v = 2", "DELETE FROM % WHERE v = 3"}},
  };
}

}  // namespace chameleon::test
