#include "client/printers.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <ctime>
#include <map>

#include "proto/wire/position.h"

namespace chameleon::client {
namespace {

size_t WidthOf(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

// Long or multi-line texts keep a table readable when cut; the detail shows them whole.
std::string Cut(std::string text, size_t max) {
  text = text.substr(0, text.find('\n'));
  if (text.size() <= max) return text;
  size_t end = max - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "...";
}

std::string Time(const google::protobuf::Timestamp& time) {
  if (time.seconds() == 0) return "-";
  const std::time_t seconds = time.seconds();
  std::tm local{};
  localtime_r(&seconds, &local);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local);
  return text;
}

std::string Lag(double seconds) {
  if (seconds < 0) return "-";
  if (seconds < 10) return fmt::format("{:.1f} s", seconds);
  const auto s = static_cast<uint64_t>(seconds);
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{}m{:02}s", s / 60, s % 60);
  return fmt::format("{}h{:02}m", s / 3600, s % 3600 / 60);
}

std::string State(v1::SourceState state) {
  std::string name = v1::SourceState_Name(state);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return tolower(c); });
  return name;
}

std::string Mappings(const google::protobuf::Map<std::string, std::string>& mappings) {
  const std::map<std::string, std::string> sorted(mappings.begin(), mappings.end());
  std::vector<std::string> texts;
  for (const auto& [from, to] : sorted) texts.push_back(fmt::format("{} -> {}", from, to));
  return fmt::format("{}", fmt::join(texts, ", "));
}

std::string Place(const v1::Position& position) {
  return position.file().empty() ? "-" : PositionText(position, true);
}

}  // namespace

std::string JsonText(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  std::string json;
  (void)google::protobuf::util::MessageToJsonString(message, &json, options);
  return json;
}

void PrintJson(FILE* out, const google::protobuf::Message& message) {
  fmt::print(out, "{}\n", JsonText(message));
}

std::string TableText(const std::vector<std::string>& head,
                      const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const std::string& text : head) widths.push_back(WidthOf(text));
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], WidthOf(row[i]));
  }
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (size_t i = 0; i < cells.size(); ++i) {
      if (i != 0) text += "  ";
      text += cells[i];
      if (i + 1 != cells.size()) text.append(widths[i] - WidthOf(cells[i]), ' ');
    }
    while (!text.empty() && text.back() == ' ') text.pop_back();
    return text + "\n";
  };
  std::vector<std::string> rule;
  for (const size_t width : widths) rule.emplace_back(width, '-');
  std::string text = line(head) + line(rule);
  for (const auto& row : rows) text += line(row);
  return text;
}

std::string ConfigText(const v1::ShowConfigResponse& response) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& item : response.items()) {
    rows.push_back({item.key(), item.value(), item.from_file() ? "" : "default"});
  }
  return fmt::format("{}\n\n{}", response.path(), TableText({"Key", "Value", ""}, rows));
}

std::string SourcesText(const v1::ShowSourcesResponse& response) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& source : response.sources()) {
    rows.push_back({source.name(), source.type(),
                    source.host().find('/') == 0
                        ? source.host()
                        : fmt::format("{}:{}", source.host(), source.port()),
                    Mappings(source.schema_mappings()), source.registered() ? "yes" : "no"});
  }
  return TableText({"Source", "Type", "Server", "Schemas", "Added"}, rows);
}

// A row for each lease, and one for a host that has none.
std::string WorkersText(const v1::ShowWorkersResponse& response) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& host : response.hosts()) {
    std::vector<std::string> row = {
        host.name(), host.address().empty() ? "this host" : host.address(),
        fmt::format("{}", fmt::join(host.labels(), ",")),
        host.capacity() == 0 ? fmt::format("{}", host.processes())
                             : fmt::format("{} of {}", host.processes(), host.capacity())};
    if (host.leases_size() == 0) {
      row.insert(row.end(), {"", "", "", host.leaving() ? "leaving" : ""});
      rows.push_back(row);
    }
    for (const auto& lease : host.leases()) {
      rows.push_back(row);
      rows.back().insert(rows.back().end(), {fmt::format("{}/{}", lease.config(), lease.source()),
                                             fmt::format("{}", lease.epoch()), lease.worker(),
                                             Cut(lease.activity(), 60)});
    }
  }
  return TableText(
      {"Host", "Address", "Labels", "Running", "Source", "Epoch", "Process", "Activity"}, rows);
}

std::string StatusText(const v1::ShowStatusResponse& response) {
  if (response.sources_size() == 0) return "no source was added yet: chamctl add_source\n";
  std::vector<std::vector<std::string>> rows;
  for (const auto& source : response.sources()) {
    rows.push_back({fmt::format("{}", source.source_id()), source.name(), source.type(),
                    State(source.state()), source.consistent() ? "Yes" : "No",
                    Lag(source.read_lag_s()), Time(source.last_received()),
                    Lag(source.replay_lag_s()), Time(source.last_replayed()),
                    Cut(source.activity().empty() ? source.last_error() : source.activity(), 60)});
  }
  return TableText({"Source id", "Source name", "Type", "Status", "Consistent", "Read lag",
                    "Last read", "Replay lag", "Last replay", "Activity"},
                   rows);
}

