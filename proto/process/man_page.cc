#include "proto/process/man_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "proto/process/version.h"

namespace chameleon {
namespace {

// Text that roff shows as it is: no requests, no escapes, minus signs that can be copied.
std::string Roff(const std::string& text) {
  std::string out;
  bool line_start = true;
  for (const char c : text) {
    if (line_start && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
    line_start = c == '\n';
  }
  return out;
}

std::string Paragraphs(const std::string& text) {
  std::stringstream lines(text);
  std::string out;
  for (std::string line; std::getline(lines, line);) {
    out += line.empty() ? ".PP\n" : Roff(line) + "\n";
  }
  return out;
}

std::string SectionText(const ManSection& section) {
  std::string out = fmt::format(".{} {}\n", section.minor ? "SS" : "SH", Roff(section.title));
  if (!section.text.empty()) out += Paragraphs(section.text);
  for (const auto& [term, text] : section.entries) {
    out += fmt::format(".TP\n\\fB{}\\fR\n{}\n", Roff(term), Roff(text));
  }
  if (!section.after.empty()) out += ".PP\n" + Paragraphs(section.after);
  if (!section.example.empty()) {
    out += fmt::format(".PP\n.nf\n.RS 4\n{}\n.RE\n.fi\n", Roff(section.example));
  }
  return out;
}

}  // namespace

std::string ManText(const ManPage& page) {
  std::string title = page.name;
  std::transform(title.begin(), title.end(), title.begin(),
                 [](unsigned char c) { return toupper(c); });
  std::string out =
      fmt::format(".TH {} {} {} \"chameleon {}\" chameleon\n.SH NAME\n{} \\- {}\n", title,
                  page.section, kVersionDate, kVersion, Roff(page.name), page.summary);
  out += ".SH SYNOPSIS\n";
  for (size_t i = 0; i < page.synopsis.size(); ++i) {
    out += fmt::format("{}\\fB{}\\fR {}\n", i == 0 ? "" : ".br\n", Roff(page.name),
                       Roff(page.synopsis[i]));
  }
  for (const ManSection& section : page.sections) out += SectionText(section);
  if (!page.see_also.empty()) {
    out += ".SH SEE ALSO\n";
    for (size_t i = 0; i < page.see_also.size(); ++i) {
      const std::string& other = page.see_also[i];
      const size_t bracket = other.find('(');
      out += fmt::format(".BR {} {}{}\n", Roff(other.substr(0, bracket)), other.substr(bracket),
                         i + 1 == page.see_also.size() ? "" : ",");
    }
  }
  return out;
}

}  // namespace chameleon
