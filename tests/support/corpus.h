// Sample databases that are read in place and are not part of the repository.
#pragma once

#include <filesystem>
#include <optional>

namespace chameleon::test {

// $CHAMELEON_CORPUS, or ../shared/corpus beside the repository; nullopt if it is not there. Tests
// that need it then skip themselves by name.
std::optional<std::filesystem::path> CorpusDir();

}  // namespace chameleon::test
