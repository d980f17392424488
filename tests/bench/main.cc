// chameleon-bench WORKLOAD [--scale S] [--source mariadb|mysql] [--json]
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>

#include "tests/bench/workloads.h"

namespace chameleon::bench {
namespace {

// To so many decimals.
double Round(double value, int decimals) {
  const double scale = std::pow(10, decimals);
  return std::round(value * scale) / scale;
}

nlohmann::ordered_json ToJson(const Result& result) {
  nlohmann::ordered_json json;
  json["workload"] = result.workload;
  json["source"] = result.source;
  json["rows"] = result.rows;
  json["seconds"] = Round(result.seconds, 3);
  const double rate = result.rows / result.seconds;
  json["rows_per_s"] = static_cast<uint64_t>(rate);
  if (result.limit_rows_per_s > 0) {
    json["limit_rows_per_s"] = static_cast<uint64_t>(result.limit_rows_per_s);
    json["ratio"] = Round(rate / result.limit_rows_per_s, 3);
  }
  if (!result.lag_ms.empty()) {
    for (const auto& [name, ms] : result.lag_ms) json["lag_ms"][name] = Round(ms, 1);
    json["limit_lag_ms"] = Round(result.limit_lag_ms, 2);
  }
  for (const auto& [name, usage] : result.usage) {
    json["cpu_s"][name] = Round(usage.cpu_s, 2);
    json["peak_rss_mb"][name] = Round(usage.rss_peak_mb, 1);
  }
  json["equal"] = result.equal;
  return json;
}

int Main(int argc, char** argv) {
  CLI::App app("Measures chameleon and its limit in the same run; prints one JSON line.");
  std::string workload, source = "mariadb";
  Options options;
  bool json_only = false;
  app.add_option("workload", workload, "initial_copy, drain, hot_rows or steady")
      ->required()
      ->check(CLI::IsMember({"initial_copy", "drain", "hot_rows", "steady"}));
  app.add_option("--scale", options.scale, "Size of the workload; 1 is the documented one")
      ->check(CLI::PositiveNumber);
  app.add_option("--source", source, "mariadb (10.11) or mysql (9.7)")
      ->check(CLI::IsMember({"mariadb", "mysql"}));
  app.add_flag("--json", json_only, "Nothing but the JSON line");
  CLI11_PARSE(app, argc, argv);
  options.source = source == "mysql" ? test::SourceKind::kMysql : test::SourceKind::kMariadb;
  options.verbose = !json_only;
  try {
    Result result = workload == "initial_copy" ? InitialCopy(options)
                    : workload == "drain"      ? Drain(options)
                    : workload == "hot_rows"   ? HotRows(options)
                                               : Steady(options);
    result.workload = workload;
    result.source = source;
    std::cout << ToJson(result).dump() << std::endl;
    if (!result.equal) std::cerr << "NOT EQUAL:\n" << result.differences << "\n";
    return result.equal ? 0 : 1;
  } catch (const std::exception& e) {
    std::cerr << "error: " << e.what() << "\n";
    return 1;
  }
}

}  // namespace
}  // namespace chameleon::bench

int main(int argc, char** argv) { return chameleon::bench::Main(argc, argv); }
