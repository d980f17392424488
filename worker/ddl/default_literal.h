// What a DEFAULT's literal says by itself, and what only the server knows of it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "chameleon/v1/types.pb.h"
#include "worker/ddl/statement.h"

namespace chameleon::worker::ddl {

// The digits of b'…', and the bytes of x'…', as a number.
uint64_t BitsValue(std::string_view digits);
uint64_t BytesValue(std::string_view bytes);

// What x'…' and b'…' are where a number or a string is wanted.
DefaultSpec Plain(const DefaultSpec& spec, bool number);

// Literals whose value only the server knows. Bytes that stand for text are in the column's
// character set (x'e9'), or in the introducer's (_latin1'é' means the bytes that the client sent):
// this room converts none but ASCII. A number is an ENUM's label to one server, its index to
// another, and text in the server's own spelling (1e3 is 1000). Fractions are rounded or cut.
// Dates in other forms than the common ones, negative zeros and IPv4 in an INET6 are read by each
// server in its own way.
bool IsServersOwn(const DefaultSpec& spec, const v1::ColumnDef& column);

// The literal for people: "_latin1 0xE9".
std::string ShownText(const DefaultSpec& spec);

// MySQL's types whose DEFAULT is an expression or none.
bool HasNoLiteral(v1::BaseType type);

}  // namespace chameleon::worker::ddl
