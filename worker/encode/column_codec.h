// One column's values as literals, from either way of reading.
//
// Both methods append the same literal for the same value. Input comes from a server or a damaged
// file: sizes are checked, nothing is assumed.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "chameleon/v1/types.pb.h"
#include "worker/binlog/row_image.h"
#include "worker/encode/sink.h"

namespace chameleon::worker::encode {

class ColumnCodec {
 public:
  virtual ~ColumnCodec() = default;
  // `bytes`: the slice of a row image, without its length prefix.
  virtual Outcome FromBinlog(const binlog::ColumnMap& map, std::string_view bytes, Sink& sink) = 0;
  // `text`: what SELECT of SelectExpression() sent.
  virtual Outcome FromText(std::string_view text, Sink& sink) = 0;
  // `quoted`: the column's name in backticks.
  virtual std::string SelectExpression(std::string_view quoted) const {
    return std::string(quoted);
  }
};
using ColumnCodecPtr = std::unique_ptr<ColumnCodec>;

// INVALID_ARGUMENT: the source type cannot be written in this encoding, or the character set is
// unknown. The text names the column, not the table.
absl::StatusOr<ColumnCodecPtr> MakeColumnCodec(const v1::ColumnDef& def, v1::Encoding encoding);

// The families. Null: this encoding is impossible for the type.
ColumnCodecPtr MakeIntegerCodec(const v1::ColumnDef& def, v1::Encoding encoding);
ColumnCodecPtr MakeYearCodec(const v1::ColumnDef& def, v1::Encoding encoding);
ColumnCodecPtr MakeBitCodec(const v1::ColumnDef& def, v1::Encoding encoding);
ColumnCodecPtr MakeDecimalCodec(const v1::ColumnDef& def, v1::Encoding encoding);
ColumnCodecPtr MakeFloatCodec(const v1::ColumnDef& def, v1::Encoding encoding);
ColumnCodecPtr MakeTemporalCodec(const v1::ColumnDef& def, v1::Encoding encoding);
ColumnCodecPtr MakeLabelCodec(const v1::ColumnDef& def, v1::Encoding encoding);
ColumnCodecPtr MakeJsonCodec(v1::Encoding encoding);
ColumnCodecPtr MakeSpatialCodec(const v1::ColumnDef& def, v1::Encoding encoding);
ColumnCodecPtr MakeVectorCodec(v1::Encoding encoding);
ColumnCodecPtr MakeAddressCodec(const v1::ColumnDef& def, v1::Encoding encoding);  // uuid, inet
ColumnCodecPtr MakeBytesCodec(const v1::ColumnDef& def, v1::Encoding encoding);
class Charset;
ColumnCodecPtr MakeTextCodec(const v1::ColumnDef& def, const Charset& charset,
                             v1::Encoding encoding);

}  // namespace chameleon::worker::encode
