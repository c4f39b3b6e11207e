#include "api/routes/server_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "api/routes/breaker_metrics.h"
#include "api/routes/engine_metrics.h"
#include "api/routes/vllm_metrics.h"

namespace tandem {

namespace {

using prometheus::Histogram;

// Fine enough for small models on a CPU, long enough for large ones under load.
const Histogram::BucketBoundaries kRequestSeconds = {
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640, 1280};
const Histogram::BucketBoundaries kWaitSeconds = {0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.06,
                                                  0.08,  0.1,    0.25,  0.5,  0.75, 1,    2.5,
                                                  5,     7.5,    10,    20,   40,   80,   160};
const Histogram::BucketBoundaries kTokenSeconds = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.015, 0.02,
                                                   0.03,   0.05,  0.075,  0.1,   0.15, 0.2,   0.3,
                                                   0.5,    0.75,  1,      2.5,   5};

std::string_view Label(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "cancelled";
    case FinishReason::kDeadline:
      return "deadline";
    case FinishReason::kFailed:
      return "failed";
    case FinishReason::kDrained:
      return "drained";
    case FinishReason::kDisplaced:
      return "displaced";
  }
  return "unknown";
}

}  // namespace

struct ServerMetrics::State {
  State(std::string_view model, Names given_names) : model_name(model), names(given_names) {}

  Histogram& AddHistogram(const char* name, const char* help,
                          const Histogram::BucketBoundaries& buckets) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add({}, buckets);
  }

  std::string model_name;
  Names names;
  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& http =
      prometheus::BuildCounter()
          .Name("tandem_http_requests_total")
          .Help("HTTP requests answered; code 499 is a client that left early.")
          .Register(registry);
  prometheus::Family<prometheus::Counter>& finished =
      prometheus::BuildCounter()
          .Name("tandem_completions_finished_total")
          .Help("Choices of completions by the reason they ended.")
          .Register(registry);
  prometheus::Counter& step_failures = prometheus::BuildCounter()
                                           .Name("tandem_step_failures_total")
                                           .Help("Steps of the engine that failed.")
                                           .Register(registry)
                                           .Add({});
  prometheus::Family<prometheus::Gauge>& build_info = prometheus::BuildGauge()
                                                          .Name("tandem_build_info")
                                                          .Help("The program's version.")
                                                          .Register(registry);
  prometheus::Family<prometheus::Gauge>& start_time =
      prometheus::BuildGauge()
          .Name("tandem_start_time_seconds")
          .Help("When the server began to serve, since 1970.")
          .Register(registry);
  Histogram& queue_seconds =
      AddHistogram("tandem_request_queue_seconds", "From arrival at the engine to the first step.",
                   kWaitSeconds);
  Histogram& first_token_seconds =
      AddHistogram("tandem_time_to_first_token_seconds",
                   "From arrival at the engine to the first token.", kWaitSeconds);
  Histogram& next_token_seconds = AddHistogram(
      "tandem_inter_token_seconds", "Between two tokens of one sequence.", kTokenSeconds);
  Histogram& request_seconds = AddHistogram(
      "tandem_request_seconds", "From the request's head to the end of a choice.", kRequestSeconds);
  Histogram& step_seconds =
      AddHistogram("tandem_step_seconds", "One step of the engine.", kTokenSeconds);
};

ServerMetrics::ServerMetrics(std::string_view model, Names names)
    : state_(std::make_unique<State>(model, names)) {
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  state_->build_info.Add({{"version", TANDEM_VERSION}}).Set(1.0);
  state_->start_time.Add({}).Set(now.count());
}
ServerMetrics::~ServerMetrics() = default;

void ServerMetrics::CountHttp(std::string_view route, int status) {
  state_->http.Add({{"route", std::string(route)}, {"code", std::to_string(status)}}).Increment();
}

void ServerMetrics::CountFinished(FinishReason reason,
                                  std::chrono::steady_clock::duration elapsed) {
  state_->finished.Add({{"reason", std::string(Label(reason))}}).Increment();
  state_->request_seconds.Observe(std::chrono::duration<double>(elapsed).count());
}

void ServerMetrics::OnStarted(Seconds queued) { state_->queue_seconds.Observe(queued.count()); }

void ServerMetrics::OnFirstToken(Seconds since_arrival) {
  state_->first_token_seconds.Observe(since_arrival.count());
}

void ServerMetrics::OnNextToken(Seconds since_last_token) {
  state_->next_token_seconds.Observe(since_last_token.count());
}

void ServerMetrics::OnStep(Seconds elapsed, int64_t, int64_t) {
  state_->step_seconds.Observe(elapsed.count());
}

void ServerMetrics::OnFailure(std::string_view) { state_->step_failures.Increment(); }

std::string ServerMetrics::Render(const EngineStats& stats, const BreakerStats& breaker) const {
  std::vector<prometheus::MetricFamily> families = state_->registry.Collect();
  AppendEngineMetrics(stats, state_->model_name, families);
  AppendBreakerMetrics(breaker, families);
  if (state_->names == Names::kOwnAndVllm) AppendVllmMetrics(state_->model_name, families);
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace tandem
