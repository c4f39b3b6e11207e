#include "api/cli/serve_options.h"

#include <fmt/format.h>

#include <fstream>

#include "api/cli/failing_runner.h"
#include "api/routes/browser_rules.h"
#include "engine/text/unicode.h"
#include "kernels/core/error.h"

namespace tandem {

namespace {

constexpr double kMaxMilliseconds = 7.0 * 24 * 3600 * 1000;  // a week; no sum of times overflows
constexpr double kMaxBytes = 1 << 30;
constexpr double kMaxCacheBytes = 1e12;

void AddEngineSettings(Settings& settings, ServeOptions& options) {
  constexpr char kGroup[] = "Scheduling";
  settings.Add("max-num-seqs", &options.model.max_num_seqs,
               {.help = "sequences that run at once", .min = 1, .group = kGroup});
  settings.Add("max-num-batched-tokens", &options.model.max_num_batched_tokens,
               {.help = "tokens of one step, of prompts and of running sequences",
                .min = 1,
                .group = kGroup});
  settings.Add("enable-prefix-caching", &options.prefix_caching,
               {.help = "share keys and values of common prefixes", .group = kGroup});
  settings.Add("max-queued-requests", &options.max_queued_requests,
               {.help = "requests that may wait; more get 429", .min = 1, .group = kGroup});
  settings.Add("max-queued-tokens", &options.max_queued_tokens,
               {.help = "prompt tokens of requests that wait", .min = 1, .group = kGroup});
  settings.Add("max-queue-time", &options.max_queue_time,
               {.help = "expected wait, by how fast the queue moves, above which requests get 429 "
                        "at once; 0: any",
                .min = 0,
                .max = kMaxMilliseconds,
                .group = kGroup});
  settings.Add("queue-wait", &options.queue_wait,
               {.help = "how long a request may wait for room in the queue before it gets 429",
                .min = 0,
                .group = kGroup});
  settings.Add("target-itl", &options.target_itl,
               {.help = "time between two tokens of a sequence that long prompts of others may "
                        "stretch it to, or to twice what it is without them if that is longer; "
                        "0: any",
                .min = 0,
                .max = kMaxMilliseconds,
                .group = kGroup});
  settings.Add("priority-slowdown", &options.priority_slowdown,
               {.help = "how many times as long steps may take on average for less urgent requests "
                        "beside more urgent ones, 1 or more; 0: any",
                .min = 0,
                .max = 1000,
                .group = kGroup});
}

void AddFailureSettings(Settings& settings, ServeOptions& options) {
  constexpr char kGroup[] = "Failures of the engine";
  BreakerOptions& breaker = options.breaker;
  settings.Add("breaker-threshold", &breaker.threshold,
               {.help = "share of failed requests at which new ones get 503 at once instead; 0: "
                        "never",
                .min = 0,
                .max = 1,
                .group = kGroup});
  settings.Add("breaker-window", &breaker.window,
               {.help = "how far back requests are counted",
                .min = 100,
                .max = kMaxMilliseconds,
                .group = kGroup});
  settings.Add("breaker-min-requests", &breaker.min_requests,
               {.help = "how many must have ended in it before their share says anything",
                .min = 1,
                .group = kGroup});
  settings.Add("breaker-open-time", &breaker.open_time,
               {.help = "how long none are taken before a few are let through as probes; doubled "
                        "each time that one fails",
                .min = 1,
                .max = kMaxMilliseconds,
                .group = kGroup});
  settings.Add(
      "breaker-max-open-time", &breaker.max_open_time,
      {.help = "what that doubles to at most", .min = 1, .max = kMaxMilliseconds, .group = kGroup});
  settings.Add("breaker-probes", &breaker.num_probes,
               {.help = "requests let through to try the engine; so many successes end it",
                .min = 1,
                .max = 1 << 20,
                .group = kGroup});
  settings.Add("degraded-answer", &options.degraded_answer,
               {.help = "text to answer with, as 200 and marked, instead of that 503",
                .value_name = "TEXT",
                .group = kGroup});
  settings.AddBytes("degraded-cache", &options.degraded_cache_bytes,
                    {.help = "memory for the latest answers, each of which is given again, as 200 "
                             "and marked, to the same prompt of the same client instead of that "
                             "503; 0: none",
                     .min = 0,
                     .max = kMaxCacheBytes,
                     .group = kGroup});
  settings.Add("give-up-after", &options.give_up_after,
               {.help = "how long steps of the engine, at least three and all that there are, may "
                        "fail before it stops for good and /health says so",
                .min = 0,
                .max = kMaxMilliseconds,
                .group = kGroup});
  settings.Add("fail-steps", &options.fail_steps,
               {.help = "for tests: makes steps fail, FROM:TO or every:N",
                .value_name = "STEPS",
                .group = kGroup});
}

void AddAccessSettings(Settings& settings, ServeOptions& options) {
  constexpr char kGroup[] = "Server";
  settings.Add("host", &options.host, {.help = "address to listen on", .group = kGroup});
  settings.Add("port", &options.port,
               {.help = "TCP port; 0: any free one", .min = 0, .max = 65535, .group = kGroup});
  settings.Add("uds", &options.uds,
               {.help = "Unix socket to listen on, instead of host and port", .group = kGroup});
  settings.Add("served-model-name", &options.served_model_names,
               {.help = "name in the API; repeat for aliases", .group = kGroup});
  settings.Add(
      "api-key", &options.api_keys,
      {.help = "key that clients must send; repeat for several", .secret = true, .group = kGroup});
  settings.Add("api-key-file", &options.api_key_file,
               {.help = "file with one key a line; read again on SIGHUP", .group = kGroup});
  settings.Add("allow-unauthenticated", &options.allow_unauthenticated,
               {.help = "serve other machines without a key", .group = kGroup});
  settings.Add("ssl-certfile", &options.ssl_certfile,
               {.help = "PEM file of the certificate and its chain: serve HTTPS; read again on "
                        "SIGHUP",
                .group = kGroup});
  settings.Add(
      "ssl-keyfile", &options.ssl_keyfile,
      {.help = "PEM file of its private key; default: in --ssl-certfile", .group = kGroup});
  settings.Add("ssl-keyfile-password", &options.ssl_keyfile_password,
               {.help = "of an encrypted --ssl-keyfile", .secret = true, .group = kGroup});
  settings.Add("allowed-origins", &options.allowed_origins,
               {.help = "origin (https://chat.example) of web pages that may use this server; "
                        "repeat for several; *: all",
                .group = kGroup});
  settings.Add("allowed-hosts", &options.allowed_hosts,
               {.help = "name besides localhost to answer to where no key is needed; repeat for "
                        "several; *: all",
                .group = kGroup});
  settings.Add("drain-timeout", &options.drain_timeout,
               {.help = "time for running requests after SIGTERM",
                .min = 0,
                .max = kMaxMilliseconds,
                .group = kGroup});
  settings.AddChoice("log-level", &options.log_level,
                     std::vector<std::pair<std::string, LogLevel>>{{"debug", LogLevel::kDebug},
                                                                   {"info", LogLevel::kInfo},
                                                                   {"warning", LogLevel::kWarning},
                                                                   {"error", LogLevel::kError},
                                                                   {"off", LogLevel::kOff}},
                     {.help = "least level that is logged", .group = kGroup});
  using Names = ServerMetrics::Names;
  settings.AddChoice(
      "metrics-compat", &options.metric_names,
      std::vector<std::pair<std::string, Names>>{{"none", Names::kOwn},
                                                 {"vllm", Names::kOwnAndVllm}},
      {.help = "other servers' names in /metrics, besides our own", .group = kGroup});
  settings.Add("log-prompts", &options.log_prompts,
               {.help = "log the beginning of what clients ask", .group = kGroup});
}

void AddLimitSettings(Settings& settings, ServeOptions& options) {
  constexpr char kGroup[] = "Limits of one client";
  HttpLimits& limits = options.limits;
  settings.AddBytes("max-body-size", &options.max_body_bytes,
                    {.help = "of a request", .min = 1024, .max = kMaxBytes, .group = kGroup});
  settings.AddBytes(
      "max-header-size", &options.max_header_bytes,
      {.help = "request line and headers", .min = 1024, .max = 1 << 20, .group = kGroup});
  settings.Add("max-connections", &options.max_connections,
               {.help = "open at once; more get 503", .min = 1, .max = 1 << 20, .group = kGroup});
  settings.AddBytes("max-pending-size", &options.max_pending_bytes,
                    {.help = "of a stream that its client does not read",
                     .min = 1024,
                     .max = kMaxBytes,
                     .group = kGroup});
  settings.Add("idle-timeout", &limits.idle_timeout,
               {.help = "between requests of a connection",
                .min = 1,
                .max = kMaxMilliseconds,
                .group = kGroup});
  settings.Add(
      "header-timeout", &limits.header_timeout,
      {.help = "for a request's head", .min = 1, .max = kMaxMilliseconds, .group = kGroup});
  settings.Add(
      "body-timeout", &limits.body_timeout,
      {.help = "for a request's body", .min = 1, .max = kMaxMilliseconds, .group = kGroup});
  settings.Add("write-timeout", &limits.write_timeout,
               {.help = "for a client to read a bit more",
                .min = 1,
                .max = kMaxMilliseconds,
                .group = kGroup});
  settings.Add("sse-keep-alive-interval", &limits.keep_alive_interval,
               {.help = "of comments in a silent stream; 0: none",
                .min = 0,
                .max = kMaxMilliseconds,
                .group = kGroup});
}

}  // namespace

void AddServeSettings(Settings& settings, ServeOptions& options) {
  options.max_body_bytes = static_cast<int64_t>(options.limits.max_body_bytes);
  options.max_header_bytes = static_cast<int64_t>(options.limits.max_header_bytes);
  options.max_connections = static_cast<int64_t>(options.limits.max_connections);
  options.max_pending_bytes = static_cast<int64_t>(options.limits.max_pending_bytes);
  AddModelSettings(settings, options.model);
  AddEngineSettings(settings, options);
  AddFailureSettings(settings, options);
  AddAccessSettings(settings, options);
  AddLimitSettings(settings, options);
}

std::vector<std::string> CollectApiKeys(const ServeOptions& options) {
  std::vector<std::string> keys = options.api_keys;
  if (!options.api_key_file) return keys;
  std::ifstream file(*options.api_key_file);
  const std::string name = "--api-key-file " + options.api_key_file->string();
  if (!file) throw ConfigError(name + " cannot be read");
  const size_t before = keys.size();
  for (std::string line; std::getline(file, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (!line.empty()) keys.push_back(line);
  }
  if (keys.size() == before) throw ConfigError(name + " has no key; write one a line");
  return keys;
}

void CheckExposure(const ServeOptions& options, const std::vector<std::string>& keys) {
  if (options.uds || IsLoopbackName(options.host)) return;
  if (!keys.empty() || options.allow_unauthenticated) return;
  throw ConfigError("--host " + options.host +
                    " lets other machines use this server without a key; set --api-key, or "
                    "--allow-unauthenticated if that is meant");
}

void CheckSchedulingSettings(const ServeOptions& options) {
  if (options.priority_slowdown > 0.0 && options.priority_slowdown < 1.0) {
    throw ConfigError(fmt::format(
        "--priority-slowdown is {}, but no step is faster for having more to do; give 1 for none "
        "at all, more for some, or 0 for any",
        options.priority_slowdown));
  }
}

void CheckFailureSettings(const ServeOptions& options) {
  const BreakerOptions& breaker = options.breaker;
  if (breaker.max_open_time < breaker.open_time) {
    throw ConfigError("--breaker-max-open-time is " +
                      std::to_string(breaker.max_open_time.count()) +
                      " ms, less than --breaker-open-time, which is " +
                      std::to_string(breaker.open_time.count()) + " ms; raise it");
  }
  if (options.fail_steps) ParseFailingSteps(*options.fail_steps);
  if (options.degraded_cache_bytes > 0 && breaker.threshold <= 0.0) {
    throw ConfigError(
        "--degraded-cache is never used while --breaker-threshold is 0; leave one of them out");
  }
  if (!options.degraded_answer) return;
  if (breaker.threshold <= 0.0) {
    throw ConfigError(
        "--degraded-answer is never given while --breaker-threshold is 0; leave one of them out");
  }
  if (options.degraded_answer->empty()) {
    throw ConfigError("--degraded-answer is empty; write some text, or leave it out for 503");
  }
  if (!IsValidUtf8(*options.degraded_answer)) {
    throw ConfigError("--degraded-answer is not valid UTF-8, which JSON needs");
  }
}

HttpLimits MakeLimits(const ServeOptions& options) {
  HttpLimits limits = options.limits;
  limits.max_body_bytes = static_cast<size_t>(options.max_body_bytes);
  limits.max_header_bytes = static_cast<size_t>(options.max_header_bytes);
  limits.max_connections = static_cast<size_t>(options.max_connections);
  limits.max_pending_bytes = static_cast<size_t>(options.max_pending_bytes);
  return limits;
}

}  // namespace tandem
