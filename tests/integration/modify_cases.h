// Types that columns change from and to, with values for the rows that are there.
#pragma once

#include <string>
#include <vector>

namespace chameleon::test {

enum class Servers { kBoth, kMysql, kMariadb };

struct ModifyCase {
  std::string type;                // what follows the column's name
  std::vector<std::string> plain;  // SQL; fit every type that the column can become in place
  std::vector<std::string> edge;   // SQL; may not fit
  Servers on = Servers::kBoth;
  bool narrow = false;  // plain values of others do not fit
};

const std::vector<ModifyCase>& ModifyCases();

}  // namespace chameleon::test
