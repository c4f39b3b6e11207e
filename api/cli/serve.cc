// tandem serve: loads a model and answers HTTP until it is told to stop.

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <ostream>
#include <thread>

#include "api/cli/command_line.h"
#include "api/cli/command_settings.h"
#include "api/cli/failing_runner.h"
#include "api/cli/loaded_model.h"
#include "api/cli/loop_engine.h"
#include "api/cli/serve_access.h"
#include "api/cli/serve_options.h"
#include "api/cli/stop_signals.h"
#include "api/http/server.h"
#include "api/routes/all_routes.h"
#include "api/routes/answer_cache.h"
#include "api/routes/startup_gate.h"
#include "engine/warm_up.h"

namespace tandem {

namespace {

using std::chrono::steady_clock;

SchedulerConfig SchedulerOf(const ServeOptions& options) {
  SchedulerConfig config = MakeSchedulerConfig(options.model);
  config.prefix_caching = options.prefix_caching;
  config.max_queued_requests = options.max_queued_requests;
  config.max_queued_tokens = options.max_queued_tokens;
  config.max_queue_time = options.max_queue_time;
  config.target_itl = options.target_itl;
  config.priority_slowdown = options.priority_slowdown;
  config.give_up_after = options.give_up_after;
  return config;
}

// A sequence must also fit the KV memory, alone.
int64_t MaxContext(const ModelRunner& runner) {
  const RunnerLimits& limits = runner.limits();
  return std::min(limits.max_context, limits.num_pages * limits.page_tokens);
}

void WarnOfLimits(const LoadedModel& model, const ServedModel& served, Logger& log) {
  if (served.max_context < model.runner->limits().max_context) {
    log.Warning("the KV memory holds less than the model's context; see --kv-cache-memory",
                {{"tokens", served.max_context}, {"model", model.runner->limits().max_context}});
  }
  if (!model.chat_template_problem.empty()) {
    log.Warning("the model's chat template cannot be used; another may be given by --chat-template",
                {{"problem", model.chat_template_problem}});
  }
}

ServedModel Served(const LoadedModel& model, const ServeOptions& options, CompletionEngine& engine,
                   CircuitBreaker& breaker, AnswerCache& answer_cache) {
  std::vector<std::string> names = options.served_model_names;
  if (names.empty()) names.push_back(model.name);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return ServedModel{.names = std::move(names),
                     .tokenizer = *model.tokenizer,
                     .chat_template = model.chat_template ? &*model.chat_template : nullptr,
                     .engine = engine,
                     .breaker = breaker,
                     .degraded_answer = options.degraded_answer,
                     .answer_cache = options.degraded_cache_bytes > 0 ? &answer_cache : nullptr,
                     .queue_wait = options.queue_wait,
                     .max_context = MaxContext(*model.runner),
                     .vocab_size = model.runner->limits().vocab_size,
                     .eos_ids = model.eos_ids,
                     .defaults = model.defaults,
                     .created = std::chrono::duration_cast<std::chrono::seconds>(now).count()};
}

void FillVersion(const LoadedModel& model, const ServedModel& served, ServerStatus& status) {
  const ModelRunnerOptions& options = model.runner->options();
  status.version = {{"version", TANDEM_VERSION},
                    {"model", served.names.front()},
                    {"architecture", std::string(Name(model.runner->config().architecture))},
                    {"dtype", std::string(OptionName(options.dtype))},
                    {"instruction_set", std::string(Name(options.isa))}};
}

// Failures also go to the log, where they keep the details that clients are not shown.
class LoggedMetrics : public ServerMetrics {
 public:
  LoggedMetrics(std::string_view model, Names names, Logger& log)
      : ServerMetrics(model, names), log_(log) {}

  void OnFailure(std::string_view what) override {
    ServerMetrics::OnFailure(what);
    log_.Error("engine failure", {{"what", what}});
  }

