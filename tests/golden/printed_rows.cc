#include "tests/golden/printed_rows.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <iconv.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>

#include "tests/golden/corpus.h"

namespace chameleon::test {
namespace {

namespace fs = std::filesystem;

std::string Hex(const std::string& bytes) {
  std::string out = "\\x";
  for (const char c : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return out;
}

std::string Unquoted(const std::string& printed, Tool tool) {
  constexpr std::string_view kFrom = "bnrt0", kTo("\b\n\r\t\0", 5);
  if (printed.size() < 2 || printed.front() != '\'' || printed.back() != '\'') {
    throw std::runtime_error("not a quoted value: " + printed);
  }
  std::string out;
  for (size_t i = 1; i + 1 < printed.size(); ++i) {
    const bool escape = printed[i] == '\\' && i + 2 < printed.size();
    if (escape && printed[i + 1] == 'x' && (printed[i + 2] == '0' || printed[i + 2] == '1')) {
      out += static_cast<char>(std::stoi(printed.substr(i + 2, 2), nullptr, 16));
      i += 3;
    } else if (escape && tool == Tool::kMysql) {
      const size_t letter = kFrom.find(printed[++i]);
      out += letter == std::string_view::npos ? printed[i] : kTo[letter];
    } else {
      out += printed[i];
    }
  }
  return out;
}

// By the C library, so that the worker's own tables are not their own oracle.
std::string Converted(const std::string& bytes, const std::string& from) {
  iconv_t converter = iconv_open("UTF-8", from.c_str());
  if (converter == reinterpret_cast<iconv_t>(-1)) throw std::runtime_error("no iconv: " + from);
  std::string out(4 * bytes.size(), '\0');
  char* in = const_cast<char*>(bytes.data());
  char* to = out.data();
  size_t in_left = bytes.size(), out_left = out.size();
  const size_t result = iconv(converter, &in, &in_left, &to, &out_left);
  iconv_close(converter);
  if (result == static_cast<size_t>(-1)) throw std::runtime_error("iconv cannot read " + from);
  out.resize(out.size() - out_left);
  return out;
}

// Of a latin1 byte that
// CP1252 does not have MySQL makes the control character of that number.
std::string ToUtf8(const std::string& bytes, const std::string& charset) {
  if (charset.starts_with("utf8") || charset == "ascii") return bytes;
  if (charset != "latin1") return Converted(bytes, charset);
  constexpr std::string_view kControls = "\x81\x8d\x8f\x90\x9d";
  std::string out;
  for (const char c : bytes) {
    out += kControls.find(c) != std::string_view::npos ? std::string("\xc2") + c
                                                       : Converted(std::string(1, c), "CP1252");
  }
  return out;
}

// "-1 (255)": signed, then unsigned.
std::string Integer(const v1::ColumnDef& def, const std::string& printed) {
  const size_t open = printed.find(" (");
  if (open == std::string::npos) return printed;
  return def.is_unsigned() ? printed.substr(open + 2, printed.size() - open - 3)
                           : printed.substr(0, open);
}

std::string Labels(const v1::ColumnDef& def, uint64_t bits) {
  std::string out;
  for (int i = 0; i < def.labels_size(); ++i) {
    if ((bits >> i & 1) == 0) continue;
    if (!out.empty()) out += ',';
    out += def.labels(i);
  }
  return out;
}

std::string WithoutQuotes(const std::string& printed) {
  return printed.starts_with('\'') ? printed.substr(1, printed.size() - 2) : printed;
}

std::optional<std::string> DateTime(const std::string& printed) {
  const std::string text = WithoutQuotes(printed);
  const bool partial =
      text.starts_with("0000") || text.substr(5, 2) == "00" || text.substr(8, 2) == "00";
  return partial ? std::nullopt : std::optional(text);
}

std::optional<std::string> Timestamp(const std::string& printed) {
  const time_t seconds = std::stoll(printed);
  if (seconds == 0) return std::nullopt;
  const size_t dot = printed.find('.');
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", std::gmtime(&seconds));
  return text + (dot == std::string::npos ? "" : printed.substr(dot)) + "+00";
}

std::optional<std::string> EnumLabel(const v1::ColumnDef& def, const std::string& printed) {
  const int index = std::stoi(printed);
  return index == 0 ? std::nullopt : std::optional<std::string>(def.labels(index - 1));
}

// uuid and inet are stored without the zero bytes at their end.
std::string Address(const v1::ColumnDef& def, std::string bytes) {
  char text[INET6_ADDRSTRLEN];
  bytes.resize(def.base_type() == v1::INET4 ? 4 : 16, '\0');
  if (def.base_type() != v1::UUID) {
    return inet_ntop(def.base_type() == v1::INET4 ? AF_INET : AF_INET6, bytes.data(), text,
                     sizeof text);
  }
  std::string uuid = Hex(bytes).substr(2);
  for (const int dash : {8, 13, 18, 23}) uuid.insert(dash, "-");
  return uuid;
}

// "[1.5,2]" as MySQL's tool prints it.
std::string VectorText(const std::string& literal) {
  std::string out;
  std::istringstream in(literal.substr(1, literal.size() - 2));
  for (std::string item; std::getline(in, item, ',');) {
    out += fmt::format("{}{:.5e}", out.empty() ? "[" : ",", std::strtof(item.c_str(), nullptr));
  }
  return out + "]";
}

// What a MariaDB COMPRESSED column holds is printed packed: a byte, the original length, deflated
// data without zlib's head; or 0 and the data as it is (facts of column compression: sql/field.cc).
std::string Unpacked(const std::string& packed) {
  if (packed.empty() || packed[0] == 0) return packed.empty() ? packed : packed.substr(1);
  std::string in = packed.substr(1 + (packed[0] & 7));
  std::string out(1 << 20, '\0');
  z_stream zip{};
  inflateInit2(&zip, -15);
  zip.next_in = reinterpret_cast<Bytef*>(in.data());
  zip.avail_in = static_cast<uInt>(in.size());
  zip.next_out = reinterpret_cast<Bytef*>(out.data());
  zip.avail_out = static_cast<uInt>(out.size());
  if (inflate(&zip, Z_FINISH) != Z_STREAM_END)
    throw std::runtime_error("a packed value is damaged");
  out.resize(zip.total_out);
  inflateEnd(&zip);
  return out;
}

std::string Bytes(const v1::ColumnDef& def, const std::string& printed, Tool tool) {
  const std::string bytes = Unquoted(printed, tool);
  return def.compressed() ? Unpacked(bytes) : bytes;
}

// Not for FLOAT and DOUBLE.
std::optional<std::string> Expected(const v1::ColumnDef& def, Tool tool,
                                    const std::string& printed) {
  switch (def.base_type()) {
    case v1::TINYINT:
    case v1::SMALLINT:
    case v1::MEDIUMINT:
    case v1::INT:
    case v1::BIGINT:
      return Integer(def, printed);
    case v1::DECIMAL:
      return printed;
    case v1::YEAR:
      return printed == "1900" ? "0" : printed;
    case v1::BIT:
      return printed.substr(2, printed.size() - 3);
    case v1::DATE: {
      std::string dashes = printed;
      std::replace(dashes.begin(), dashes.end(), ':', '-');
      return DateTime(dashes);
    }
    case v1::DATETIME:
      return DateTime(printed);
    case v1::TIMESTAMP:
      return Timestamp(printed);
    case v1::ENUM:
      return EnumLabel(def, printed);
    case v1::SET:
      return Labels(def, std::stoull(printed.substr(2), nullptr, 2));
    case v1::BINARY: {
      std::string bytes = Unquoted(printed, tool);
      bytes.resize(def.length(), '\0');
      return Hex(bytes);
    }
    case v1::VARBINARY:
    case v1::TINYBLOB:
    case v1::BLOB:
    case v1::MEDIUMBLOB:
    case v1::LONGBLOB:
      return Hex(Bytes(def, printed, tool));
    case v1::CHAR:
    case v1::VARCHAR:
    case v1::TINYTEXT:
    case v1::TEXT:
    case v1::MEDIUMTEXT:
    case v1::LONGTEXT: {
      std::string text = ToUtf8(Bytes(def, printed, tool), def.charset());
      std::erase(text, '\0');  // by policy
      return text;
    }
    case v1::UUID:
    case v1::INET4:
    case v1::INET6:
      return Address(def, Unquoted(printed, tool));
    case v1::TIME:
    case v1::JSON:
      return Unquoted(printed, tool);
    default:
      if (def.base_type() >= v1::GEOMETRY && def.base_type() <= v1::GEOMETRYCOLLECTION) {
        return Hex(Unquoted(printed, tool).substr(4));  // the WKB without the SRID before it
      }
      throw std::runtime_error("no rule for the type of " + def.column_type());
  }
}

std::string Output(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("cannot run " + command);
  std::string out;
  std::array<char, 1 << 16> buffer;
  while (const size_t count = fread(buffer.data(), 1, buffer.size(), pipe)) {
    out.append(buffer.data(), count);
  }
  pclose(pipe);
  return out;
}

// MySQL's by its own loader: the libraries of its distribution are newer than ours.
std::string MysqlTool() {
  const char* cache = std::getenv("CHAMELEON_CACHE");
  const char* home = std::getenv("HOME");
  const fs::path root = (cache != nullptr ? fs::path(cache) : fs::path(home) / ".cache/chameleon") /
                        "mysql-sid/root/usr";
  for (const char* loader : {"lib64/ld-linux-x86-64.so.2", "lib/ld-linux-aarch64.so.1"}) {
    if (!fs::exists(root / loader)) continue;
    for (const auto& entry : fs::directory_iterator(root / "lib")) {
      if (!entry.path().filename().string().ends_with("-linux-gnu")) continue;
      return fmt::format("{} --library-path {} {}", (root / loader).string(), entry.path().string(),
                         (root / "bin/mysqlbinlog").string());
    }
  }
  return "false";
}

}  // namespace

PrintedLog PrintLog(const std::string& bytes) {
  const TemporaryFile file(bytes);
  PrintedLog best;
  for (const Tool tool : {Tool::kMysql, Tool::kMariadb}) {
    const std::string command = tool == Tool::kMysql ? MysqlTool() : "mariadb-binlog";
    std::string text =
        Output(fmt::format("timeout 60 {} --no-defaults -vv --base64-output=DECODE-ROWS '{}' 2>&1",
                           command, file.path()));
    const bool to_the_end = text.find("# End of log file") != std::string::npos &&
                            !text.starts_with("ERROR:") &&
                            text.find("\nERROR:") == std::string::npos;
    if (to_the_end || text.size() > best.text.size()) best = {tool, std::move(text), to_the_end};
    if (to_the_end) break;
  }
  if (best.text.empty()) throw std::runtime_error("neither mysqlbinlog nor mariadb-binlog is here");
  return best;
}

std::vector<PrintedRow> PrintedRows(const std::string& text) {
  std::vector<PrintedRow> rows;
  std::map<int, std::string>* image = nullptr;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("###   @")) {
      const size_t equals = line.find('=');
      std::string value = line.substr(equals + 1, line.rfind(" /* ") - equals - 1);
      while (!value.empty() && value.back() == ' ') value.pop_back();
      (*image)[std::stoi(line.substr(7))] = value;
    } else if (line == "### WHERE") {
      image = &rows.back().before;
    } else if (line == "### SET") {
      image = &rows.back().after;
    } else if (line.starts_with("### INSERT INTO `") || line.starts_with("### UPDATE `") ||
               line.starts_with("### DELETE FROM `")) {
      PrintedRow row;
      std::string rest = line.substr(4);
      row.verb = rest.substr(0, rest.find(' '));
      rest.erase(0, rest.find('`'));
      std::erase(rest, '`');
      row.table = rest;
      rows.push_back(row);
    }
  }
  return rows;
}

