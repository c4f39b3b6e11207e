// What the dashboard tells in words: the model, how long it has been served, the circuit breaker,
// and errors by kind since the server began.

import { byId, element } from "./dom.js";
import { samplesOf, total } from "./exposition.js";
import { number, t } from "./i18n.js";

const stateTexts = { closed: "board.closed", open: "board.open", half_open: "board.half_open" };

// "2 d 3 h", "3 h 12 min", "5 min 20 s", "20 s"
function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [[86400, "board.days"], [3600, "board.hours"], [60, "board.minutes"],
    [1, "board.seconds"]];
  const first = parts.findIndex(([size]) => whole >= size);
  if (first < 0) return t("board.seconds", { value: 0 });
  return parts.slice(first, first + 2)
    .map(([size, key], i) => [i === 0 ? Math.floor(whole / size)
      : Math.floor((whole % parts[first][0]) / size), key])
    .filter(([value], i) => i === 0 || value > 0)
    .map(([value, key]) => t(key, { value })).join(" ");
}

const labelOf = (metrics, name, label) => samplesOf(metrics, name)[0]?.labels[label] ?? "";

const breakerState = (metrics) => samplesOf(metrics, "tandem_breaker_state")
  .find(({ value }) => value === 1)?.labels.state ?? "closed";

// [{kind, count}], the most frequent first.
function errorKinds(metrics) {
  const kinds = new Map();
  const add = (kind, count) => {
    if (count > 0) kinds.set(kind, (kinds.get(kind) ?? 0) + count);
  };
  for (const { labels, value } of samplesOf(metrics, "tandem_http_requests_total")) {
    if (Number(labels.code) >= 400) add(`HTTP ${labels.code}`, value);
  }
  add("board.failures", total(metrics, "tandem_breaker_failures_total"));
  add("board.step_failures", total(metrics, "tandem_step_failures_total"));
  add("board.refused", total(metrics, "tandem_breaker_refused_total"));
  add("board.degraded", total(metrics, "tandem_degraded_answers_total"));
  add("board.late", total(metrics, "tandem_completions_finished_total",
    ({ reason }) => reason === "deadline"));
  return [...kinds].map(([kind, count]) => ({ kind, count })).sort((a, b) => b.count - a.count);
}

export function showFacts(metrics, now) {
  byId("model").textContent = labelOf(metrics, "tandem_model_info", "model");
  byId("version").textContent = labelOf(metrics, "tandem_build_info", "version");
  byId("uptime").textContent = duration(now / 1000 - total(metrics, "tandem_start_time_seconds"));
  byId("accepted").textContent = number(total(metrics, "tandem_requests_accepted_total"));
  byId("generated").textContent = number(total(metrics, "tandem_generation_tokens_total"));
  byId("preempted").textContent = number(total(metrics, "tandem_preemptions_total"));
  const state = breakerState(metrics);
  byId("breaker").textContent = t(stateTexts[state]);
  byId("breaker").className = `state ${state}`;
  showErrors(errorKinds(metrics));
}

function showErrors(kinds) {
  const rows = kinds.map(({ kind, count }) => element("tr", {},
    element("td", { textContent: kind.startsWith("HTTP") ? kind : t(kind) }),
    element("td", { textContent: number(count) })));
  byId("errors").replaceChildren(...rows);
  byId("errors-none").hidden = rows.length > 0;
}
