#include "loadtest/run/run_outcome.h"

#include <algorithm>

namespace tandem {
namespace {

void AddCounts(const RunOutcome& run, RunOutcome& sum) {
  sum.total.Merge(run.total);
  for (size_t i = 0; i < std::min(sum.classes.size(), run.classes.size()); ++i) {
    sum.classes[i].Merge(run.classes[i]);
  }
  sum.num_due += run.num_due;
  sum.num_retries += run.num_retries;
  sum.client_peak_cpu_share = std::max(sum.client_peak_cpu_share, run.client_peak_cpu_share);
  for (const auto& [kind, reason] : run.reasons) sum.reasons.try_emplace(kind, reason);
  sum.was_interrupted = sum.was_interrupted || run.was_interrupted;
}

}  // namespace

void AddRun(const RunOutcome& run, RunOutcome& sum) {
  const double seconds = sum.window_seconds + run.window_seconds;
  if (seconds > 0.0) {
    sum.client_cpu_share =
        (sum.client_cpu_share * sum.window_seconds + run.client_cpu_share * run.window_seconds) /
        seconds;
  }
  sum.window_seconds = seconds;
  sum.peak_in_flight = std::max(sum.peak_in_flight, run.peak_in_flight);
  AddCounts(run, sum);
}

void AddWorker(const RunOutcome& worker, double seconds_later, RunOutcome& sum) {
  sum.client_cpu_share = std::max(sum.client_cpu_share, worker.client_cpu_share);
  sum.peak_in_flight += worker.peak_in_flight;
  MergeTimeline(worker.timeline, seconds_later, sum.interval_seconds, sum.timeline);
  AddCounts(worker, sum);
}

}  // namespace tandem
