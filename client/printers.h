// One printer per output format: tables for people, proto3 JSON for programs.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "chameleon/v1/control.pb.h"

namespace chameleon::client {

// proto3 JSON on one line; numbers, texts and flags are there also when they are zero or empty.
void PrintJson(FILE* out, const google::protobuf::Message& message);
std::string JsonText(const google::protobuf::Message& message);

// Columns as wide as they must be (bytes of UTF-8 characters counted once), a rule below the head.
std::string TableText(const std::vector<std::string>& head,
                      const std::vector<std::vector<std::string>>& rows);

std::string ConfigText(const v1::ShowConfigResponse& response);
std::string SourcesText(const v1::ShowSourcesResponse& response);
std::string StatusText(const v1::ShowStatusResponse& response);
std::string StatusDetailText(const v1::SourceStatus& status);
std::string WorkersText(const v1::ShowWorkersResponse& response);
std::string ErrorsText(const v1::ShowErrorsResponse& response);
std::string ErrorDetailText(const v1::ErrorEntry& entry);
std::string OperationsText(const v1::ListOperationsResponse& response);
std::string LogText(const v1::LogLine& line);

}  // namespace chameleon::client
