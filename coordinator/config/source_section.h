// One entry of `sources:` as a SourceConfig.
#pragma once

#include <string>

#include "coordinator/config/config.h"
#include "coordinator/config/yaml_reader.h"

namespace chameleon::coordinator::config {

SourceConfig ReadSource(const std::string& name, Section section);

// "30": {tables: [a.b, "*"]} entries, appended in the order of the file.
void ReadFillFactor(Section section, std::vector<FillFactor>* fillfactor);

}  // namespace chameleon::coordinator::config
