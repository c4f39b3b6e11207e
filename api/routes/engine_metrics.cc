#include "api/routes/engine_metrics.h"

namespace tandem {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

struct Row {
  const char* name;
  const char* help;
  double value = 0.0;
};

MetricFamily Family(const Row& row, MetricType type) {
  ClientMetric metric;
  if (type == MetricType::Counter) {
    metric.counter.value = row.value;
  } else {
    metric.gauge.value = row.value;
  }
  return MetricFamily{row.name, row.help, type, {std::move(metric)}};
}

double Ratio(int64_t part, int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0.0;
}

double Number(auto count) { return static_cast<double>(count); }

}  // namespace

void AppendEngineMetrics(const EngineStats& stats, const std::string& model,
                         std::vector<MetricFamily>& families) {
  // Cached pages are as good as free.
  const int64_t pages_in_use = stats.num_pages - stats.num_free_pages - stats.num_cached_pages;
  const Row gauges[] = {
      {"tandem_requests_running", "Sequences that take part in steps.", Number(stats.num_running)},
      {"tandem_requests_waiting", "Requests that wait, preempted ones too.",
       Number(stats.num_waiting)},
      {"tandem_queued_tokens", "Prompt tokens of requests that wait.",
       Number(stats.num_queued_tokens)},
      {"tandem_queue_seconds", "Expected wait of a request that comes now, as far as is known.",
       stats.queue_seconds},
      {"tandem_kv_usage_ratio", "KV pages in use by running sequences.",
       Ratio(pages_in_use, stats.num_pages)},
      {"tandem_kv_cached_ratio", "KV pages held by the prefix cache alone.",
       Ratio(stats.num_cached_pages, stats.num_pages)},
      {"tandem_step_tokens", "Tokens of the last step.", Number(stats.last_step_tokens)},
      {"tandem_step_sequences", "Sequences of the last step.", Number(stats.last_step_sequences)},
  };
  const Row counters[] = {
      {"tandem_steps_total", "Steps of the engine.", Number(stats.steps)},
      {"tandem_prompt_tokens_total", "Prompt tokens, computed or cached.",
       Number(stats.prompt_tokens)},
      {"tandem_generation_tokens_total", "Tokens drawn.", Number(stats.generated_tokens)},
      {"tandem_prefix_cache_hit_tokens_total", "Prompt tokens that the prefix cache gave.",
       Number(stats.cached_prompt_tokens)},
      {"tandem_recomputed_tokens_total", "Tokens computed again after a preemption.",
       Number(stats.recomputed_tokens)},
      {"tandem_preemptions_total", "Sequences put back to the queue.", Number(stats.preemptions)},
      {"tandem_requests_accepted_total", "Engine requests accepted.", Number(stats.accepted)},
      {"tandem_requests_finished_total", "Engine requests that ended regularly.",
       Number(stats.finished)},
      {"tandem_requests_cancelled_total", "Engine requests cancelled.", Number(stats.cancelled)},
      {"tandem_requests_failed_total", "Engine requests that failed.", Number(stats.failed)},
      {"tandem_requests_rejected_total", "Engine requests refused.", Number(stats.rejected)},
      {"tandem_busy_seconds_total", "Time spent in steps.", stats.busy_seconds},
  };
  for (const Row& row : gauges) families.push_back(Family(row, MetricType::Gauge));
  for (const Row& row : counters) families.push_back(Family(row, MetricType::Counter));

  MetricFamily info = Family({"tandem_model_info", "The served model.", 1.0}, MetricType::Gauge);
  info.metric.front().label.push_back({"model", model});
  families.push_back(std::move(info));
}

}  // namespace tandem
