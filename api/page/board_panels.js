// What the dashboard draws, and how each line comes out of two scrapes. Only metrics of /metrics; a
// test looks for each name there.

import { number, t } from "./i18n.js";

const percentileOf = (label, share, metric) =>
  ({ label, key: `${metric} ${share}`, of: (window) => window.percentile(share, metric) });
const percentiles = (metric) => [
  percentileOf("board.median", 0.5, metric),
  percentileOf("board.percentile_high", 0.95, metric),
  percentileOf("board.percentile_top", 0.99, metric),
];

const rateOf = (label, metric, where) =>
  ({ label, key: label, of: (window) => window.rate(metric, where) });
const gaugeOf = (label, metric) => ({ label, key: label, of: (window) => window.gauge(metric) });
const shareOf = (label, part, whole) =>
  ({ label, key: label, of: (window) => window.share(part, whole) });

const seconds = (value) => (value < 0.9995
  ? `${number(value * 1000, value < 0.01 ? 2 : value < 0.1 ? 1 : 0)} ms` : `${number(value, 2)} s`);
const percent = (value) => `${number(value * 100, value < 0.1 ? 1 : 0)} %`;
const count = (value) => number(value);
const perSecond = (value) =>
  t("board.per_second", { value: number(value, value < 10 ? 2 : 0) });

// 499 is a client that left: nobody's error.
const clientError = ({ code }) => code.startsWith("4") && code !== "499";
const serverError = ({ code }) => code.startsWith("5");

// The gauge keeps its value while the engine rests.
const batch = (window) => (window.growth("tandem_steps_total") > 0
  ? window.gauge("tandem_step_sequences") : 0);

export const panels = [
  { title: "board.requests", format: perSecond, series: [
    rateOf("board.accepted", "tandem_requests_accepted_total"),
    rateOf("board.finished", "tandem_requests_finished_total")] },
  { title: "board.tokens", format: perSecond, series: [
    rateOf("board.generated", "tandem_generation_tokens_total"),
    rateOf("board.prompt", "tandem_prompt_tokens_total")] },
  { title: "board.first_token", format: seconds,
    series: percentiles("tandem_time_to_first_token_seconds") },
  { title: "board.next_token", format: seconds, series: percentiles("tandem_inter_token_seconds") },
  { title: "board.whole", format: seconds, series: percentiles("tandem_request_seconds") },
  { title: "board.queue", format: count, series: [
    gaugeOf("board.waiting", "tandem_requests_waiting"),
    gaugeOf("board.running", "tandem_requests_running"),
    { label: "board.batch", key: "board.batch", of: batch }] },
  { title: "board.memory", format: percent, fixedTop: 1, series: [
    gaugeOf("board.in_use", "tandem_kv_usage_ratio"),
    gaugeOf("board.cached", "tandem_kv_cached_ratio")] },
  { title: "board.cache", format: percent, fixedTop: 1, series: [
    shareOf("board.hits", "tandem_prefix_cache_hit_tokens_total", "tandem_prompt_tokens_total"),
    rateOf("board.busy", "tandem_busy_seconds_total")] },
  { title: "board.errors", format: perSecond, series: [
    rateOf("board.client_errors", "tandem_http_requests_total", clientError),
    rateOf("board.server_errors", "tandem_http_requests_total", serverError),
    rateOf("board.failures", "tandem_breaker_failures_total"),
    rateOf("board.degraded", "tandem_degraded_answers_total")] },
];

// One point of all charts. `time` in milliseconds.
export function pointOf(time, window) {
  const point = { time };
  for (const { series } of panels) {
    for (const { key, of } of series) point[key] = of(window);
  }
  return point;
}
