#include "api/routes/vllm_metrics.h"

#include <algorithm>
#include <string_view>

namespace tandem {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;

struct Counterpart {
  std::string_view ours;
  const char* theirs;
};

// Units agree: seconds, tokens, and a ratio of 0 to 1 in spite of "perc".
constexpr Counterpart kCounterparts[] = {
    {"tandem_requests_running", "vllm:num_requests_running"},
    {"tandem_requests_waiting", "vllm:num_requests_waiting"},
    {"tandem_kv_usage_ratio", "vllm:kv_cache_usage_perc"},
    {"tandem_prompt_tokens_total", "vllm:prompt_tokens_total"},
    {"tandem_generation_tokens_total", "vllm:generation_tokens_total"},
    {"tandem_prompt_tokens_total", "vllm:prefix_cache_queries_total"},
    {"tandem_prefix_cache_hit_tokens_total", "vllm:prefix_cache_hits_total"},
    {"tandem_preemptions_total", "vllm:num_preemptions_total"},
    {"tandem_completions_finished_total", "vllm:request_success_total"},
    {"tandem_time_to_first_token_seconds", "vllm:time_to_first_token_seconds"},
    {"tandem_inter_token_seconds", "vllm:inter_token_latency_seconds"},
    {"tandem_request_queue_seconds", "vllm:request_queue_time_seconds"},
    {"tandem_request_seconds", "vllm:e2e_request_latency_seconds"},
};

// "success" has the regular ends and what the client or the operator cut off.
std::string TheirReason(const std::string& ours) {
  if (ours == "stop" || ours == "length") return ours;
  return ours == "failed" ? "error" : "abort";
}

MetricFamily Renamed(const MetricFamily& family, const char* name, const std::string& model) {
  MetricFamily renamed = family;
  renamed.name = name;
  for (ClientMetric& metric : renamed.metric) {
    for (ClientMetric::Label& label : metric.label) {
      if (label.name == "reason") label = {"finished_reason", TheirReason(label.value)};
    }
    metric.label.push_back({"model_name", model});
    metric.label.push_back({"engine", "0"});
  }
  return renamed;
}

// Two of our reasons may be one of theirs, and a label set may stand only once.
void MergeEqualLabels(MetricFamily& family) {
  std::vector<ClientMetric> merged;
  for (ClientMetric& metric : family.metric) {
    const auto same = std::ranges::find_if(
        merged, [&](const ClientMetric& known) { return known.label == metric.label; });
    if (same == merged.end()) {
      merged.push_back(std::move(metric));
    } else {
      same->counter.value += metric.counter.value;
    }
  }
  family.metric = std::move(merged);
}

}  // namespace

void AppendVllmMetrics(const std::string& model, std::vector<MetricFamily>& families) {
  std::vector<MetricFamily> theirs;
  for (const Counterpart& counterpart : kCounterparts) {
    for (const MetricFamily& family : families) {
      if (family.name != counterpart.ours) continue;
      theirs.push_back(Renamed(family, counterpart.theirs, model));
      if (family.type == prometheus::MetricType::Counter) MergeEqualLabels(theirs.back());
    }
  }
  std::ranges::move(theirs, std::back_inserter(families));
}

}  // namespace tandem
