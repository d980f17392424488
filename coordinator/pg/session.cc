#include "coordinator/pg/session.h"

#include <charconv>
#include <cstdlib>

namespace chameleon::coordinator::pg {

int64_t Rows::Int(size_t row, size_t column) const {
  int64_t value = 0;
  const std::string text = Text(row, column);
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

double Rows::Real(size_t row, size_t column) const {
  return std::strtod(Text(row, column).c_str(), nullptr);
}

std::vector<std::string> Rows::Array(size_t row, size_t column) const {
  std::vector<std::string> out;
  const std::string text = Text(row, column);
  for (size_t i = 1; i + 1 < text.size(); ++i) {  // between the braces
    std::string item;
    if (text[i] == '"') {
      for (++i; i < text.size() && text[i] != '"'; ++i) {
        if (text[i] == '\\') ++i;
        item += text[i];
      }
      ++i;
    } else {
      while (i + 1 < text.size() && text[i] != ',') item += text[i++];
    }
    out.push_back(std::move(item));
  }
  return out;
}

Transaction::~Transaction() {
  if (open_) session_->Abandon();
}

absl::Status Transaction::Begin() {
  open_ = true;
  return session_->Execute("BEGIN").status();
}

absl::Status Transaction::Commit() {
  auto rows = session_->Execute("COMMIT");
  if (rows.ok()) open_ = false;
  return rows.status();
}

}  // namespace chameleon::coordinator::pg