std::string StatusDetailText(const v1::SourceStatus& status) {
  const std::vector<std::pair<std::string, std::string>> facts = {
      {"Source", fmt::format("{} (id {}, {})", status.name(), status.source_id(), status.type())},
      {"Status", State(status.state())},
      {"Activity", status.activity().empty() ? "-" : status.activity()},
      {"Consistent", status.consistent() ? "Yes" : "No"},
      {"Schemas", Mappings(status.schema_mappings())},
      {"Read lag", Lag(status.read_lag_s())},
      {"Last read", Time(status.last_received())},
      {"Replay lag", Lag(status.replay_lag_s())},
      {"Last replay", Time(status.last_replayed())},
      {"Received", Place(status.received())},
      {"Replayed", Place(status.replayed())},
      {"To replay",
       fmt::format("{} batches, {} changes", status.batches_pending(), status.changes_pending())},
      {"Worker", status.worker().empty()
                     ? "-"
                     : fmt::format("{} (epoch {})", status.worker(), status.epoch())},
      {"Tables",
       fmt::format("{} replicated, {} not replicated, {} disabled", status.tables_replicated(),
                   status.tables_not_replicated(), status.tables_disabled())},
  };
  std::string text;
  for (const auto& [key, value] : facts) text += fmt::format("{:<12} {}\n", key, value);
  if (!status.last_error().empty()) {
    text +=
        fmt::format("\nLast error, {}:\n{}\n", Time(status.last_error_time()), status.last_error());
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& table : status.tables()) {
    if (table.state() == "replicated") continue;
    rows.push_back({fmt::format("{}.{}", table.source().schema(), table.source().table()),
                    fmt::format("{}.{}", table.target_schema(), table.target_table()),
                    table.state(), table.reason()});
  }
  if (!rows.empty()) text += "\n" + TableText({"Table", "Target", "State", "Reason"}, rows);
  rows.clear();
  for (const auto& loss : status.losses()) {
    rows.push_back({loss.table(), loss.kind(), fmt::format("{}", loss.count()), loss.example()});
  }
  if (!rows.empty())
    text += "\n" + TableText({"Table", "Altered or ignored", "Count", "First"}, rows);
  if (status.errors_size() > 0) {
    v1::ShowErrorsResponse errors;
    *errors.mutable_errors() = status.errors();
    text += "\n" + ErrorsText(errors);
  }
  return text;
}

std::string ErrorsText(const v1::ShowErrorsResponse& response) {
  if (response.errors_size() == 0) return "there are no errors in the log\n";
  std::vector<std::vector<std::string>> rows;
  for (const auto& entry : response.errors()) {
    rows.push_back(
        {fmt::format("{}", entry.log_id()), entry.source(),
         entry.batch_id() == 0 ? "-" : fmt::format("{}", entry.batch_id()),
         entry.table().empty() ? "-" : fmt::format("{}.{}", entry.schema(), entry.table()),
         Time(entry.time()), Cut(entry.message(), 100)});
  }
  return TableText({"Log id", "Source", "Batch", "Table", "Time", "Error"}, rows);
}

std::string ErrorDetailText(const v1::ErrorEntry& entry) {
  std::string text =
      fmt::format("Log id  {}\nSource  {}\nBatch   {}\nTable   {}\nTime    {}\n\n{}\n",
                  entry.log_id(), entry.source(), entry.batch_id(),
                  entry.table().empty() ? "-" : fmt::format("{}.{}", entry.schema(), entry.table()),
                  Time(entry.time()), entry.message());
  if (!entry.detail().empty()) text += fmt::format("\nDetail:\n{}\n", entry.detail());
  if (!entry.sql().empty()) text += fmt::format("\nStatement:\n{}\n", entry.sql());
  return text;
}

std::string OperationsText(const v1::ListOperationsResponse& response) {
  if (response.operations_size() == 0) return "this coordinator has run no operation yet\n";
  std::vector<std::vector<std::string>> rows;
  for (const auto& operation : response.operations()) {
    std::string state = v1::Operation::State_Name(operation.state());
    std::transform(state.begin(), state.end(), state.begin(),
                   [](unsigned char c) { return tolower(c); });
    rows.push_back(
        {operation.id(), operation.source(), state, Time(operation.started()),
         Time(operation.ended()),
         Cut(operation.error_message().empty() ? operation.result() : operation.error_message(),
             80)});
  }
  return TableText({"Operation", "Source", "State", "Started", "Ended", "Result"}, rows);
}

std::string LogText(const v1::LogLine& line) {
  return fmt::format("{} {:<7} {}", Time(line.time()), line.level(), line.text());
}

}  // namespace chameleon::client