 private:
  Logger& log_;
};

// Null without --fail-steps.
std::unique_ptr<Runner> MakeFailingRunner(const ServeOptions& options, Runner& runner,
                                          Logger& log) {
  if (!options.fail_steps) return nullptr;
  log.Warning("steps are made to fail", {{"steps", *options.fail_steps}});
  return std::make_unique<FailingRunner>(runner, ParseFailingSteps(*options.fail_steps));
}

void LogTransition(const CircuitBreaker::Transition& transition, Logger& log) {
  const bool opens = transition.to == BreakerState::kOpen;
  const std::chrono::duration<double> open_time = transition.open_time;
  log.Log(opens ? LogLevel::kWarning : LogLevel::kInfo, "circuit breaker",
          {{"from", Name(transition.from)},
           {"to", Name(transition.to)},
           {"failed", transition.num_failed},
           {"ended", transition.num_ended},
           {"open_seconds", open_time.count()}});
}

// How the server ends: no new requests, then the running ones, then the connections. A second
// signal cuts that short. False when something was cut off by one.
bool Shutdown(const StopSignals& signals, std::chrono::milliseconds drain_timeout, EngineLoop& loop,
              HttpServer& http) {
  constexpr std::chrono::milliseconds kPoll{50};
  constexpr std::chrono::seconds kFlush{5};  // for answers that are made but not yet read
  std::atomic<bool> done{false};
  const std::jthread drain([&] {
    const auto deadline = steady_clock::now() + drain_timeout;
    loop.Drain(deadline);
    http.Finish(std::max(deadline, steady_clock::now() + kFlush));
    done = true;
  });
  while (!done) {
    if (!signals.WaitFor(kPoll)) continue;
    http.Stop();  // which cancels everything, and so ends the drain
    return false;
  }
  return true;
}

// Whatever ends the command: requests stop before what they use is gone.
struct StopFirst {
  HttpServer& http;
  ~StopFirst() { http.Stop(); }
};

}  // namespace

int Serve(const CommandLine& line) {
  ServeOptions options;
  Settings settings("tandem serve", kServeSummary);
  AddServeSettings(settings, options);
  IgnoreOtherCommands(settings);
  if (const auto text = settings.Parse(line.argc, line.argv)) {
    line.out << *text;
    return 0;
  }
  const std::vector<std::string> keys = CollectApiKeys(options);
  CheckExposure(options, keys);
  CheckSchedulingSettings(options);
  CheckFailureSettings(options);
  Logger log(options.log_level, line.err);
  const StopSignals signals(HasReloadable(options) ? StopSignals::Reload::kOnHangUp
                                                   : StopSignals::Reload::kNever);
  const std::shared_ptr<const TlsContext> tls = LoadTls(options);
  AccessRules access = MakeAccessRules(options, keys);
  const HttpLimits limits = FitToDescriptors(MakeLimits(options), log);

  // Listening before the model is there: an address in use is told at once, and who asks too early
  // learns to wait.
  StartupGate gate(log);
  HttpServer http(MakeAddress(options), limits, gate, tls);
  const LoadedModel model = LoadModel(options.model);
  LoggedMetrics metrics(
      options.served_model_names.empty() ? model.name : options.served_model_names.front(),
      options.metric_names, log);
  WarmUp(*model.runner);
  const std::unique_ptr<Runner> failing = MakeFailingRunner(options, *model.runner, log);
  EngineLoop loop(failing ? *failing : *model.runner, SchedulerOf(options), &metrics);
  LoopEngine engine(loop);
  CircuitBreaker breaker(options.breaker, CircuitBreaker::Clock::now,
                         [&log](const auto& transition) { LogTransition(transition, log); });
  AnswerCache answer_cache(options.degraded_cache_bytes);
  const ServedModel served = Served(model, options, engine, breaker, answer_cache);
  ServerStatus status;
  FillVersion(model, served, status);

  WarnOfLimits(model, served, log);
  Generator generator(served, metrics, options.log_prompts ? &log : nullptr);
  const std::vector<Route> routes = AllRoutes(generator, status, metrics);
  Router router(routes, std::move(access), metrics, log);
  const StopFirst stop_first{http};
  http.RunInside([&] { gate.Open(router); });
  line.out << fmt::format("ready on {} with {}: {}\n", UrlOf(options, http), served.names.front(),
                          model.Describe())
           << std::flush;

  while (signals.Wait() == StopSignals::Signal::kReload) Reload(options, router, http, log);
  status.draining = true;
  log.Info("stopping",
           {{"running", loop.Stats().num_running}, {"waiting", loop.Stats().num_waiting}});
  const bool finished = Shutdown(signals, options.drain_timeout, loop, http);
  http.Stop();
  log.Info("stopped", {{"cut_off", !finished}});
  return finished ? 0 : 1;
}

}  // namespace tandem
