// Bytes that lie: every kind of event of each log, hundreds of times flipped, cut, grown and
// spliced. The decoder answers with a status; a crash, a hang or a sanitizer report is the failure.
#include <gtest/gtest.h>
#include <zlib.h>

#include <chrono>
#include <cstdlib>
#include <random>

#include "tests/golden/binlog_exercise.h"
#include "tests/golden/corpus.h"

namespace chameleon::test {
namespace {

constexpr size_t kHeaderBytes = 19;
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

class Loop {
 public:
  explicit Loop(uint32_t seed) : random_(seed) {}

  // The walker knows the format and the table maps of the events before this one.
  void Event(const BinlogWalker& before, const std::string& event) {
    for (int i = 0; i < kMutationsPerEvent && !Late(); ++i) {
      std::string raw = Mutated(event, &random_);
      BinlogWalker walker = before;
      walker.Take(raw).IgnoreError();
      // A heap copy of exact size, so that reading past the end is seen.
      std::vector<char> exact(raw.begin(), raw.end());
      before_all_ = before;
      before_all_.TakeWithAllParsers({exact.data(), exact.size()});
      ++mutations_;
    }
  }
  bool Late() const { return std::chrono::steady_clock::now() > deadline_; }
  long mutations() const { return mutations_; }

 private:
  std::mt19937 random_;
  BinlogWalker before_all_{false};
  std::chrono::steady_clock::time_point deadline_ =
      std::chrono::steady_clock::now() + std::chrono::seconds(90);
  long mutations_ = 0;
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
    std::map<char, size_t> seen;
    for (const std::string& event : file.events) {
      if (++seen[event[4]] <= events_per_type_and_file) loop.Event(walker, event);
      walker.Take(event).IgnoreError();
    }
  }
  printf("%ld mutations, seed %u%s\n", loop.mutations(), seed, loop.Late() ? ", out of time" : "");
  EXPECT_GT(loop.mutations(), 5000);
}

TEST(BinlogCorruption, OurLogs) { Corrupt({OwnBinlog("mysql97"), OwnBinlog("mariadb1011")}, 40); }

TEST(BinlogCorruption, EveryEventKindOfTheCorpus) {
  SKIP_WITHOUT_CORPUS();
  Corrupt(CorpusBinlogs(), 3);
}

}  // namespace
}  // namespace chameleon::test
