#include "worker/encode/column_codec.h"

#include "fmt/format.h"
#include "proto/wire/error.h"
#include "worker/encode/charset.h"

namespace chameleon::worker::encode {
namespace {

// ASCII of the encoding's name: "ENCODING_JSON" → "json".
std::string EncodingName(v1::Encoding encoding) {
  std::string name = v1::Encoding_Name(encoding);
  constexpr std::string_view kPrefix = "ENCODING_";
  if (name.starts_with(kPrefix)) name.erase(0, kPrefix.size());
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 'a' - 'A');
  }
  return name;
}

absl::StatusOr<ColumnCodecPtr> MakeStringCodec(const v1::ColumnDef& def, v1::Encoding encoding) {
  absl::StatusOr<const Charset*> charset = Charset::Find(def.charset());
  if (!charset.ok()) return charset.status();
  return MakeTextCodec(def, **charset, encoding);
}

absl::StatusOr<ColumnCodecPtr> Make(const v1::ColumnDef& def, v1::Encoding encoding) {
  switch (def.base_type()) {
    case v1::TINYINT:
    case v1::SMALLINT:
    case v1::MEDIUMINT:
    case v1::INT:
    case v1::BIGINT:
      return MakeIntegerCodec(def, encoding);
    case v1::YEAR:
      return MakeYearCodec(def, encoding);
    case v1::BIT:
      return MakeBitCodec(def, encoding);
    case v1::DECIMAL:
      return MakeDecimalCodec(def, encoding);
    case v1::FLOAT:
    case v1::DOUBLE:
      return MakeFloatCodec(def, encoding);
    case v1::DATE:
    case v1::TIME:
    case v1::DATETIME:
    case v1::TIMESTAMP:
      return MakeTemporalCodec(def, encoding);
    case v1::CHAR:
    case v1::VARCHAR:
    case v1::TINYTEXT:
    case v1::TEXT:
    case v1::MEDIUMTEXT:
    case v1::LONGTEXT:
      return MakeStringCodec(def, encoding);
    case v1::BINARY:
    case v1::VARBINARY:
    case v1::TINYBLOB:
    case v1::BLOB:
    case v1::MEDIUMBLOB:
    case v1::LONGBLOB:
      if (encoding == v1::ENCODING_BYTEA) return MakeBytesCodec(def, encoding);
      if (encoding == v1::ENCODING_UUID) {
        if (def.base_type() != v1::BINARY || def.length() != 16) return nullptr;
        return MakeAddressCodec(def, encoding);
      }
      return encoding == v1::ENCODING_INET ? nullptr : MakeStringCodec(def, encoding);
    case v1::ENUM:
    case v1::SET:
      return MakeLabelCodec(def, encoding);
    case v1::JSON:
      return MakeJsonCodec(encoding);
    case v1::GEOMETRY:
    case v1::POINT:
    case v1::LINESTRING:
    case v1::POLYGON:
    case v1::MULTIPOINT:
    case v1::MULTILINESTRING:
    case v1::MULTIPOLYGON:
    case v1::GEOMETRYCOLLECTION:
      return MakeSpatialCodec(def, encoding);
    case v1::VECTOR:
      return MakeVectorCodec(encoding);
    case v1::UUID:
    case v1::INET4:
    case v1::INET6:
      return MakeAddressCodec(def, encoding);
    default:
      return nullptr;
  }
}

}  // namespace

absl::StatusOr<ColumnCodecPtr> MakeColumnCodec(const v1::ColumnDef& def, v1::Encoding encoding) {
  absl::StatusOr<ColumnCodecPtr> codec = Make(def, encoding);
  if (!codec.ok()) return WithContext(codec.status(), fmt::format("column {}", def.name()));
  if (*codec == nullptr) {
    return Error(absl::StatusCode::kInvalidArgument, "ENCODING_IMPOSSIBLE", def.name(),
                 fmt::format("column {}: {} cannot be written as {}", def.name(), def.column_type(),
                             EncodingName(encoding)),
                 "Remove or change the type_override that asks for it.");
  }
  return codec;
}

}  // namespace chameleon::worker::encode
