#include "worker/snapshot/spool.h"

#include <gtest/gtest.h>

#include "proto/wire/error.h"

namespace chameleon::worker::snapshot {
namespace {

struct Collect : ChunkWriter {
  absl::Status Write(std::string_view lines) override {
    EXPECT_EQ(lines.back(), '\n') << "not whole lines";
    all += lines;
    ++pieces;
    return absl::OkStatus();
  }
  absl::Status Finish(uint64_t) override { return absl::OkStatus(); }
  std::string all;
  int pieces = 0;
};

TEST(Spool, SendsWholeLinesAndEmptiesItself) {
  auto spool = Spool::Create(testing::TempDir());
  ASSERT_TRUE(spool.ok());
  std::string sent;
  for (int i = 0; i < 40; ++i) {
    std::string line(50000 + i, static_cast<char>('a' + i % 26));
    line += '\n';
    sent += line;
    ASSERT_TRUE((*spool)->Append(line).ok());
  }
  std::string huge(3 << 20, 'x');
  sent += huge + "\n";
  ASSERT_TRUE((*spool)->Append(huge + "\n").ok());
  Collect first, second;
  ASSERT_TRUE((*spool)->SendTo(&first).ok());
  EXPECT_EQ(first.all, sent);
  EXPECT_GT(first.pieces, 2);
  ASSERT_TRUE((*spool)->Append("next\n").ok());
  ASSERT_TRUE((*spool)->SendTo(&second).ok());
  EXPECT_EQ(second.all, "next\n");
}

TEST(Spool, DirectoryUnusable) {
  auto spool = Spool::Create("/nonexistent/dir");
  EXPECT_EQ(
      Text(spool.status()),
      "out_dir /nonexistent/dir cannot be written: No such file or directory\nHINT: Create the "
      "directory and make it writable, or set copy_mode to direct.");
}

}  // namespace
}  // namespace chameleon::worker::snapshot
