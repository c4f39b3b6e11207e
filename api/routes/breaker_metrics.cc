#include "api/routes/breaker_metrics.h"

#include <string>

namespace tandem {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

ClientMetric OfState(const char* label, BreakerState state) {
  ClientMetric metric;
  metric.label.push_back({label, std::string(Name(state))});
  return metric;
}

MetricFamily Counter(const char* name, const char* help, uint64_t count) {
  ClientMetric metric;
  metric.counter.value = static_cast<double>(count);
  return MetricFamily{name, help, MetricType::Counter, {std::move(metric)}};
}

}  // namespace

void AppendBreakerMetrics(const BreakerStats& stats, std::vector<MetricFamily>& families) {
  MetricFamily state{
      "tandem_breaker_state", "1 for the state of the circuit breaker.", MetricType::Gauge, {}};
  MetricFamily transitions{"tandem_breaker_transitions_total",
                           "Times that the circuit breaker went to a state.",
                           MetricType::Counter,
                           {}};
  const std::pair<BreakerState, uint64_t> entered[] = {
      {BreakerState::kClosed, stats.closed},
      {BreakerState::kOpen, stats.opened},
      {BreakerState::kHalfOpen, stats.half_opened}};
  for (const auto& [each, count] : entered) {
    state.metric.push_back(OfState("state", each));
    state.metric.back().gauge.value = each == stats.state ? 1.0 : 0.0;
    transitions.metric.push_back(OfState("to", each));
    transitions.metric.back().counter.value = static_cast<double>(count);
  }
  families.push_back(std::move(state));
  families.push_back(std::move(transitions));
  families.push_back(Counter("tandem_breaker_failures_total", "Requests that failed in the engine.",
                             stats.failures));
  families.push_back(Counter("tandem_breaker_refused_total",
                             "Requests that the circuit breaker kept from the engine.",
                             stats.refused));
  families.push_back(Counter("tandem_degraded_answers_total",
                             "Those of them that got the degraded answer.", stats.degraded));
}

}  // namespace tandem
