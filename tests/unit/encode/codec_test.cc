// Numbers, bits, labels, strings and the special types: both ways of reading, one literal.
#include "tests/unit/encode/testing.h"

namespace chameleon::worker::encode {
namespace {

using binlog::ColumnType;

struct Case {
  const char* def;
  v1::Encoding encoding;
  ColumnType type;
  std::string bytes;   // hex, as in a row image
  std::string select;  // as SELECT sends it
  std::string literal;
};

void Check(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    OneColumn column(c.def, c.encoding);
    EXPECT_EQ(column.Binlog(c.type, Bytes(c.bytes)), c.literal) << c.def << " " << c.bytes;
    EXPECT_EQ(column.Select(c.select), c.literal) << c.def << " " << c.select;
  }
}

TEST(CodecTest, Integers) {
  const auto number = v1::ENCODING_NUMBER;
  Check({
      {"base_type: TINYINT", number, ColumnType::kTiny, "80", "-128", "-128"},
      {"base_type: TINYINT is_unsigned: true", number, ColumnType::kTiny, "ff", "255", "255"},
      {"base_type: SMALLINT", number, ColumnType::kShort, "0080", "-32768", "-32768"},
      {"base_type: SMALLINT is_unsigned: true", number, ColumnType::kShort, "ffff", "65535",
       "65535"},
      {"base_type: MEDIUMINT", number, ColumnType::kInt24, "000080", "-8388608", "-8388608"},
      {"base_type: MEDIUMINT", number, ColumnType::kInt24, "ffffff", "-1", "-1"},
      {"base_type: MEDIUMINT is_unsigned: true", number, ColumnType::kInt24, "ffffff", "16777215",
       "16777215"},
      {"base_type: INT", number, ColumnType::kLong, "00000080", "-2147483648", "-2147483648"},
      {"base_type: INT is_unsigned: true zerofill: true", number, ColumnType::kLong, "07000000",
       "0000000007", "7"},
      {"base_type: INT is_unsigned: true zerofill: true", number, ColumnType::kLong, "00000000",
       "0000000000", "0"},
      {"base_type: BIGINT", number, ColumnType::kLongLong, "0000000000000080",
       "-9223372036854775808", "-9223372036854775808"},
      {"base_type: BIGINT is_unsigned: true", number, ColumnType::kLongLong, "ffffffffffffffff",
       "18446744073709551615", "18446744073709551615"},
      {"base_type: TINYINT length: 1", v1::ENCODING_BOOLEAN, ColumnType::kTiny, "00", "0", "f"},
      {"base_type: TINYINT length: 1", v1::ENCODING_BOOLEAN, ColumnType::kTiny, "01", "1", "t"},
      {"base_type: TINYINT length: 1", v1::ENCODING_BOOLEAN, ColumnType::kTiny, "ff", "-1",
       "t [number_to_true]"},
      {"base_type: YEAR", number, ColumnType::kYear, "00", "0000", "0"},
      {"base_type: YEAR", number, ColumnType::kYear, "01", "1901", "1901"},
      {"base_type: YEAR", number, ColumnType::kYear, "ff", "2155", "2155"},
      {"base_type: YEAR column_type: 'year(2)'", number, ColumnType::kYear, "a9", "69", "2069"},
      {"base_type: YEAR column_type: 'year(2)'", number, ColumnType::kYear, "46", "70", "1970"},
      {"base_type: YEAR column_type: 'year(2)'", number, ColumnType::kYear, "64", "00", "2000"},
  });
}

TEST(CodecTest, DecimalsAndFloats) {
  Check({
      {"base_type: DECIMAL length: 10 scale: 3 zerofill: true", v1::ENCODING_NUMBER,
       ColumnType::kNewDecimal, "80000001 01f4", "0000001.500", "1.500"},
      {"base_type: DECIMAL length: 3 scale: 3", v1::ENCODING_NUMBER, ColumnType::kNewDecimal,
       "8001", "0.001", "0.001"},
      {"base_type: DECIMAL length: 4 scale: 2", v1::ENCODING_NUMBER, ColumnType::kNewDecimal,
       "7ffe", "-0.01", "-0.01"},
      {"base_type: DECIMAL length: 4 scale: 2", v1::ENCODING_NUMBER, ColumnType::kNewDecimal,
       "8000", "0.00", "0.00"},
      // FLOAT is selected as a double.
      {"base_type: FLOAT", v1::ENCODING_FLOAT, ColumnType::kFloat, "cdcccc3d",
       "0.10000000149011612", "0.1"},
      {"base_type: FLOAT", v1::ENCODING_DOUBLE, ColumnType::kFloat, "cdcccc3d",
       "0.10000000149011612", "0.10000000149011612"},
      {"base_type: FLOAT", v1::ENCODING_FLOAT, ColumnType::kFloat, "ffff7f7f",
       "3.4028234663852886e38", "3.4028235e38"},
      {"base_type: FLOAT", v1::ENCODING_FLOAT, ColumnType::kFloat, "00000080", "-0", "-0"},
      {"base_type: DOUBLE", v1::ENCODING_DOUBLE, ColumnType::kDouble, "0000000000000080", "-0",
       "-0"},
      {"base_type: DOUBLE", v1::ENCODING_DOUBLE, ColumnType::kDouble, "0100000000000000", "5e-324",
       "5e-324"},
      {"base_type: DOUBLE zerofill: true", v1::ENCODING_DOUBLE, ColumnType::kDouble,
       "000000000000f83f", "00000000000000000001.5", "1.5"},
  });
  EXPECT_EQ(OneColumn("base_type: FLOAT", v1::ENCODING_FLOAT).Expression(), "`c`*1e0");
  EXPECT_EQ(OneColumn("base_type: DOUBLE", v1::ENCODING_DOUBLE).Expression(), "`c`");
  EXPECT_EQ(OneColumn("base_type: DOUBLE length: 10 scale: 2", v1::ENCODING_DOUBLE).Expression(),
            "`c`*1e0");
}

TEST(CodecTest, Bits) {
  const std::string one("\x01", 1);
  Check({
      {"base_type: BIT length: 1", v1::ENCODING_BIT, ColumnType::kBit, "01", one, "1"},
      {"base_type: BIT length: 10", v1::ENCODING_BIT, ColumnType::kBit, "0003", Bytes("0003"),
       "0000000011"},
      {"base_type: BIT length: 64", v1::ENCODING_BIT, ColumnType::kBit, "8000000000000001",
       Bytes("8000000000000001"),
       "1000000000000000000000000000000000000000000000000000000000000001"},
      {"base_type: BIT length: 1", v1::ENCODING_BOOLEAN, ColumnType::kBit, "01", one, "t"},
      {"base_type: BIT length: 64", v1::ENCODING_NUMBER, ColumnType::kBit, "ffffffffffffffff",
       Bytes("ffffffffffffffff"), "18446744073709551615"},
  });
}

TEST(CodecTest, Labels) {
  const char* const letters = "base_type: ENUM labels: ['a', '', 'x,y', \"it's\"]";
  std::string members = "base_type: SET labels: [";
  for (int i = 1; i <= 64; ++i) members += (i == 1 ? "'m" : ", 'm") + std::to_string(i) + "'";
  members += "]";
  Check({
      {letters, v1::ENCODING_ENUM, ColumnType::kEnum, "01", "1", "a"},
      {letters, v1::ENCODING_ENUM, ColumnType::kEnum, "02", "2", ""},
      {letters, v1::ENCODING_ENUM, ColumnType::kEnum, "03", "3", "x,y"},
      {letters, v1::ENCODING_TEXT, ColumnType::kEnum, "04", "4", "it's"},
      {letters, v1::ENCODING_ENUM, ColumnType::kEnum, "00", "0", "NULL [enum_invalid_to_null]"},
      {letters, v1::ENCODING_ENUM, ColumnType::kEnum, "05", "5", "NULL [enum_invalid_to_null]"},
      {letters, v1::ENCODING_NUMBER, ColumnType::kEnum, "00", "0", "0"},
      {"base_type: SET labels: ['x', 'y']", v1::ENCODING_SET, ColumnType::kSet, "03", "3", "x,y"},
      {"base_type: SET labels: ['x', 'y']", v1::ENCODING_SET, ColumnType::kSet, "00", "0", ""},
      {"base_type: SET labels: ['', 'y']", v1::ENCODING_SET, ColumnType::kSet, "03", "3", "y"},
      {"base_type: SET labels: ['x', '', 'y']", v1::ENCODING_SET, ColumnType::kSet, "07", "7",
       "x,,y"},
      {"base_type: SET labels: ['x', 'y']", v1::ENCODING_SET, ColumnType::kSet, "06", "6",
       "y [set_unknown_dropped]"},
      {members.c_str(), v1::ENCODING_SET, ColumnType::kSet, "0100000000000080",
       "9223372036854775809", "m1,m64"},
  });
  EXPECT_EQ(OneColumn(letters, v1::ENCODING_ENUM).Expression(), "CAST(`c` AS UNSIGNED)");
}

TEST(CodecTest, Strings) {
  const std::string nul("a\0b", 3);
  Check({
      {"base_type: VARCHAR charset: 'utf8mb4'", v1::ENCODING_TEXT, ColumnType::kVarchar,
       "c3a9 20 20", "\xC3\xA9  ", "\xC3\xA9  "},
      {"base_type: VARCHAR charset: 'utf8mb4'", v1::ENCODING_TEXT, ColumnType::kVarchar, "", "",
       ""},
      {"base_type: VARCHAR charset: 'utf8mb4'", v1::ENCODING_TEXT, ColumnType::kVarchar, "610062",
       nul, "ab [nul_removed]"},
      {"base_type: VARCHAR charset: 'utf8mb3'", v1::ENCODING_TEXT, ColumnType::kVarchar, "61e9",
       "a\xE9", "a\xEF\xBF\xBD [undecodable_bytes_replaced]"},
      {"base_type: VARCHAR charset: 'latin1'", v1::ENCODING_TEXT, ColumnType::kVarchar, "e9 80 81",
       "\xE9\x80\x81", "\xC3\xA9\xE2\x82\xAC\xC2\x81"},
      {"base_type: TEXT charset: 'ucs2'", v1::ENCODING_TEXT, ColumnType::kBlob, "00e9 20ac 0000",
       Bytes("00e920ac0000"), "\xC3\xA9\xE2\x82\xAC [nul_removed]"},
      {"base_type: TEXT charset: 'latin1'", v1::ENCODING_BYTEA, ColumnType::kBlob, "e9", "\xE9",
       "\\xe9"},
      {"base_type: BLOB", v1::ENCODING_BYTEA, ColumnType::kBlob, "00ff5c", Bytes("00ff5c"),
       "\\x00ff5c"},
      {"base_type: BLOB", v1::ENCODING_TEXT, ColumnType::kBlob, "c3a9", "\xC3\xA9", "\xC3\xA9"},
      // The log leaves the padding of BINARY(5) out.
      {"base_type: BINARY length: 5", v1::ENCODING_BYTEA, ColumnType::kString, "6162",
       Bytes("6162000000"), "\\x6162000000"},
      {"base_type: BINARY length: 5", v1::ENCODING_TEXT, ColumnType::kString, "6162",
       Bytes("6162000000"), "ab"},
      {"base_type: BINARY length: 16", v1::ENCODING_UUID, ColumnType::kString,
       "00112233445566778899aabbccddee", Bytes("00112233445566778899aabbccddee00"),
       "00112233-4455-6677-8899-aabbccddee00"},
      {"base_type: LONGTEXT charset: 'utf8mb4'", v1::ENCODING_JSON, ColumnType::kBlob, "7b7d", "{}",
       "{}"},
      {"base_type: LONGTEXT charset: 'utf8mb4'", v1::ENCODING_JSON, ColumnType::kBlob, "", "",
       "null [json_empty_to_null]"},
  });
}

TEST(CodecTest, CompressedColumns) {
  const char* const text = "base_type: VARCHAR charset: 'utf8mb4' compressed: true";
  OneColumn column(text, v1::ENCODING_TEXT);
  const auto type = ColumnType::kMariadbVarcharCompressed;
  EXPECT_EQ(column.Binlog(type, ""), "");
  EXPECT_EQ(column.Binlog(type, Bytes("00 6161")), "aa");
  // Raw deflate of 600 'a' (MariaDB 10.11: 8a 02 58 …).
  EXPECT_EQ(column.Binlog(type, Bytes("8a 0258 4b4c1c05a360148c825130dc010087bce7e3")),
            "damaged: damaged compressed data");
  EXPECT_EQ(column.Binlog(type, Bytes("8a 0003 4b4c4a0600")), "abc");
  EXPECT_EQ(column.Binlog(type, Bytes("89 04 4b4c4a0600")), "damaged: damaged compressed data");
  EXPECT_EQ(column.Binlog(type, Bytes("8c ffffffff 00")),
            "damaged: an impossible compressed length");
  EXPECT_EQ(column.Binlog(type, Bytes("13 00")), "damaged: an unknown compression method");
  EXPECT_EQ(column.Binlog(type, Bytes("83 00")), "damaged: a damaged compression header");
  EXPECT_EQ(column.Select("plain"), "plain");
}

TEST(CodecTest, SpecialTypes) {
  const std::string point = Bytes("e6100000 0101000000 0000000000000040 000000000000f03f");
  const std::string plane = Bytes("00000000 0101000000 0000000000000040 000000000000f03f");
  Check({
      {"base_type: POINT", v1::ENCODING_EWKB, ColumnType::kGeometry,
       "e6100000 0101000000 0000000000000040 000000000000f03f", point,
       "0101000020e61000000000000000000040000000000000f03f"},
      {"base_type: POINT", v1::ENCODING_EWKB, ColumnType::kGeometry,
       "00000000 0101000000 0000000000000040 000000000000f03f", plane,
       "01010000000000000000000040000000000000f03f"},
      {"base_type: POINT", v1::ENCODING_BYTEA, ColumnType::kGeometry,
       "e6100000 0101000000 0000000000000040 000000000000f03f", point,
       "\\x01010000000000000000000040000000000000f03f [srid_dropped]"},
      {"base_type: POINT has_srid: true srid: 4326", v1::ENCODING_BYTEA, ColumnType::kGeometry,
       "e6100000 0101000000 0000000000000040 000000000000f03f", point,
       "\\x01010000000000000000000040000000000000f03f"},
      // More than PostGIS has.
      {"base_type: POINT", v1::ENCODING_EWKB, ColumnType::kGeometry,
       "40420f00 0101000000 0000000000000040 000000000000f03f", "\x40\x42\x0f" + plane.substr(3),
       "01010000000000000000000040000000000000f03f [srid_dropped]"},
      {"base_type: POINT", v1::ENCODING_EWKB, ColumnType::kGeometry,
       "3f420f00 0101000000 0000000000000040 000000000000f03f", "\x3f\x42\x0f" + plane.substr(3),
       "01010000203f420f000000000000000040000000000000f03f"},
      {"base_type: GEOMETRYCOLLECTION", v1::ENCODING_EWKB, ColumnType::kGeometry,
       "00000000 0107000000 00000000", Bytes("00000000010700000000000000"), "010700000000000000"},
      {"base_type: GEOMETRY", v1::ENCODING_EWKB, ColumnType::kGeometry, "", "",
       "NULL [empty_geometry_to_null]"},
      {"base_type: GEOMETRY", v1::ENCODING_EWKB, ColumnType::kGeometry, "0102030405",
       Bytes("0102030405"), "damaged: a geometry cut short"},
      {"base_type: VECTOR length: 3", v1::ENCODING_VECTOR, ColumnType::kVector,
       "0000803f 00002040 000040c0", Bytes("0000803f00002040000040c0"), "[1,2.5,-3]"},
      {"base_type: VECTOR length: 3", v1::ENCODING_REAL_ARRAY, ColumnType::kVarchar,
       "0000803f 00002040 000040c0", Bytes("0000803f00002040000040c0"), "{1,2.5,-3}"},
      {"base_type: UUID", v1::ENCODING_UUID, ColumnType::kString, "123e4567e89b12d3a4564266141740",
       "123e4567-e89b-12d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174000"},
      {"base_type: UUID", v1::ENCODING_UUID, ColumnType::kString, "",
       "00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000000"},
      {"base_type: INET4", v1::ENCODING_INET, ColumnType::kString, "0a", "10.0.0.0", "10.0.0.0"},
      {"base_type: INET6", v1::ENCODING_INET, ColumnType::kString,
       "00000000000000000000ffff01020304", "::ffff:1.2.3.4", "::ffff:1.2.3.4"},
      {"base_type: INET6", v1::ENCODING_INET, ColumnType::kString, "20010db8",
       "2001:db8::", "2001:db8::"},
      {"base_type: INET6", v1::ENCODING_INET, ColumnType::kString, "", "::", "::"},
  });
}

TEST(CodecTest, WrongSizesAreNamed) {
  EXPECT_EQ(OneColumn("base_type: INT", v1::ENCODING_NUMBER).Binlog(ColumnType::kLong, "abc"),
            "damaged: an integer of the wrong size");
  EXPECT_EQ(OneColumn("base_type: INT", v1::ENCODING_NUMBER).Select("12x"),
            "damaged: a number with other characters than digits");
  EXPECT_EQ(OneColumn("base_type: BIT length: 9", v1::ENCODING_BIT).Binlog(ColumnType::kBit, "a"),
            "damaged: a bit value of the wrong size");
  EXPECT_EQ(OneColumn("base_type: DECIMAL length: 10 scale: 2", v1::ENCODING_NUMBER)
                .Binlog(ColumnType::kNewDecimal, "abc"),
            "damaged: bytes that are not a decimal of this precision");
  EXPECT_EQ(OneColumn("base_type: UUID", v1::ENCODING_UUID)
                .Binlog(ColumnType::kString, std::string(17, 'x')),
            "damaged: an address or uuid of the wrong size");
}

TEST(CodecTest, ImpossibleEncodingsAreRefused) {
  EXPECT_EQ(
      OneColumn("name: 'd' column_type: 'double' base_type: DOUBLE", v1::ENCODING_FLOAT).refusal(),
      "column d: double cannot be written as float\n"
      "HINT: Remove or change the type_override that asks for it.");
  EXPECT_EQ(OneColumn("name: 'v' column_type: 'varchar(9)' base_type: VARCHAR charset: 'klingon'",
                      v1::ENCODING_TEXT)
                .refusal(),
            "column v: unknown character set \"klingon\"\n"
            "HINT: Convert the column to a character set that chameleon knows, or exclude the "
            "table with skip_tables.");
}

}  // namespace
}  // namespace chameleon::worker::encode
