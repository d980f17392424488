// libFuzzer target of the event decoder. Input: events as in a binary log, one after the other,
// each cut at the size in its header, so that a mutated format description or table map changes how
// the rest is read. Seed corpus: any binary log without its first four bytes.
#include <algorithm>
#include <cstring>

#include "tests/golden/binlog_exercise.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
  using chameleon::worker::binlog::kHeaderBytes;
  constexpr size_t kSizeOffset = 9;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  chameleon::test::BinlogWalker walker(/*verify_checksums=*/false);
  while (rest.size() >= kHeaderBytes) {
    uint32_t event_bytes = 0;
    std::memcpy(&event_bytes, rest.data() + kSizeOffset, sizeof event_bytes);
    std::string_view raw = rest.substr(0, std::max<size_t>(event_bytes, kHeaderBytes));
    walker.Take(raw).IgnoreError();
    rest.remove_prefix(raw.size());
  }
  std::string_view all(reinterpret_cast<const char*>(data), size);
  walker.TakeWithAllParsers(all);
  return 0;
}
