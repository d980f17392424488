#include "worker/encode/sink.h"

#include <bit>
#include <utility>

namespace chameleon::worker::encode {

const char* LossName(Loss kind) {
  switch (kind) {
    case Loss::kZeroDate:
      return "zero_date_to_null";
    case Loss::kInvalidDate:
      return "invalid_date_to_null";
    case Loss::kEnumInvalid:
      return "enum_invalid_to_null";
    case Loss::kSetUnknown:
      return "set_unknown_dropped";
    case Loss::kNul:
      return "nul_removed";
    case Loss::kUndecodable:
      return "undecodable_bytes_replaced";
    case Loss::kJsonNul:
      return "json_nul_removed";
    case Loss::kJsonSurrogate:
      return "json_surrogate_removed";
    case Loss::kJsonEmpty:
      return "json_empty_to_null";
    case Loss::kBoolean:
      return "number_to_true";
    case Loss::kSrid:
      return "srid_dropped";
    case Loss::kEmptyGeometry:
      return "empty_geometry_to_null";
    case Loss::kCount:
      break;
  }
  return "unknown";
}

void Sink::Bytea(std::string_view bytes) {
  switch (escape_) {
    case Escape::kNone:
      out_->append("\\x");
      break;
    case Escape::kCopy:
    case Escape::kJson:
      out_->append("\\\\x");
      break;
    case Escape::kJsonInCopy:
      out_->append("\\\\\\\\x");
      break;
  }
  AppendHex(bytes, out_);
}

void Sink::Lost(Loss kind) {
  const uint32_t bit = 1u << static_cast<unsigned>(kind);
  if (counting_ && (lost_ & bit) == 0) {
    LossCount& entry = counts_[static_cast<size_t>(kind)];
    if (entry.count++ == 0) {
      fresh_ |= bit;
      if (column_ != nullptr) entry.example = *column_;
    }
  }
  lost_ |= bit;
}

Loss Sink::first_loss() const { return static_cast<Loss>(std::countr_zero(lost_)); }

LossCounts Sink::TakeLosses() {
  LossCounts taken;
  fresh_ = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    if (counts_[i].count == 0) continue;
    taken.emplace(LossName(static_cast<Loss>(i)), std::move(counts_[i]));
    counts_[i] = {};
  }
  return taken;
}

}  // namespace chameleon::worker::encode
