#include "worker/binlog/gtid_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "proto/wire/error.h"
#include "worker/binlog/byte_cursor.h"

namespace chameleon::worker::binlog {
namespace {

constexpr size_t kUuidBytes = 16;
constexpr size_t kTagBytesMax = 32;

absl::Status BadSet(std::string_view kind, std::string_view text, std::string_view why) {
  return Error(absl::StatusCode::kInvalidArgument, "GTID_SET_INVALID", text,
               fmt::format("{} \"{}\": {}", kind, text, why), "");
}

std::string WithoutSpace(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c != ' ' && c != '\t' && c != '\n' && c != '\r') out += c;
  }
  return out;
}

// Cuts the next part off *text, at `separator` or the end.
std::string_view Cut(std::string_view* text, char separator) {
  size_t end = std::min(text->find(separator), text->size());
  std::string_view part = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  return part;
}

template <typename T>
bool ReadNumber(std::string_view text, T* out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc() && end == text.data() + text.size();
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// 32 digits, the usual dashes optional. Empty: not a uuid.
std::string ReadUuid(std::string_view text) {
  const bool dashes = text.size() == 36;
  if (!dashes && text.size() != 32) return {};
  std::string out;
  for (size_t i = 0; i < text.size(); i += 2) {
    if (dashes && (i == 8 || i == 13 || i == 18 || i == 23)) {
      if (text[i] != '-') return {};
      ++i;
    }
    int high = HexDigit(text[i]), low = HexDigit(text[i + 1]);
    if (high < 0 || low < 0) return {};
    out += static_cast<char>(high << 4 | low);
  }
  return out;
}

std::string UuidText(std::string_view uuid) {
  std::string out;
  for (size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += fmt::format("{:02x}", static_cast<uint8_t>(uuid[i]));
  }
  return out;
}

bool ReadInterval(std::string_view text, int64_t* first, int64_t* last) {
  size_t dash = text.find('-');
  if (!ReadNumber(text.substr(0, dash), first)) return false;
  *last = *first;
  if (dash != std::string_view::npos && !ReadNumber(text.substr(dash + 1), last)) return false;
  return *first >= 1 && *first <= *last && *last <= kGnoMax;
}

void PutLittle(uint64_t value, size_t bytes, std::string* out) {
  for (size_t i = 0; i < bytes; ++i) out->push_back(static_cast<char>(value >> (8 * i)));
}

}  // namespace

std::string CanonicalTag(std::string_view text) {
  if (text.empty() || text.size() > kTagBytesMax || (text[0] >= '0' && text[0] <= '9')) return {};
  std::string out;
  for (char c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')) return {};
    out += c;
  }
  return out;
}

void MysqlGtidSet::AddInterval(Intervals* intervals, int64_t first, int64_t last) {
  // The first interval that touches or follows [first, last].
  auto at = std::lower_bound(intervals->begin(), intervals->end(), first,
                             [](const auto& range, int64_t n) { return range.second + 1 < n; });
  auto end = at;
  for (; end != intervals->end() && end->first <= last + 1; ++end) {
    first = std::min(first, end->first);
    last = std::max(last, end->second);
  }
  if (at == end) {
    intervals->insert(at, {first, last});
  } else {
    *at = {first, last};
    intervals->erase(at + 1, end);
  }
}

absl::StatusOr<MysqlGtidSet> MysqlGtidSet::Parse(std::string_view text) {
  constexpr std::string_view kKind = "GTID set";
  MysqlGtidSet out;
  std::string compact = WithoutSpace(text);
  std::string_view rest = compact;
  while (!rest.empty()) {
    std::string_view entry = Cut(&rest, ',');
    if (entry.empty()) continue;
    std::string_view head = Cut(&entry, ':');
    Key key{ReadUuid(head), ""};
    if (key.first.empty()) return BadSet(kKind, text, fmt::format("\"{}\" is no uuid", head));
    if (entry.empty()) return BadSet(kKind, text, "a uuid without transaction numbers");
    bool tag_is_new = false;
    while (!entry.empty()) {
      std::string_view part = Cut(&entry, ':');
      int64_t first = 0, last = 0;
      if (std::string tag = CanonicalTag(part); !tag.empty()) {
        if (tag_is_new) return BadSet(kKind, text, "a tag without transaction numbers");
        key.second = tag;
        tag_is_new = true;
      } else if (ReadInterval(part, &first, &last)) {
        AddInterval(&out.sets_[key], first, last);
        tag_is_new = false;
      } else {
        return BadSet(kKind, text, fmt::format("\"{}\" is no range of numbers", part));
      }
    }
    if (tag_is_new) return BadSet(kKind, text, "a tag without transaction numbers");
  }
  return out;
}

void MysqlGtidSet::Add(const MysqlGtid& gtid) {
  if (gtid.anonymous) return;
  Key key{std::string(reinterpret_cast<const char*>(gtid.uuid), kUuidBytes), gtid.tag};
  AddInterval(&sets_[std::move(key)], gtid.gno, gtid.gno);
}

