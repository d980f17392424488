// A column's DEFAULT as its codec would write it: for rows that were logged without the column
// (binlog_row_image=MINIMAL leaves constant defaults out).
#pragma once

#include "chameleon/v1/types.pb.h"
#include "worker/encode/column_codec.h"
#include "worker/encode/sink.h"

namespace chameleon::worker::encode {

// Appends the literal, or says kNull. kDamaged: it is not known here (an expression, a generated
// column, a form that depends on the session); Sink::problem() says which.
Outcome AppendDefault(const v1::ColumnDef& def, ColumnCodec* codec, Sink& sink);

}  // namespace chameleon::worker::encode
