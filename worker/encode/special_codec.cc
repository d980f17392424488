// Geometries, vectors, UUIDs and network addresses.
#include <arpa/inet.h>

#include <array>
#include <bit>
#include <cstring>

#include "worker/encode/column_codec.h"
#include "worker/encode/number.h"

namespace chameleon::worker::encode {
namespace {

using binlog::ColumnMap;

// Both ways of reading give the same bytes.
class RawCodec : public ColumnCodec {
 public:
  Outcome FromBinlog(const ColumnMap&, std::string_view bytes, Sink& sink) final {
    return Print(bytes, sink);
  }
  Outcome FromText(std::string_view text, Sink& sink) final { return Print(text, sink); }

 private:
  virtual Outcome Print(std::string_view bytes, Sink& sink) = 0;
};

// Stored: SRID u32 little-endian, then WKB with x before y, which is what PostGIS wants: of a
// geographic reference system x is the longitude, though MySQL's texts show the latitude first.
// PostGIS has SRIDs up to 999,999; of a larger one it would silently make another.
class SpatialCodec : public RawCodec {
 public:
  SpatialCodec(const v1::ColumnDef& def, v1::Encoding encoding)
      : ewkb_(encoding == v1::ENCODING_EWKB), srid_known_(def.has_srid()) {}

 private:
  Outcome Print(std::string_view bytes, Sink& sink) override {
    constexpr size_t kSridBytes = 4, kHeadBytes = 5;
    constexpr uint64_t kHasSrid = 0x20000000, kTypeMax = 7, kPostgisSridMax = 999'999;
    if (bytes.empty()) return sink.Null(Loss::kEmptyGeometry);
    if (bytes.size() < kSridBytes + kHeadBytes) return sink.Damaged("a geometry cut short");
    const std::string_view srid = bytes.substr(0, kSridBytes);
    const std::string_view wkb = bytes.substr(kSridBytes);
    const uint64_t type = LoadLittle(wkb.substr(1, 4));
    if (wkb[0] != 1 || type < 1 || type > kTypeMax) {
      return sink.Damaged("a geometry of an unknown kind");
    }
    const bool has_srid = LoadLittle(srid) != 0;
    if (!ewkb_) {
      if (has_srid && !srid_known_) sink.Lost(Loss::kSrid);
      sink.Bytea(wkb);
      return Outcome::kLiteral;
    }
    const bool too_large = LoadLittle(srid) > kPostgisSridMax;
    if (too_large) sink.Lost(Loss::kSrid);
    if (!has_srid || too_large) {
      AppendHex(wkb, sink.out());
      return Outcome::kLiteral;
    }
    const auto flagged = static_cast<uint32_t>(type | kHasSrid);
    char head[kHeadBytes] = {1};
    for (int i = 0; i < 4; ++i) head[1 + i] = static_cast<char>(flagged >> (8 * i));
    AppendHex({head, kHeadBytes}, sink.out());
    AppendHex(srid, sink.out());
    AppendHex(wkb.substr(kHeadBytes), sink.out());
    return Outcome::kLiteral;
  }
  const bool ewkb_, srid_known_;
};

// 32-bit floats, little-endian.
class VectorCodec : public RawCodec {
 public:
  explicit VectorCodec(v1::Encoding encoding) : encoding_(encoding) {}

 private:
  Outcome Print(std::string_view bytes, Sink& sink) override {
    if (encoding_ == v1::ENCODING_BYTEA) {
      sink.Bytea(bytes);
      return Outcome::kLiteral;
    }
    if (bytes.size() % 4 != 0) return sink.Damaged("a vector of the wrong size");
    const bool array = encoding_ == v1::ENCODING_REAL_ARRAY;
    sink.Clean(array ? "{" : "[");
    for (size_t at = 0; at < bytes.size(); at += 4) {
      if (at != 0) sink.Clean(",");
      const auto raw = static_cast<uint32_t>(LoadLittle(bytes.substr(at, 4)));
      AppendFloat(std::bit_cast<float>(raw), sink.out());
    }
    sink.Clean(array ? "}" : "]");
    return Outcome::kLiteral;
  }
  const v1::Encoding encoding_;
};

// MariaDB's uuid, inet4 and inet6: text in a SELECT; in the binary log the bytes in the order of
// the text, without trailing zeros. BINARY(16) as uuid: the same bytes both ways.
class AddressCodec : public ColumnCodec {
 public:
  explicit AddressCodec(const v1::ColumnDef& def)
      : base_(def.base_type()), size_(base_ == v1::INET4 ? 4 : 16) {}

