// SetConfigurationFiles: the directories and the example of a new installation.
#include <fmt/format.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "coordinator/config/config.h"
#include "coordinator/config/example.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator {
namespace {

namespace fs = std::filesystem;

constexpr char kDefaultHomeText[] = "~/.pg_chameleon/";

absl::Status CannotCreate(const std::string& path, const std::string& why) {
  return Error(absl::StatusCode::kFailedPrecondition, "CANNOT_CREATE", path,
               fmt::format("cannot create {}: {}", path, why),
               "Set CHAMELEON_HOME to a directory that this user may write.");
}

// The example, with the directories of this home when it is not the default one.
std::string ExampleFor(const std::string& home) {
  std::string text = config::kExample;
  const char* user_home = std::getenv("HOME");
  if (user_home != nullptr && home == std::string(user_home) + "/.pg_chameleon") return text;
  for (size_t at = 0; (at = text.find(kDefaultHomeText, at)) != std::string::npos;) {
    text.replace(at, sizeof kDefaultHomeText - 1, home + "/");
    at += home.size();
  }
  return text;
}

}  // namespace

absl::StatusOr<v1::SetConfigurationFilesResponse> SetConfigurationFiles(const std::string& home) {
  v1::SetConfigurationFilesResponse response;
  for (const char* name : {"", "/configuration", "/pid", "/logs"}) {
    const std::string path = home + name;
    std::error_code error;
    const bool created = fs::create_directories(path, error);
    if (error) return CannotCreate(path, error.message());
    if (created) fs::permissions(path, fs::perms::owner_all, error);
    if (*name == '\0') continue;
    (created ? response.add_created() : response.add_kept())->assign(path);
  }
  // The example is ours and follows the version; a user's own files are never touched.
  const std::string path = home + "/configuration/config-example.yml";
  const std::string text = ExampleFor(home);
  std::string present;
  {
    std::ifstream file(path);
    present.assign(std::istreambuf_iterator<char>(file), {});
  }
  if (present == text) {
    response.add_kept(path);
    return response;
  }
  std::ofstream file(path);
  file << text;
  file.close();
  if (!file) return CannotCreate(path, "not written");
  ::chmod(path.c_str(), 0600);
  response.add_created(path);
  return response;
}

}  // namespace chameleon::coordinator
