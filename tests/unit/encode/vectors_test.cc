// go-mysql's vectors of stored values, read in place.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "fmt/format.h"
#include "tests/unit/encode/testing.h"
#include "worker/encode/number.h"

namespace chameleon::worker::encode {
namespace {

std::filesystem::path Corpus() {
  if (const char* folder = std::getenv("CHAMELEON_CORPUS")) return folder;
  return std::filesystem::path(CHAMELEON_SOURCE_DIR) / "../shared/corpus";
}

TEST(VectorsTest, GoMysql) {
  const auto path = Corpus() / "vectors/go-mysql-column-values.json";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not here";
  std::ifstream file(path);
  const auto all = nlohmann::json::parse(file);
  int checked = 0;
  for (const auto& vector : all["vectors"]) {
    const std::string type = vector["type"];
    std::string bytes = Bytes(std::string(vector["hex"]));
    if (vector.contains("length") && vector["length"].is_number())
      bytes.resize(vector["length"].get<size_t>());
    const unsigned fsp =
        vector.contains("fsp") && vector["fsp"].is_number() ? vector["fsp"].get<unsigned>() : 0;
    const std::string expected = vector["expected"];
    std::string def;
    auto encoding = v1::ENCODING_TEXT;
    auto code = binlog::ColumnType::kNull;
    if (type == "NEWDECIMAL") {
      def = fmt::format("base_type: DECIMAL length: {} scale: {}", vector["precision"].get<int>(),
                        vector["scale"].get<int>());
      code = binlog::ColumnType::kNewDecimal;
      bytes.resize(DecimalBytes(vector["precision"].get<int>(), vector["scale"].get<int>()));
      encoding = v1::ENCODING_NUMBER;
    } else if (type == "TIME2") {
      def = fmt::format("base_type: TIME fsp: {}", fsp);
      bytes.resize(3 + (fsp + 1) / 2);
      code = binlog::ColumnType::kTime2;
    } else if (type == "DATETIME2") {
      def = fmt::format("base_type: DATETIME fsp: {}", fsp);
      bytes.resize(5 + (fsp + 1) / 2);
      code = binlog::ColumnType::kDatetime2;
    } else {
      FAIL() << "a vector of type " << type;
    }
    EXPECT_EQ(OneColumn(def, encoding).Binlog(code, bytes), expected) << vector.dump();
    ++checked;
  }
  EXPECT_EQ(checked, 225);
}

}  // namespace
}  // namespace chameleon::worker::encode