bool MysqlGtidSet::Contains(const MysqlGtid& gtid) const {
  if (gtid.anonymous) return false;
  auto set =
      sets_.find(Key{std::string(reinterpret_cast<const char*>(gtid.uuid), kUuidBytes), gtid.tag});
  if (set == sets_.end()) return false;
  auto at = std::lower_bound(set->second.begin(), set->second.end(), gtid.gno,
                             [](const auto& range, int64_t n) { return range.second < n; });
  return at != set->second.end() && at->first <= gtid.gno;
}

std::string MysqlGtidSet::ToString() const {
  std::string out;
  for (const auto& [key, intervals] : sets_) {
    if (!out.empty()) out += ',';
    out += UuidText(key.first);
    if (!key.second.empty()) out += ':' + key.second;
    for (const auto& [first, last] : intervals) {
      out += first == last ? fmt::format(":{}", first) : fmt::format(":{}-{}", first, last);
    }
  }
  return out;
}

// Untagged: count u64, then per uuid: 16 bytes, intervals u64, {first, last + 1} u64 each.
// Tagged: the count is 01, 6 bytes, 01, and a tag (size << 1, letters) follows each uuid.
std::string MysqlGtidSet::Encode() const {
  const bool tagged = std::any_of(sets_.begin(), sets_.end(),
                                  [](const auto& set) { return !set.first.second.empty(); });
  std::string out;
  if (tagged) {
    PutLittle(1, 1, &out);
    PutLittle(sets_.size(), 6, &out);
    PutLittle(1, 1, &out);
  } else {
    PutLittle(sets_.size(), 8, &out);
  }
  for (const auto& [key, intervals] : sets_) {
    out += key.first;
    if (tagged) {
      PutLittle(key.second.size() << 1, 1, &out);
      out += key.second;
    }
    PutLittle(intervals.size(), 8, &out);
    for (const auto& [first, last] : intervals) {
      PutLittle(static_cast<uint64_t>(first), 8, &out);
      PutLittle(static_cast<uint64_t>(last) + 1, 8, &out);
    }
  }
  return out;
}

absl::StatusOr<MysqlGtidSet> MysqlGtidSet::Decode(std::string_view block) {
  constexpr std::string_view kKind = "encoded GTID set";
  MysqlGtidSet out;
  ByteCursor in(block);
  uint64_t count = in.U64();
  const uint64_t format = count >> 56;
  if (format > 1) return BadSet(kKind, "", fmt::format("format {} is not known", format));
  if (format == 1) count = count >> 8 & 0xffffffffffff;
  for (; count > 0 && in.ok(); --count) {
    Key key{std::string(in.Bytes(kUuidBytes)), ""};
    if (format == 1) {
      std::string_view tag = in.Bytes(in.Varint());
      key.second = CanonicalTag(tag);
      if (key.second.size() != tag.size()) return BadSet(kKind, "", "a tag has odd letters");
    }
    for (uint64_t intervals = in.U64(); intervals > 0 && in.ok(); --intervals) {
      uint64_t first = in.U64(), end = in.U64();
      if (!in.ok()) break;
      if (first < 1 || first >= end || end - 1 > static_cast<uint64_t>(kGnoMax)) {
        return BadSet(kKind, "", fmt::format("range {} to {}", first, end));
      }
      AddInterval(&out.sets_[key], static_cast<int64_t>(first), static_cast<int64_t>(end - 1));
    }
  }
  if (!in.ok() || !in.AtEnd()) return BadSet(kKind, "", "its length is wrong");
  return out;
}

absl::StatusOr<MariadbGtidPosition> MariadbGtidPosition::Parse(std::string_view text) {
  constexpr std::string_view kKind = "GTID position";
  MariadbGtidPosition out;
  std::string compact = WithoutSpace(text);
  std::string_view rest = compact;
  while (!rest.empty()) {
    std::string_view entry = Cut(&rest, ',');
    std::string_view numbers = entry;
    uint32_t domain = 0, server_id = 0;
    uint64_t sequence = 0;
    if (!ReadNumber(Cut(&numbers, '-'), &domain) || !ReadNumber(Cut(&numbers, '-'), &server_id) ||
        !ReadNumber(numbers, &sequence)) {
      return BadSet(kKind, text, fmt::format("\"{}\" is no GTID", entry));
    }
    if (!out.last_.try_emplace(domain, server_id, sequence).second) {
      return BadSet(kKind, text, fmt::format("domain {} occurs twice", domain));
    }
  }
  return out;
}

void MariadbGtidPosition::Set(uint32_t domain, uint32_t server_id, uint64_t sequence) {
  last_[domain] = {server_id, sequence};
}

bool MariadbGtidPosition::Contains(const MariadbGtid& gtid) const {
  const auto last = last_.find(gtid.domain);
  return last != last_.end() && gtid.sequence <= last->second.second;
}

std::string MariadbGtidPosition::ToString() const {
  std::string out;
  for (const auto& [domain, gtid] : last_) {
    if (!out.empty()) out += ',';
    out += fmt::format("{}-{}-{}", domain, gtid.first, gtid.second);
  }
  return out;
}

}  // namespace chameleon::worker::binlog
