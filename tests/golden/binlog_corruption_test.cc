// Bytes that lie: every kind of event of each log, hundreds of times flipped, cut, grown and
// spliced, down to the literals of the rows. Each ends in an answer: decoded, DATA_LOSS, or
// refused; a crash, a hang or a sanitizer report is the failure.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "tests/golden/binlog_exercise.h"
#include "tests/golden/corpus.h"
#include "tests/golden/log_schema.h"
#include "tests/golden/row_exercise.h"

namespace chameleon::test {
namespace {

using worker::binlog::EventType;
using worker::binlog::kHeaderBytes;

constexpr int kMutationsPerEvent = 300;

void FixSize(std::string* raw) {
  if (raw->size() < kHeaderBytes) return;
  for (int i = 0; i < 4; ++i) (*raw)[9 + i] = static_cast<char>(raw->size() >> (8 * i));
}

std::string Mutated(const std::string& event, std::mt19937* random) {
  constexpr unsigned char kInteresting[] = {0,    1,    2,    0x7f, 0x80, 0xfa,
                                            0xfb, 0xfc, 0xfd, 0xfe, 0xff};
  std::string out = event;
  auto any = [&](size_t below) { return below == 0 ? 0 : (*random)() % below; };
  for (size_t edits = 1 + any(4); edits > 0; --edits) {
    size_t at = kHeaderBytes + any(out.size() - kHeaderBytes);
    switch (any(6)) {
      case 0:
        if (at < out.size()) out[at] = static_cast<char>(out[at] ^ 1 << any(8));
        break;
      case 1:
        if (at < out.size()) out[at] = static_cast<char>(kInteresting[any(sizeof kInteresting)]);
        break;
      case 2:
        out.resize(at);
        break;
      case 3:
        out.insert(at, std::string(1 + any(9), static_cast<char>((*random)())));
        break;
      case 4:
        if (at < out.size()) out.erase(at, 1 + any(9));
        break;
      case 5:
        if (at < out.size()) out += out.substr(at, any(64));
        break;
    }
    if (out.size() < kHeaderBytes) out.resize(kHeaderBytes);
  }
  if (any(8) != 0) FixSize(&out);
  if (any(64) == 0) out.resize(any(kHeaderBytes));
  return out;
}

// What damage may end in. Anything else would be our bug showing: INTERNAL, an exception's text.
bool IsAnswer(const absl::Status& status) {
  return status.ok() || absl::IsDataLoss(status) || absl::IsFailedPrecondition(status);
}

class Loop {
 public:
  explicit Loop(uint32_t seed) : random_(seed) {}

  // The walker and the rows' reader know the format, the schemas and the table maps of the events
  // before this one. `next`: read after a damaged table map, which says how.
  void Event(const BinlogWalker& before, const RowExercise& rows_before, const std::string& event,
             const std::string& next) {
    const auto type = static_cast<EventType>(event[4]);
    const bool changes_schema = type == EventType::kQuery ||
                                type == EventType::kMariadbQueryCompressed ||
                                type == EventType::kTransactionPayload;
    for (int i = 0; i < kMutationsPerEvent; ++i) {
      const std::string raw = Mutated(event, &random_);
      BinlogWalker walker = before;
      const auto status = walker.Take(raw);
      ASSERT_TRUE(IsAnswer(status)) << status;
      // A heap copy of exact size, so that reading past the end is seen.
      std::vector<char> exact(raw.begin(), raw.end());
      before_all_ = before;
      before_all_.TakeWithAllParsers({exact.data(), exact.size()});
      ++mutations_;
      if (changes_schema) continue;  // shared by all copies
      RowExercise rows = rows_before;
      auto values = rows.Take({exact.data(), exact.size()});
      if (values.ok() && type == EventType::kTableMap) values = rows.Take(next);
      ASSERT_TRUE(IsAnswer(values)) << values;
      rows_ += rows.rows() - rows_before.rows();
    }
  }
  long mutations() const { return mutations_; }
  uint64_t rows() const { return rows_; }

 private:
  std::mt19937 random_;
  BinlogWalker before_all_{false};
  long mutations_ = 0;
  uint64_t rows_ = 0;
};

uint32_t Seed() {
  const char* given = std::getenv("CHAMELEON_SEED");
  return given != nullptr ? static_cast<uint32_t>(std::strtoul(given, nullptr, 10)) : 20240229;
}

void Corrupt(const std::vector<BinlogFile>& files, size_t events_per_type_and_file) {
  const uint32_t seed = Seed();
  Loop loop(seed);
  for (const BinlogFile& file : files) {
    BinlogWalker walker(false);  // checksums would hide the parsers from the damage
    LogSchema schema(ServerVersionOf(file.events), FittingCharset(file.events, [](LogSchema*) {}));
    RowExercise rows(&schema);
    std::map<char, size_t> seen;
    for (size_t i = 0; i < file.events.size(); ++i) {
      const std::string& event = file.events[i];
      const std::string& next = file.events[std::min(i + 1, file.events.size() - 1)];
      if (++seen[event[4]] <= events_per_type_and_file) loop.Event(walker, rows, event, next);
      walker.Take(event).IgnoreError();
      rows.Take(event).IgnoreError();
    }
  }
  printf("%ld mutations, %lu damaged rows read, seed %u\n", loop.mutations(), loop.rows(), seed);
  EXPECT_GT(loop.mutations(), 5000);
  EXPECT_GT(loop.rows(), 1000u);
}

TEST(BinlogCorruption, EveryEventOfOurLogs) {
  Corrupt({OwnBinlog("mysql97"), OwnBinlog("mariadb1011"), OwnBinlog("mariadb1011_oldtime")}, 1000);
}

TEST(BinlogCorruption, EveryEventKindOfTheCorpus) {
  SKIP_WITHOUT_CORPUS();
  Corrupt(CorpusBinlogs(), 3);
}

}  // namespace
}  // namespace chameleon::test
