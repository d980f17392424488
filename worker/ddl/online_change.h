// Names that gh-ost and pt-online-schema-change give to the tables they work with.
//
//   gh-ost: _t_gho (the new table), _t_ghc (its log), _t_del and _t_<14 digits>_del (the old one)
//   pt-online-schema-change: _t_new, _t_old, with more underscores in front when those are taken
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "worker/ddl/statement.h"

namespace chameleon::worker::ddl {

// The table whose online schema change a table is a working copy of, when it is made, or renamed
// from `from`; empty: it is not. `swapped`: the same statement gives the old name to another table.
std::string ShadowOf(const TableRef& table, const std::function<bool(const TableRef&)>& is_known);
std::string ShadowOfRenamed(const TableRef& from, const TableRef& to, bool swapped,
                            const std::function<bool(const TableRef&)>& is_known);

}  // namespace chameleon::worker::ddl
