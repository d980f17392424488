#include "tests/golden/corpus.h"

#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace chameleon::test {
namespace {

constexpr std::string_view kMagic("\xfe\x62in", 4), kEncryptedMagic("\xfd\x62in", 4);
constexpr size_t kHeaderBytes = 19;
constexpr size_t kSizeOffset = 9;

// The whole events; what is left stays in `rest`.
void CutEvents(std::string_view bytes, BinlogFile* out) {
  while (bytes.size() >= kHeaderBytes) {
    uint32_t size = 0;
    std::memcpy(&size, bytes.data() + kSizeOffset, sizeof size);
    if (size < kHeaderBytes || size > bytes.size()) break;
    out->events.emplace_back(bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
  out->rest = bytes;
}

std::string Base64(const std::string& text) {
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (char c : text) {
    size_t digit = alphabet.find(c);
    if (digit == std::string::npos) continue;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    count += 6;
    if (count >= 8) out += static_cast<char>(bits >> (count -= 8));
  }
  return out;
}

// Each line is padded apart, so lines are decoded apart.
std::string BinlogStatements(const std::string& text) {
  constexpr char kBegin[] = "BINLOG '";
  std::string out;
  for (size_t at = text.find(kBegin); at != std::string::npos; at = text.find(kBegin, at)) {
    at += std::strlen(kBegin);
    size_t end = text.find('\'', at);
    while (at < end) {
      size_t line = std::min(text.find('\n', at), end);
      out += Base64(text.substr(at, line - at));
      at = line + 1;
    }
  }
  return out;
}

}  // namespace

std::filesystem::path CorpusDir() {
  const char* named = std::getenv("CHAMELEON_CORPUS");
  std::filesystem::path dir =
      named != nullptr ? named : std::filesystem::path(CHAMELEON_ROOT) / "../shared/corpus";
  return std::filesystem::is_directory(dir) ? std::filesystem::canonical(dir)
                                            : std::filesystem::path();
}

// gzread reads plain files as they are.
std::string ReadFile(const std::filesystem::path& path) {
  gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) throw std::runtime_error("cannot open " + path.string());
  std::string out;
  char buffer[1 << 16];
  int count;
  while ((count = gzread(file, buffer, sizeof buffer)) > 0) {
    out.append(buffer, static_cast<size_t>(count));
  }
  gzclose(file);
  if (count < 0) throw std::runtime_error("cannot read " + path.string());
  return out;
}

TemporaryFile::TemporaryFile(const std::string& bytes) {
  const int file = mkstemp(path_);
  if (file < 0 || write(file, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    throw std::runtime_error(std::string("cannot write ") + path_);
  }
  close(file);
}

TemporaryFile::~TemporaryFile() { unlink(path_); }

bool IsLog(std::string_view bytes) {
  return bytes.starts_with(kMagic) || bytes.starts_with(kEncryptedMagic);
}

BinlogFile CutLog(const std::string& name, std::string bytes) {
  BinlogFile log;
  log.name = name;
  log.bytes = std::move(bytes);
  log.encrypted = log.bytes.starts_with(kEncryptedMagic);
  if (!log.encrypted) CutEvents(std::string_view(log.bytes).substr(kMagic.size()), &log);
  return log;
}

std::vector<BinlogFile> CorpusBinlogs() {
  const std::filesystem::path root = CorpusDir() / "binlogs";
  std::vector<BinlogFile> out;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file()) continue;
    std::string name = std::filesystem::relative(entry.path(), root).string();
    std::string bytes = ReadFile(entry.path());
    if (IsLog(bytes)) {
      out.push_back(CutLog(name, std::move(bytes)));
    } else if (name.starts_with("dolt/")) {
      out.emplace_back().name = name;
      CutEvents(BinlogStatements(bytes), &out.back());
    }
  }
  std::sort(out.begin(), out.end(),
            [](const BinlogFile& a, const BinlogFile& b) { return a.name < b.name; });
  return out;
}

std::filesystem::path OwnBinlogDir() {
  return std::filesystem::path(CHAMELEON_ROOT) / "tests/golden/binlogs";
}

BinlogFile OwnBinlog(const std::string& name) {
  BinlogFile log = CutLog(name, ReadFile(OwnBinlogDir() / (name + ".binlog")));
  if (!log.rest.empty()) throw std::runtime_error(name + " is cut off");
  return log;
}

}  // namespace chameleon::test
