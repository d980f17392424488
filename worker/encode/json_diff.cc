#include "worker/encode/json_diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "worker/binlog/byte_cursor.h"
#include "worker/encode/json_types.h"
#include "worker/encode/number.h"

namespace chameleon::worker::encode {
namespace {

using namespace json_type;

enum Operation : uint8_t { kReplace = 0, kInsert = 1, kRemove = 2 };

constexpr int kDepthMax = 128;
constexpr char kShared[] = "values that share bytes";
constexpr size_t kLargeWord = 4;

struct Member;

// A value whose containers are taken apart as far as a diff needs it.
struct Node {
  uint8_t type = kLiteral;  // kLargeObject and kLargeArray once it is opened
  std::string_view raw;     // not opened: from its first byte on, perhaps too long
  bool opened = false;
  std::vector<Member> members;  // of an object, sorted as the server does
  std::vector<Node> items;      // of an array

  bool is_object() const { return type == kSmallObject || type == kLargeObject; }
  bool is_array() const { return type == kSmallArray || type == kLargeArray; }
};

struct Member {
  std::string key;
  Node value;
};

absl::Status Damaged(const char* what) {
  return absl::DataLossError(fmt::format("a partial JSON update is damaged: {}", what));
}

absl::Status Unfit(std::string_view path) {
  return absl::FailedPreconditionError(
      fmt::format("a partial JSON update does not fit the document at {}", path));
}

// Objects are sorted by length of the key, then by its bytes.
bool KeyBefore(std::string_view a, std::string_view b) {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

// In a sound document every entry, key and value has bytes of its own. The budget stops damaged
// ones whose offsets share bytes and would multiply.
bool Spend(size_t bytes, size_t* budget) {
  const bool enough = bytes <= *budget;
  *budget -= enough ? bytes : 0;
  return enough;
}

absl::Status Open(Node* node, size_t* budget) {
  if (node->opened || (!node->is_object() && !node->is_array())) return absl::OkStatus();
  const bool object = node->is_object();
  const size_t word = node->type == kLargeObject || node->type == kLargeArray ? kLargeWord : 2;
  std::string_view data = node->raw;
  if (data.size() < 2 * word) return Damaged("a container beyond the end");
  const uint64_t count = LoadLittle(data.substr(0, word));
  const uint64_t bytes = LoadLittle(data.substr(word, word));
  const size_t key_entry = object ? word + 2 : 0;
  if (bytes > data.size() || 2 * word + count * (key_entry + 1 + word) > bytes) {
    return Damaged("a container beyond the end");
  }
  if (!Spend(2 * word + count * (key_entry + 1 + word), budget)) return Damaged(kShared);
  data = data.substr(0, bytes);
  for (size_t i = 0; i < count; ++i) {
    const size_t at = 2 * word + count * key_entry + i * (1 + word);
    Node child;
    child.type = static_cast<uint8_t>(data[at]);
    const bool in_place = child.type == kLiteral || child.type == kInt16 || child.type == kUint16 ||
                          (word == kLargeWord && (child.type == kInt32 || child.type == kUint32));
    const uint64_t offset = in_place ? at + 1 : LoadLittle(data.substr(at + 1, word));
    if (offset >= data.size()) return Damaged("a value beyond the end");
    child.raw = data.substr(offset);
    if (!object) {
      node->items.push_back(std::move(child));
      continue;
    }
    const size_t key_at = 2 * word + i * key_entry;
    const uint64_t key = LoadLittle(data.substr(key_at, word));
    const uint64_t length = LoadLittle(data.substr(key_at + word, 2));
    if (key + length > bytes) return Damaged("a key beyond the end");
    if (!Spend(length, budget)) return Damaged(kShared);
    node->members.push_back({std::string(data.substr(key, length)), std::move(child)});
  }
  node->opened = true;
  node->type = object ? kLargeObject : kLargeArray;
  return absl::OkStatus();
}

// Bytes of a scalar or of a container that was not opened.
absl::StatusOr<std::string_view> OwnBytes(const Node& node, size_t* budget) {
  size_t size = 0;
  std::string_view data = node.raw;
  switch (node.type) {
    case kLiteral:
      size = 1;
      break;
    case kInt16:
    case kUint16:
      size = 2;
      break;
    case kInt32:
    case kUint32:
      size = 4;
      break;
    case kInt64:
    case kUint64:
    case kDouble:
      size = 8;
      break;
    case kSmallObject:
    case kSmallArray:
      if (data.size() >= 4) size = LoadLittle(data.substr(2, 2));
      break;
    case kLargeObject:
    case kLargeArray:
      if (data.size() >= 8) size = LoadLittle(data.substr(4, 4));
      break;
    case kString:
    case kOpaque: {
      const size_t head = node.type == kOpaque ? 1 : 0;
      uint64_t length = 0;
      size_t at = head;
      for (unsigned shift = 0; at < data.size() && shift < 35; shift += 7) {
        const auto c = static_cast<unsigned char>(data[at++]);
        length |= uint64_t{c & 0x7Fu} << shift;
        if ((c & 0x80) == 0) {
          size = at + length;
          break;
        }
      }
      break;
    }
    default:
      return Damaged("an unknown type");
  }
  if (size == 0 || size > data.size()) return Damaged("a value beyond the end");
  if (!Spend(size, budget)) return Damaged(kShared);
  return data.substr(0, size);
}

void AppendLittle(uint64_t value, size_t bytes, std::string* out) {
  for (; bytes > 0; --bytes, value >>= 8) out->push_back(static_cast<char>(value & 0xff));
}
void StoreLittle(uint64_t value, size_t bytes, size_t at, std::string* out) {
  for (; bytes > 0; --bytes, value >>= 8) (*out)[at++] = static_cast<char>(value & 0xff);
}

// Everything that was opened is written in the large form, which any reader takes.
absl::Status Write(const Node& node, int depth, size_t* budget, std::string* out) {
  if (depth > kDepthMax) return Damaged("it is nested too deeply");
  if (!node.opened) {
    auto bytes = OwnBytes(node, budget);
    if (!bytes.ok()) return bytes.status();
    out->append(*bytes);
    return absl::OkStatus();
  }
  const bool object = node.is_object();
  const size_t count = object ? node.members.size() : node.items.size();
  const size_t begin = out->size();
  const size_t key_entry = object ? kLargeWord + 2 : 0;
  const size_t entries = begin + 2 * kLargeWord + count * key_entry;
  AppendLittle(count, kLargeWord, out);
  out->append(kLargeWord + count * (key_entry + 1 + kLargeWord), '\0');
  for (size_t i = 0; object && i < count; ++i) {
    const std::string& key = node.members[i].key;
    const size_t at = begin + 2 * kLargeWord + i * key_entry;
    StoreLittle(out->size() - begin, kLargeWord, at, out);
    StoreLittle(key.size(), 2, at + kLargeWord, out);
    out->append(key);
  }
  for (size_t i = 0; i < count; ++i) {
    const Node& child = object ? node.members[i].value : node.items[i];
    const size_t at = entries + i * (1 + kLargeWord);
    (*out)[at] = static_cast<char>(child.type);
    const bool small = child.type == kLiteral || (child.type >= kInt16 && child.type <= kUint32);
    if (!small) {
      StoreLittle(out->size() - begin, kLargeWord, at + 1, out);
      auto status = Write(child, depth + 1, budget, out);
      if (!status.ok()) return status;
      continue;
    }
    auto bytes = OwnBytes(child, budget);
    if (!bytes.ok()) return bytes.status();
    // Signed or not, the readers take as many bytes as the type has.
    out->replace(at + 1, bytes->size(), *bytes);
  }
  if (out->size() - begin > UINT32_MAX) return Damaged("the document is too large");
  StoreLittle(out->size() - begin, kLargeWord, begin + kLargeWord, out);
  return absl::OkStatus();
}

// One step of a path: a key, or an index.
struct Leg {
  bool is_key = false;
  std::string key;
  uint64_t index = 0;
};

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

void AppendUtf8(uint32_t c, std::string* out) {
  if (c < 0x80) {
    out->push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out->push_back(static_cast<char>(0xC0 | c >> 6));
    out->push_back(static_cast<char>(0x80 | (c & 0x3F)));
  } else {
    out->push_back(static_cast<char>(0xE0 | c >> 12));
    out->push_back(static_cast<char>(0x80 | (c >> 6 & 0x3F)));
    out->push_back(static_cast<char>(0x80 | (c & 0x3F)));
  }
}

// After the opening quote: a JSON string. The server escapes control characters, quotes and
// backslashes only, so no surrogate pairs.
bool ParseQuoted(std::string_view* path, std::string* key) {
  while (!path->empty()) {
    char c = path->front();
    path->remove_prefix(1);
    if (c == '"') return true;
    if (c != '\\') {
      key->push_back(c);
      continue;
    }
    if (path->empty()) return false;
    c = path->front();
    path->remove_prefix(1);
    static constexpr std::string_view kEscapes = "bfnrt\"\\/", kCharacters = "\b\f\n\r\t\"\\/";
    if (const size_t i = kEscapes.find(c); i != std::string_view::npos) {
      key->push_back(kCharacters[i]);
      continue;
    }
    if (c != 'u' || path->size() < 4) return false;
    uint32_t unit = 0;
    for (size_t i = 0; i < 4; ++i) {
      const int digit = HexDigit((*path)[i]);
      if (digit < 0) return false;
      unit = unit << 4 | static_cast<uint32_t>(digit);
    }
    if (unit >= 0xD800 && unit < 0xE000) return false;
    AppendUtf8(unit, key);
    path->remove_prefix(4);
  }
  return false;
}

absl::StatusOr<std::vector<Leg>> ParsePath(std::string_view path) {
  const std::string_view whole = path;
  std::vector<Leg> legs;
  if (!path.starts_with('$')) return Unfit(whole);
  path.remove_prefix(1);
  while (!path.empty()) {
    Leg leg;
    const char c = path.front();
    path.remove_prefix(1);
    if (c == '[') {
      const auto read = std::from_chars(path.data(), path.data() + path.size(), leg.index);
      if (read.ec != std::errc()) return Unfit(whole);
      path.remove_prefix(static_cast<size_t>(read.ptr - path.data()));
      if (!path.starts_with(']')) return Unfit(whole);
      path.remove_prefix(1);
    } else if (c == '.' && path.starts_with('"')) {
      leg.is_key = true;
      path.remove_prefix(1);
      if (!ParseQuoted(&path, &leg.key)) return Unfit(whole);
    } else if (c == '.') {
      leg.is_key = true;
      const size_t end = std::min(path.find_first_of(".["), path.size());
      leg.key = path.substr(0, end);
      if (leg.key.empty() || leg.key.find('*') != std::string::npos) return Unfit(whole);
      path.remove_prefix(end);
    } else {
      return Unfit(whole);
    }
    legs.push_back(std::move(leg));
  }
  return legs;
}

// The child that `leg` names, or null.
Node* Child(Node* node, const Leg& leg) {
  if (leg.is_key != node->is_object()) return nullptr;
  if (!leg.is_key) return leg.index < node->items.size() ? &node->items[leg.index] : nullptr;
  for (auto& [key, value] : node->members) {
    if (key == leg.key) return &value;
  }
  return nullptr;
}

// False: it does not fit.
bool Change(Node* parent, const Leg& leg, uint8_t operation, Node value) {
  Node* const child = Child(parent, leg);
  if (operation == kReplace) {
    if (child == nullptr) return false;
    *child = std::move(value);
    return true;
  }
  if (operation == kRemove) {
    if (child == nullptr) return false;
    if (leg.is_key) {
      std::erase_if(parent->members, [&](const auto& member) { return member.key == leg.key; });
    } else {
      parent->items.erase(parent->items.begin() + static_cast<ptrdiff_t>(leg.index));
    }
    return true;
  }
  if (leg.is_key) {
    if (!parent->is_object() || child != nullptr) return false;
    const auto at =
        std::find_if(parent->members.begin(), parent->members.end(),
                     [&](const auto& member) { return KeyBefore(leg.key, member.key); });
    parent->members.insert(at, {leg.key, std::move(value)});
    return true;
  }
  if (!parent->is_array()) return false;
  // Behind the end means at the end: JSON_SET(doc, '$[99]', …) is logged as it was written.
  const size_t at = std::min<size_t>(leg.index, parent->items.size());
  parent->items.insert(parent->items.begin() + static_cast<ptrdiff_t>(at), std::move(value));
  return true;
}

absl::Status Apply(uint8_t operation, std::string_view path, const Node& value, size_t* budget,
                   Node* root) {
  auto legs = ParsePath(path);
  if (!legs.ok()) return legs.status();
  if (legs->empty()) {  // the document itself
    if (operation != kReplace) return Unfit(path);
    *root = value;
    return absl::OkStatus();
  }
  Node* node = root;
  for (size_t i = 0; i < legs->size(); ++i) {
    if (auto status = Open(node, budget); !status.ok()) return status;
    if (i + 1 == legs->size()) {
      return Change(node, (*legs)[i], operation, value) ? absl::OkStatus() : Unfit(path);
    }
    node = Child(node, (*legs)[i]);
    if (node == nullptr) return Unfit(path);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> ApplyJsonDiffs(std::string_view document, std::string_view diffs) {
  static constexpr char kNull = 0;
  Node root{.type = kLiteral, .raw = {&kNull, 1}};  // no bytes at all: null
  if (!document.empty()) {
    root = {.type = static_cast<uint8_t>(document[0]), .raw = document.substr(1)};
  }
  // Twice: what an entry holds in place is read with its container and written as a value.
  size_t budget = 2 * (document.size() + diffs.size()) + 16;
  binlog::ByteCursor in(diffs);
  while (in.ok() && in.offset() < diffs.size()) {
    const uint8_t operation = in.U8();
    const std::string_view path = in.LenencBytes();
    Node value;
    if (operation != kRemove) {
      const std::string_view bytes = in.LenencBytes();
      if (!in.ok() || bytes.empty()) break;
      value = {.type = static_cast<uint8_t>(bytes[0]), .raw = bytes.substr(1)};
    }
    if (!in.ok() || operation > kRemove) return Damaged("a diff is cut off or unknown");
    if (auto status = Apply(operation, path, value, &budget, &root); !status.ok()) return status;
  }
  if (!in.ok() || in.offset() != diffs.size()) return Damaged("a diff is cut off");
  std::string out(1, static_cast<char>(root.type));
  if (auto status = Write(root, 0, &budget, &out); !status.ok()) return status;
  return out;
}

}  // namespace chameleon::worker::encode
