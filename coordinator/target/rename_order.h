// Renames that form chains and circles, one after another.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

namespace chameleon::coordinator::target {

class RenameOrder {
 public:
  // `taken`: names in use; what is renamed is among them. `temporary`: how names begin that are
  // needed in between.
  RenameOrder(std::set<std::string> taken, std::string temporary)
      : taken_(std::move(taken)), temporary_(std::move(temporary)) {}

  void Add(const std::string& from, const std::string& to) {
    if (from != to) wanted_.emplace_back(from, to);
  }
  // The steps. Empties this.
  std::vector<std::pair<std::string, std::string>> Take();

 private:
  std::set<std::string> taken_;
  const std::string temporary_;
  std::vector<std::pair<std::string, std::string>> wanted_;
};

}  // namespace chameleon::coordinator::target
