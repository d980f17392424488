// A manual page as man(7) reads it, from the tables that --help is made of.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace chameleon {

struct ManSection {
  std::string title;  // "EXIT STATUS"
  std::string text;   // paragraphs are divided by an empty line
  std::vector<std::pair<std::string, std::string>> entries;  // term, explanation
  std::string after;                                         // a last paragraph, or ""
  std::string example;                                       // printed as it is, or ""
  bool minor = false;                                        // a subsection of the one before
};

struct ManPage {
  std::string name;     // "chamctl"
  int section = 1;      // 1: commands of users, 8: of administrators
  std::string summary;  // one line
  std::vector<std::string> synopsis;
  std::vector<ManSection> sections;
  std::vector<std::string> see_also;  // "psql(1)"
};

std::string ManText(const ManPage& page);

}  // namespace chameleon
