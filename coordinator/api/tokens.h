// The tokens of clients and of workers, as their files say today.
//
// A file that has changed is read again, so that a new token needs no restart: then the old one
// admits nobody any more, while calls that are open go on. A file that cannot be used leaves its
// last token in force, and is logged once. Thread-safe.
#pragma once

#include <sys/stat.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"

namespace chameleon::coordinator::api {

class Tokens {
 public:
  struct Pair {
    std::string client, join;  // empty: that role is not served
  };

  // Empty names: no such token. FAILED_PRECONDITION: a file that cannot be used, one token for
  // both.
  static absl::StatusOr<std::shared_ptr<Tokens>> Open(const std::string& client_file,
                                                      const std::string& join_file);
  // Looks at the files at most once a second.
  Pair Now();

 private:
  struct File {
    std::string path;
    struct stat seen {};
  };
  Tokens(const std::string& client_file, const std::string& join_file)
      : client_{client_file}, join_{join_file} {}
  absl::StatusOr<Pair> Read() const;
  static bool HasChanged(File* file);

  std::mutex mutex_;  // all below
  File client_, join_;
  Pair pair_;
  std::chrono::steady_clock::time_point looked_;
};

}  // namespace chameleon::coordinator::api
