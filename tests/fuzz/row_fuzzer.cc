// Rows to literals: table definitions from the statements, table maps, row images, every codec,
// keys and JSON diffs. Input: events as in a binary log, one after the other, each cut at the size
// in its header; the statements among them make the tables. See tests/golden/row_exercise.h.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "tests/golden/row_exercise.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using chameleon::worker::binlog::kHeaderBytes;
  constexpr size_t kSizeOffset = 9;
  if (size == 0) return 0;
  const bool mariadb = (data[0] & 1) != 0;
  chameleon::test::LogSchema schema(mariadb ? "10.11.19-MariaDB" : "9.7.4",
                                    (data[0] & 2) != 0 ? "latin1" : "utf8mb4");
  chameleon::test::RowExercise exercise(&schema);
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  while (rest.size() >= kHeaderBytes) {
    uint32_t event_bytes = 0;
    std::memcpy(&event_bytes, rest.data() + kSizeOffset, sizeof event_bytes);
    const std::string_view raw = rest.substr(0, std::max<size_t>(event_bytes, kHeaderBytes));
    exercise.Take(raw).IgnoreError();
    rest.remove_prefix(raw.size());
  }
  return 0;
}