  Outcome FromBinlog(const ColumnMap&, std::string_view bytes, Sink& sink) override {
    if (bytes.size() > size_) return sink.Damaged("an address or uuid of the wrong size");
    std::array<char, 16> padded{};
    if (!bytes.empty()) std::memcpy(padded.data(), bytes.data(), bytes.size());
    if (base_ == v1::INET4 || base_ == v1::INET6) return Address(padded.data(), sink);
    constexpr unsigned kGroups[] = {4, 2, 2, 2, 6};
    size_t at = 0;
    for (const unsigned n : kGroups) {
      if (at != 0) sink.Clean("-");
      AppendHex({padded.data() + at, n}, sink.out());
      at += n;
    }
    return Outcome::kLiteral;
  }

  Outcome FromText(std::string_view text, Sink& sink) override {
    if (base_ == v1::BINARY) return FromBinlog({}, text, sink);
    if (base_ == v1::UUID) return Uuid(text, sink);
    std::array<char, INET6_ADDRSTRLEN> terminated{};
    if (text.size() >= terminated.size()) return sink.Damaged("a text that is not an address");
    std::memcpy(terminated.data(), text.data(), text.size());
    std::array<char, 16> bytes{};
    if (inet_pton(Family(), terminated.data(), bytes.data()) != 1) {
      return sink.Damaged("a text that is not an address");
    }
    return Address(bytes.data(), sink);
  }

 private:
  int Family() const { return base_ == v1::INET4 ? AF_INET : AF_INET6; }

  Outcome Address(const char* bytes, Sink& sink) const {
    char text[INET6_ADDRSTRLEN];
    if (inet_ntop(Family(), bytes, text, sizeof text) == nullptr) {
      return sink.Damaged("bytes that are not an address");
    }
    sink.Clean(text);
    return Outcome::kLiteral;
  }

  static Outcome Uuid(std::string_view text, Sink& sink) {
    constexpr size_t kLength = 36;
    if (text.size() != kLength) return sink.Damaged("a text that is not a uuid");
    for (size_t i = 0; i < kLength; ++i) {
      const char c = text[i];
      const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
      const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
      if (dash ? c != '-' : !hex) return sink.Damaged("a text that is not a uuid");
      sink.out()->push_back(c >= 'A' && c <= 'F' ? static_cast<char>(c + 'a' - 'A') : c);
    }
    return Outcome::kLiteral;
  }

  const v1::BaseType base_;
  const size_t size_;
};

}  // namespace

ColumnCodecPtr MakeSpatialCodec(const v1::ColumnDef& def, v1::Encoding encoding) {
  if (encoding != v1::ENCODING_EWKB && encoding != v1::ENCODING_BYTEA) return nullptr;
  return std::make_unique<SpatialCodec>(def, encoding);
}

ColumnCodecPtr MakeVectorCodec(v1::Encoding encoding) {
  switch (encoding) {
    case v1::ENCODING_VECTOR:
    case v1::ENCODING_REAL_ARRAY:
    case v1::ENCODING_TEXT:
    case v1::ENCODING_BYTEA:
      return std::make_unique<VectorCodec>(encoding);
    default:
      return nullptr;
  }
}

ColumnCodecPtr MakeAddressCodec(const v1::ColumnDef& def, v1::Encoding encoding) {
  const bool inet = def.base_type() == v1::INET4 || def.base_type() == v1::INET6;
  const auto own = inet ? v1::ENCODING_INET : v1::ENCODING_UUID;
  if (encoding != own && encoding != v1::ENCODING_TEXT) return nullptr;
  return std::make_unique<AddressCodec>(def);
}

}  // namespace chameleon::worker::encode
