#pragma once
// The knobs of `tandem serve`.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "api/cli/model_options.h"
#include "api/http/limits.h"
#include "api/routes/circuit_breaker.h"
#include "api/routes/server_metrics.h"
#include "engine/base/log.h"
#include "engine/base/settings.h"

namespace tandem {

inline constexpr char kServeSummary[] = "Serves a model over HTTP with OpenAI's API.";

struct ServeOptions {
  ModelOptions model;
  std::vector<std::string> served_model_names;  // empty: the directory's name
  bool prefix_caching = true;
  int64_t max_queued_requests = 1024;
  int64_t max_queued_tokens = 1 << 20;
  std::chrono::milliseconds max_queue_time{60'000};
  std::chrono::milliseconds queue_wait{0};
  std::chrono::milliseconds target_itl{15};
  double priority_slowdown = 1.1;

  BreakerOptions breaker;
  std::optional<std::string> degraded_answer;
  int64_t degraded_cache_bytes = 0;
  std::chrono::milliseconds give_up_after{60'000};  // SchedulerConfig's; a breaker tries till then
  std::optional<std::string> fail_steps;            // failing_runner.h

  std::string host = "127.0.0.1";
  int32_t port = 8000;
  std::optional<std::filesystem::path> uds;  // a Unix socket instead of host and port
  std::optional<std::filesystem::path> ssl_certfile;
  std::optional<std::filesystem::path> ssl_keyfile;  // unset: in ssl_certfile
  std::string ssl_keyfile_password;
  std::vector<std::string> api_keys;
  std::optional<std::filesystem::path> api_key_file;  // one key a line
  bool allow_unauthenticated = false;
  std::vector<std::string> allowed_origins;
  std::vector<std::string> allowed_hosts;
  std::chrono::milliseconds drain_timeout{30000};
  LogLevel log_level = LogLevel::kInfo;
  bool log_prompts = false;
  ServerMetrics::Names metric_names = ServerMetrics::Names::kOwn;

  int64_t max_body_bytes = 0;  // the rest of HttpLimits' knobs that may be set, in their own types
  int64_t max_header_bytes = 0;
  int64_t max_connections = 0;
  int64_t max_pending_bytes = 0;
  HttpLimits limits;
};

void AddServeSettings(Settings& settings, ServeOptions& options);

// All keys, of the option and the file. ConfigError when the file cannot be read or has none.
std::vector<std::string> CollectApiKeys(const ServeOptions& options);
// ConfigError when strangers could use the server: another host than loopback, and no key.
void CheckExposure(const ServeOptions& options, const std::vector<std::string>& keys);
// ConfigError when a factor that slows down is below 1.
void CheckSchedulingSettings(const ServeOptions& options);
// ConfigError when the knobs of the circuit breaker contradict each other, the degraded answer is
// no text, or fail_steps no steps.
void CheckFailureSettings(const ServeOptions& options);
HttpLimits MakeLimits(const ServeOptions& options);

}  // namespace tandem
