// The East Asian character sets: gbk, gb2312, gb18030, big5, sjis, cp932, ujis, eucjpms, euckr.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "worker/encode/charset.h"

namespace chameleon::worker::encode {

// Cheap: tables are built when a set is prepared. `names` corresponds to the result.
std::vector<std::unique_ptr<const Charset>> MakeMultibyteCharsets(std::vector<std::string>* names);

}  // namespace chameleon::worker::encode
