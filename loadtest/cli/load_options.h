#pragma once
// The knobs that commands have in common which apply a load: the server, the workload, and what of
// it the command line changes.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "engine/base/settings.h"
#include "loadtest/run/load_run.h"
#include "loadtest/workload/workload.h"

namespace tandem {

struct LoadOptions {
  std::string url = "http://127.0.0.1:8000";
  std::string api_key;
  std::string model;  // empty: the first that the server lists
  bool tls_verify = true;

  std::string workload = "short_chat";
  Api api = Api::kCompletions;
  bool stream = true;
  std::chrono::milliseconds duration{};
  std::chrono::milliseconds warm_up{};
  Spacing spacing = Spacing::kPoisson;
  std::optional<double> rate;
  std::optional<double> end_rate;
  std::optional<double> burstiness;
  std::optional<std::filesystem::path> trace;
  std::optional<int64_t> users;
  std::chrono::milliseconds think_time{};
  uint64_t seed = 0;
  std::string salt = "random";

  std::chrono::milliseconds timeout = std::chrono::minutes(2);
  std::chrono::milliseconds drain = std::chrono::seconds(30);
  int64_t max_in_flight = 8192;
  std::string goodput;
};

void AddLoadSettings(Settings& settings, LoadOptions& options);

// A name without a slash and a suffix is one of configs/load; ConfigError where it is not there.
std::filesystem::path WorkloadFile(const std::string& name);

// The file as flags change it.
Workload WorkloadOf(const LoadOptions& options, const Settings& settings);

// Without the model. ConfigErrors name the flag.
RunSettings RunSettingsOf(const LoadOptions& options);

}  // namespace tandem
