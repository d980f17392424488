#include "coordinator/api/tokens.h"

#include <spdlog/spdlog.h>

#include "proto/wire/error.h"
#include "proto/wire/token.h"

namespace chameleon::coordinator::api {
namespace {

constexpr std::chrono::seconds kLookAgain{1};

bool SameMoment(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

}  // namespace

absl::StatusOr<std::shared_ptr<Tokens>> Tokens::Open(const std::string& client_file,
                                                     const std::string& join_file) {
  std::shared_ptr<Tokens> tokens(new Tokens(client_file, join_file));
  HasChanged(&tokens->client_);
  HasChanged(&tokens->join_);
  auto pair = tokens->Read();
  if (!pair.ok()) return pair.status();
  tokens->pair_ = *std::move(pair);
  tokens->looked_ = std::chrono::steady_clock::now();
  return tokens;
}

// A change while the file is read shows as another one the next time: the look comes first.
bool Tokens::HasChanged(File* file) {
  if (file->path.empty()) return false;
  struct stat now {};
  stat(file->path.c_str(), &now);  // all zero when it is gone
  const struct stat before = file->seen;
  file->seen = now;
  return now.st_ino != before.st_ino || now.st_size != before.st_size ||
         !SameMoment(now.st_mtim, before.st_mtim) || !SameMoment(now.st_ctim, before.st_ctim);
}

absl::StatusOr<Tokens::Pair> Tokens::Read() const {
  Pair pair;
  for (const auto& [file, token] :
       {std::pair(&client_, &pair.client), std::pair(&join_, &pair.join)}) {
    if (file->path.empty()) continue;
    auto read = ReadTokenFile(file->path);
    if (!read.ok()) return read.status();
    *token = *std::move(read);
  }
  if (SameToken(pair.client, pair.join)) {
    return Error(absl::StatusCode::kFailedPrecondition, "TOKENS_EQUAL", join_.path,
                 "clients and workers have the same token",
                 "Make another one with: openssl rand -hex 32");
  }
  return pair;
}

Tokens::Pair Tokens::Now() {
  std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (now - looked_ < kLookAgain) return pair_;
  looked_ = now;
  const bool client = HasChanged(&client_), join = HasChanged(&join_);
  if (!client && !join) return pair_;
  auto pair = Read();
  if (!pair.ok()) {
    spdlog::warn("the tokens that were in force stay so: {}", Text(pair.status()));
    return pair_;
  }
  if (pair->client != pair_.client || pair->join != pair_.join) {
    spdlog::info("tokens read again client_file={} join_file={}", client_.path, join_.path);
  }
  pair_ = *std::move(pair);
  return pair_;
}

}  // namespace chameleon::coordinator::api
