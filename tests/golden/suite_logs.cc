#include "tests/golden/suite_logs.h"

#include <zlib.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <set>
#include <stdexcept>

namespace chameleon::test {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kZipMagic("PK\x03\x04", 4), kGzipMagic("\x1f\x8b", 2);
constexpr uint32_t kMagicBytes = 4;

std::string Head(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::string head(kMagicBytes, '\0');
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  return head;
}

uint32_t Little(const std::string& bytes, size_t at, size_t count) {
  if (at + count > bytes.size()) throw std::runtime_error("a zip archive is cut off");
  uint32_t value = 0;
  for (size_t i = count; i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  return value;
}

// The first `size` bytes of what is stored, or deflated, at `at`.
std::string Member(const std::string& zip, size_t at, uint32_t method, uint32_t packed,
                   uint32_t size) {
  constexpr uint32_t kStored = 0, kDeflated = 8;
  if (at + packed > zip.size()) throw std::runtime_error("a zip archive is cut off");
  if (method == kStored) return zip.substr(at, std::min(packed, size));
  if (method != kDeflated) return "";
  std::string out(size, '\0');
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) throw std::runtime_error("inflateInit2");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(zip.data() + at));
  stream.avail_in = packed;
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = size;
  inflate(&stream, Z_SYNC_FLUSH);
  out.resize(size - stream.avail_out);
  inflateEnd(&stream);
  return out;
}

// The logs in a zip archive (PKWARE APPNOTE.TXT): central directory, then each local header.
void TakeZip(const std::string& name, const std::string& zip,
             const std::function<void(const std::string&, std::string)>& take) {
  constexpr char kEnd[] = "PK\x05\x06";
  const size_t end = zip.rfind(kEnd);
  if (end == std::string::npos) throw std::runtime_error(name + ": no central directory");
  const uint32_t entries = Little(zip, end + 10, 2);
  size_t at = Little(zip, end + 16, 4);
  for (uint32_t i = 0; i < entries; ++i) {
    const uint32_t method = Little(zip, at + 10, 2), packed = Little(zip, at + 20, 4),
                   size = Little(zip, at + 24, 4), name_bytes = Little(zip, at + 28, 2),
                   local = Little(zip, at + 42, 4);
    const std::string member = zip.substr(at + 46, name_bytes);
    at += 46 + name_bytes + Little(zip, at + 30, 2) + Little(zip, at + 32, 2);
    const size_t data = local + 30 + Little(zip, local + 26, 2) + Little(zip, local + 28, 2);
    if (!IsLog(Member(zip, data, method, packed, std::min(size, kMagicBytes)))) continue;
    take(name + "!" + member, Member(zip, data, method, packed, size));
  }
}

std::vector<fs::path> Folders() {
  const char* cache = std::getenv("CHAMELEON_CACHE");
  const char* home = std::getenv("HOME");
  const fs::path base = cache != nullptr  ? fs::path(cache)
                        : home != nullptr ? fs::path(home) / ".cache/chameleon"
                                          : fs::path();
  std::vector<fs::path> folders;
  for (const char* suite : {"mysql-tests", "mariadb-tests"}) {
    for (const char* folder : {"usr/lib/mysql-test", "usr/share/mysql/mysql-test"}) {
      if (fs::is_directory(base / suite / "root" / folder)) {
        folders.push_back(base / suite / "root" / folder);
      }
    }
  }
  if (const char* given = std::getenv("CHAMELEON_LOGS")) folders.emplace_back(given);
  return folders;
}

}  // namespace

std::vector<BinlogFile> SuiteLogs() {
  std::vector<BinlogFile> logs;
  std::set<std::string> seen;
  const auto take = [&](const std::string& name, std::string bytes) {
    if (IsLog(bytes) && seen.insert(bytes).second) logs.push_back(CutLog(name, std::move(bytes)));
  };
  for (const fs::path& folder : Folders()) {
    const bool is_suite = folder.filename() == "mysql-test";
    std::vector<fs::path> paths;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (!entry.is_regular_file()) continue;
      // The suites have them there; elsewhere are tens of thousands of scripts.
      if (is_suite && entry.path().string().find("std_data") == std::string::npos) continue;
      paths.push_back(entry.path());
    }
    std::sort(paths.begin(), paths.end());
    for (const fs::path& path : paths) {
      const std::string head = Head(path);
      const std::string name = fs::relative(path, folder).string();
      if (IsLog(head) || head.starts_with(kGzipMagic)) {
        take(name, ReadFile(path));
      } else if (head == kZipMagic) {
        TakeZip(name, ReadFile(path), take);
      }
    }
  }
  std::sort(logs.begin(), logs.end(),
            [](const BinlogFile& a, const BinlogFile& b) { return a.name < b.name; });
  return logs;
}

}  // namespace chameleon::test
