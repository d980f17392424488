#include "proto/wire/token.h"

#include <errno.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "proto/wire/error.h"

namespace chameleon {
namespace {

constexpr size_t kTokenMin = 16;
constexpr size_t kTokenMax = 512;

absl::Status Bad(const std::string& object, std::string text, std::string hint) {
  return Error(absl::StatusCode::kFailedPrecondition, "TOKEN_FILE", object, text, hint);
}

absl::Status Check(const std::string& token, const std::string& where) {
  const bool printable =
      std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 127; });
  if (printable && token.size() >= kTokenMin && token.size() <= kTokenMax) return absl::OkStatus();
  return Bad(where,
             fmt::format("{} does not hold a token: one line of {} to {} characters without blanks",
                         where, kTokenMin, kTokenMax),
             "Make one with: openssl rand -hex 32");
}

}  // namespace

absl::StatusOr<std::string> ReadTokenFile(const std::string& path) {
  struct stat info {};
  std::ifstream file(path);
  if (!file || stat(path.c_str(), &info) != 0) {
    return Bad(path, fmt::format("cannot read the token file {}: {}", path, strerror(errno)),
               "Write a token to it: (umask 077; openssl rand -hex 32 > FILE)");
  }
  if (!S_ISREG(info.st_mode)) {
    return Bad(path, fmt::format("the token file {} is not a regular file", path), "");
  }
  if ((info.st_mode & 077) != 0) {
    return Bad(path, fmt::format("the token file {} can be read by other users", path),
               fmt::format("Run: chmod 600 {}", path));
  }
  std::string token;
  std::getline(file, token);
  while (!token.empty() && token.back() == '\r') token.pop_back();
  if (auto status = Check(token, path); !status.ok()) return status;
  return token;
}

absl::StatusOr<std::string> TokenFrom(const std::string& file) {
  std::string token;
  if (const char* given = std::getenv("CHAMELEON_TOKEN")) token = given;
  unsetenv("CHAMELEON_TOKEN");
  if (!file.empty()) return ReadTokenFile(file);
  if (token.empty()) return token;
  if (auto status = Check(token, "CHAMELEON_TOKEN"); !status.ok()) return status;
  return token;
}

bool SameToken(std::string_view a, std::string_view b) {
  if (a.empty() || a.size() != b.size()) return false;
  unsigned char difference = 0;
  for (size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned char>(a[i] ^ b[i]);
  return difference == 0;
}

bool IsLoopback(std::string_view address) {
  for (const std::string_view host : {"127.0.0.1:", "localhost:", "[::1]:"}) {
    if (address.substr(0, host.size()) == host) return true;
  }
  return false;
}

}  // namespace chameleon
