// One canonical text per value, from what each database prints, so that equal values compare equal
// bytes. Written against the servers' manuals and not shared with the product: this is the oracle.
//
// Policies applied to the MySQL side, as documented for users: zero and partial dates and empty
// geometries are NULL, NUL characters are removed from text.
#pragma once

#include <string>
#include <string_view>

namespace chameleon::test {

// How a column's two texts are brought together.
enum class Canon {
  kText,      // as it is; NUL removed
  kBytes,     // raw bytes → \x… in hex
  kDouble,    // any spelling of a double → shortest round trip
  kFloat,     // the same for a float
  kDate,      // zero and partial → NULL
  kDateTime,  // …, fraction padded to six digits
  kTime,      // [-]hhh:mm:ss[.f] → microseconds
  kJson,      // sorted keys, last duplicate wins, normalised numbers, no spaces
  kWkb,       // SRID and WKB as the server stores geometry → \x… of the WKB
  kEwkb,      // the same → srid:\x…
  kInet,      // an address, however its zeros are shortened → its bytes
  kVector,    // floats, little-endian → {1,2.5}
};

// Appends the canonical text of a MySQL value; false if it stands for NULL.
bool AppendCanonical(Canon canon, std::string_view mysql_text, std::string* out);
// The same for what PostgreSQL prints with the expression of the oracle.
bool AppendCanonicalPg(Canon canon, std::string_view pg_text, std::string* out);

// "" with *ok false if it is not JSON.
std::string CanonicalJson(std::string_view text, bool* ok);

}  // namespace chameleon::test
