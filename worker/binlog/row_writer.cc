// The inverse of SliceImage: see row_image.h.
#include "worker/binlog/row_image.h"

namespace chameleon::worker::binlog {

void JoinImage(const TableMap& map, const RowSlices& row, bool absent_as_null, std::string* present,
               std::string* image) {
  const size_t width = map.columns.size();
  present->assign((width + 7) / 8, '\0');
  image->clear();
  std::string nulls;
  size_t stored = 0;
  for (size_t i = 0; i < width; ++i) {
    if (row[i].state == Slice::kAbsent && !absent_as_null) continue;
    (*present)[i / 8] = static_cast<char>((*present)[i / 8] | 1 << (i % 8));
    if (stored % 8 == 0) nulls.push_back('\0');
    if (row[i].state != Slice::kValue) {
      nulls.back() = static_cast<char>(nulls.back() | 1 << (stored % 8));
    }
    ++stored;
  }
  // Bits without a column are set, as in a bitmap of all.
  for (size_t i = width; i < present->size() * 8; ++i) {
    present->back() = static_cast<char>(present->back() | 1 << (i % 8));
  }
  image->append(nulls);
  for (size_t i = 0; i < width; ++i) {
    if (row[i].state != Slice::kValue) continue;
    uint32_t size = row[i].size;
    for (size_t k = map.columns[i].prefix_bytes; k-- > 0; size >>= 8) {
      image->push_back(static_cast<char>(size & 0xff));
    }
    image->append(row[i].data, row[i].size);
  }
}

}  // namespace chameleon::worker::binlog
