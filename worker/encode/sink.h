// Where one literal goes: output, escaping, and the ledger of what a policy altered.
//
// A column codec appends its literal here. Losses count values, not characters.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

#include "worker/encode/escape.h"
#include "worker/encode/table_codec.h"

namespace chameleon::worker::encode {

enum class Loss : uint8_t {
  kZeroDate,       // zero or partial date, or year 0 → NULL
  kInvalidDate,    // a day that the month does not have → NULL
  kEnumInvalid,    // index 0 or beyond the labels → NULL
  kSetUnknown,     // bits without a label, dropped
  kNul,            // NUL characters removed
  kUndecodable,    // bytes that the character set does not define → U+FFFD
  kJsonNul,        // \u0000 removed
  kJsonSurrogate,  // half of a surrogate pair removed
  kJsonEmpty,      // an empty text as JSON → null
  kBoolean,        // neither 0 nor 1 → true
  kSrid,           // WKB has no place for the SRID
  kEmptyGeometry,  // no bytes at all → NULL
  kCount
};
// "zero_date_to_null": the kind as ledger and documentation call it.
const char* LossName(Loss kind);

enum class Outcome : uint8_t {
  kLiteral,
  kNull,     // a policy says NULL; nothing was appended
  kDamaged,  // not a value of this type: see Sink::problem()
};

class Sink {
 public:
  // `counting`: losses go to the ledger (a key written again is not a new loss).
  void Bind(Escape escape, bool counting, std::string* out) {
    escape_ = escape;
    counting_ = counting;
    out_ = out;
  }
  void BeginColumn(const std::string* name) {
    column_ = name;
    lost_ = 0;
  }

  Escape escape() const { return escape_; }
  std::string* out() const { return out_; }

  // A literal that needs no escaping anywhere: digits, signs, letters, spaces.
  void Clean(std::string_view literal) { out_->append(literal); }
  // Text that may hold anything.
  void Text(std::string_view utf8) {
    const TextFlaws flaws = AppendText(utf8, escape_, out_);
    if ((flaws.nul | flaws.undecodable) != 0) [[unlikely]] {
      if (flaws.nul != 0) Lost(Loss::kNul);
      if (flaws.undecodable != 0) Lost(Loss::kUndecodable);
    }
  }
  // "\x" and hexadecimal digits.
  void Bytea(std::string_view bytes);

  void Lost(Loss kind);
  Outcome Null(Loss kind) {
    Lost(kind);
    return Outcome::kNull;
  }
  Outcome Damaged(const char* problem) {
    problem_ = problem;
    return Outcome::kDamaged;
  }
  const char* problem() const { return problem_; }
  // Bit mask of the losses of this column's value; the first one.
  uint32_t lost() const { return lost_; }
  Loss first_loss() const;

  LossCounts TakeLosses();
  // Calls name(column) for each kind whose first value came since the last call.
  template <typename F>
  void NameExamples(F name) {
    for (; fresh_ != 0; fresh_ &= fresh_ - 1) {
      LossCount& entry = counts_[static_cast<size_t>(std::countr_zero(fresh_))];
      entry.example = name(entry.example);
    }
  }
  bool has_fresh_examples() const { return fresh_ != 0; }

  std::string scratch;   // decoded text
  std::string scratch2;  // inflated bytes, cleaned JSON

 private:
  Escape escape_ = Escape::kNone;
  bool counting_ = false;
  std::string* out_ = nullptr;
  const std::string* column_ = nullptr;
  const char* problem_ = "";
  uint32_t lost_ = 0;
  uint32_t fresh_ = 0;  // kinds whose example is only a column yet
  std::array<LossCount, static_cast<size_t>(Loss::kCount)> counts_;
};

}  // namespace chameleon::worker::encode
