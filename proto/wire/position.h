// Positions: equality, order and text.
#pragma once

#include <string>

#include "chameleon/v1/types.pb.h"

namespace chameleon {

// All fields equal: the same place of the same log.
bool SamePosition(const v1::Position& a, const v1::Position& b);

// "mysql-bin.000042:1337", with " gtid …" appended when `with_gtid` and there is one.
std::string PositionText(const v1::Position& position, bool with_gtid = false);

}  // namespace chameleon
