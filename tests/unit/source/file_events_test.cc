#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "proto/wire/error.h"
#include "worker/source/event_source.h"

namespace chameleon::worker::source {
namespace {

const std::string kMagic(
    "\xfe"
    "bin");

// A header of 19 bytes (its size field says `size`), then `body`.
std::string Event(uint32_t size, const std::string& body) {
  std::string e(19, '\0');
  for (int i = 0; i < 4; ++i) e[9 + i] = static_cast<char>(size >> (8 * i));
  return e + body;
}

std::string Write(const std::string& bytes) {
  std::string path = testing::TempDir() + "/events-" + std::to_string(getpid());
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

// The sizes of all events, then the text of the status that ended it.
std::string Read(const std::string& bytes) {
  auto source = OpenFileEvents(Write(bytes));
  if (!source.ok()) return Text(source.status()).substr(Text(source.status()).rfind("is "));
  std::string out;
  for (;;) {
    auto event = (*source)->Next();
    if (!event.ok()) {
      std::string text = Text(event.status());
      return out + text.substr(text.find(" at ") == std::string::npos ? 0 : text.find(" at ") + 1);
    }
    out += std::to_string(event->size()) + " ";
  }
}

TEST(FileEvents, Read) {
  EXPECT_EQ(Read(kMagic), "end of file");
  EXPECT_EQ(Read(kMagic + Event(22, "abc") + Event(19, "")), "22 19 end of file");
  EXPECT_EQ(Read("bin"), "is no binary log");
  EXPECT_EQ(Read(kMagic + Event(22, "ab")), "at 4: the file ends inside an event");
  EXPECT_EQ(Read(kMagic + Event(20, "a") + "rest"), "20 at 24: the file ends inside an event");
  EXPECT_EQ(Read(kMagic + Event(18, "")), "at 4: an event cannot have 18 bytes");
  EXPECT_EQ(Read(kMagic + Event(0x7fffffff, "")), "at 4: an event cannot have 2147483647 bytes");
}

TEST(FileEvents, Interrupted) {
  auto source = OpenFileEvents(Write(kMagic + Event(19, "")));
  (*source)->Interrupt();
  EXPECT_EQ((*source)->Next().status().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace chameleon::worker::source
