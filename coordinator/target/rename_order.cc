#include "coordinator/target/rename_order.h"

#include <fmt/format.h>

#include <algorithm>

namespace chameleon::coordinator::target {

std::vector<std::pair<std::string, std::string>> RenameOrder::Take() {
  std::vector<std::pair<std::string, std::string>> out;
  int number = 0;
  while (!wanted_.empty()) {
    auto next = std::find_if(wanted_.begin(), wanted_.end(),
                             [&](const auto& w) { return !taken_.contains(w.second); });
    if (next == wanted_.end()) {
      next = wanted_.begin();
      const std::string way = fmt::format("{}{}", temporary_, ++number);
      out.emplace_back(next->first, way);
      taken_.erase(next->first);
      taken_.insert(way);
      next->first = way;
      continue;
    }
    taken_.erase(next->first);
    taken_.insert(next->second);
    out.push_back(*next);
    wanted_.erase(next);
  }
  return out;
}

}  // namespace chameleon::coordinator::target
