#include "tests/support/corpus.h"

#include <cstdlib>

namespace chameleon::test {

std::optional<std::filesystem::path> CorpusDir() {
  const char* given = std::getenv("CHAMELEON_CORPUS");
  std::filesystem::path path = given != nullptr ? given : CHAMELEON_SOURCE_DIR "/../shared/corpus";
  if (!std::filesystem::is_directory(path)) return std::nullopt;
  return path;
}

}  // namespace chameleon::test
