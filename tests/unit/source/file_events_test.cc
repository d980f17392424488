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
  const auto head = [](const std::string& text) { return text.substr(0, text.find('\n')); };
  if (!source.ok()) {
    const std::string text = head(Text(source.status()));
    return DetailOf(source.status()).reason() + ": " + text.substr(text.rfind("is "));
  }
  std::string out;
  for (;;) {
    auto event = (*source)->Next();
    if (!event.ok()) {
      if (const std::string reason = DetailOf(event.status()).reason(); !reason.empty()) {
        EXPECT_NE(Text(event.status()).find("HINT: "), std::string::npos) << reason;
        out += reason + ": ";
      }
      std::string text = head(Text(event.status()));
      return out + text.substr(text.find(" at ") == std::string::npos ? 0 : text.find(" at ") + 1);
    }
    out += std::to_string(event->size()) + " ";
  }
}

TEST(FileEvents, Read) {
  EXPECT_EQ(Read(kMagic), "end of file");
  EXPECT_EQ(Read(kMagic + Event(22, "abc") + Event(19, "")), "22 19 end of file");
  EXPECT_EQ(Read("bin"), "NOT_A_LOG: is no binary log");
  const std::string cut = "LOG_TRUNCATED: at 4: the file ends inside an event";
  EXPECT_EQ(Read(kMagic + Event(22, "ab")), cut);
  EXPECT_EQ(Read(kMagic + Event(0x3fffffff, "ab")), cut);
  EXPECT_EQ(Read(kMagic + Event(20, "a") + "rest"),
            "20 LOG_TRUNCATED: at 24: the file ends inside an event");
  EXPECT_EQ(Read(kMagic + Event(18, "")), "EVENT_DAMAGED: at 4: an event cannot have 18 bytes");
  EXPECT_EQ(Read(kMagic + Event(0x7fffffff, "")),
            "EVENT_DAMAGED: at 4: an event cannot have 2147483647 bytes");
}

TEST(FileEvents, EncryptedOnesAreRefusedByName) {
  const std::string mysql(
      "\xfd"
      "bin",
      4);
  EXPECT_EQ(Read(mysql + std::string(600, 'x')), "LOG_ENCRYPTED: is encrypted");
  std::string start = Event(19 + 17, std::string(17, 'x'));
  start[4] = static_cast<char>(164);
  EXPECT_NE(Read(kMagic + Event(19, "") + start + Event(19, "")).find("19 LOG_ENCRYPTED: "),
            std::string::npos);
}

TEST(FileEvents, Interrupted) {
  auto source = OpenFileEvents(Write(kMagic + Event(19, "")));
  (*source)->Interrupt();
  EXPECT_EQ((*source)->Next().status().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace chameleon::worker::source