std::string Difference(const v1::ColumnDef& def, Tool tool, const std::string& printed,
                       const std::optional<std::string>& literal) {
  if (printed == "NULL") return literal.has_value() ? "NULL" : "";
  if (def.base_type() == v1::FLOAT || def.base_type() == v1::DOUBLE) {
    if (!literal.has_value()) return printed;
    char text[64];
    snprintf(text, sizeof text, def.base_type() == v1::FLOAT ? "%g" : "%.20g",
             def.base_type() == v1::FLOAT ? std::strtof(literal->c_str(), nullptr)
                                          : std::strtod(literal->c_str(), nullptr));
    return text == printed ? "" : printed;
  }
  if (def.base_type() == v1::VECTOR && literal.has_value()) {
    return VectorText(*literal) == printed ? "" : printed;
  }
  const auto expected = Expected(def, tool, printed);
  return expected == literal ? "" : expected.value_or("NULL");
}

std::string AfterPartialUpdate(const std::string& expression, const std::string& before) {
  using nlohmann::json;
  if (expression.starts_with('@')) return before;  // no step at all
  const size_t open = expression.find('(');
  const std::string function = expression.substr(0, open);
  const size_t comma = expression.find(", '$");
  if (comma == std::string::npos || !expression.ends_with(')')) {
    throw std::runtime_error("not understood: " + expression);
  }
  json document = json::parse(before);
  std::string rest = expression.substr(comma + 2, expression.size() - comma - 3);
  while (!rest.empty()) {
    const size_t end = rest.find('\'', 1);
    const std::string path = rest.substr(1, end - 1);
    if (path.find_first_of("\"[*") != std::string::npos || path.size() < 3) {
      throw std::runtime_error("not understood: " + expression);
    }
    std::string pointer = path.substr(1);
    std::replace(pointer.begin(), pointer.end(), '.', '/');
    rest.erase(0, end + 1);
    const json::json_pointer target(pointer);
    if (function == "JSON_REMOVE") {
      document.at(target.parent_pointer()).erase(target.back());
    } else if (function == "JSON_REPLACE" || function == "JSON_INSERT") {
      if (document.contains(target) != (function == "JSON_REPLACE")) {
        throw std::runtime_error("does not fit: " + expression);
      }
      const size_t value_end = std::min(rest.find(", '$"), rest.size());
      std::string value = rest.substr(2, value_end - 2);
      document[target] =
          value.starts_with('\'') ? json(Unquoted(value, Tool::kMysql)) : json::parse(value);
      rest.erase(0, value_end);
    } else {
      throw std::runtime_error("not understood: " + expression);
    }
    if (rest.starts_with(", ")) rest.erase(0, 2);
  }
  return document.dump();
}

}  // namespace chameleon::test
