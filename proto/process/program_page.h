// The manual page of a program whose options are a CLI::App: the same table as its --help.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <utility>
#include <vector>

#include "proto/process/man_page.h"

namespace chameleon {

// Options of an empty group are hidden there as here.
inline ManSection OptionsOf(const CLI::App& app) {
  ManSection section{.title = "OPTIONS"};
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    std::string term = option->get_name(false, true);
    for (size_t at = 0; (at = term.find(',', at)) != std::string::npos; at += 2) {
      term.insert(at + 1, " ");
    }
    const bool takes_value = option->get_items_expected_max() > 0;
    if (takes_value) term += " " + option->get_type_name();
    std::string text = option->get_description();
    const std::string value = option->get_default_str();
    if (takes_value && !value.empty()) text += " (default: " + value + ")";
    section.entries.emplace_back(term, text);
  }
  return section;
}

}  // namespace chameleon
