#pragma once
// What a run found. Plain data; made by LoadRun, written by result_file.h.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "loadtest/measure/measures.h"
#include "loadtest/measure/timeline.h"

namespace tandem {

struct RunOutcome {
  Measures total;                       // of requests that were due after the warm-up
  std::vector<Measures> classes;        // the same, by kind of request
  std::vector<TimelinePoint> timeline;  // of all, the warm-up too
  double interval_seconds = 1.0;        // of the timeline
  double window_seconds = 0.0;          // from the end of the warm-up to the last answer, or longer
  int64_t num_due = 0;                  // with those of the warm-up
  int64_t peak_in_flight = 0;
  int64_t num_retries = 0;        // on a new connection, as the server had closed an idle one
  double client_cpu_share = 0.0;  // of one core
  double client_peak_cpu_share = 0.0;
  std::map<Outcome, std::string> reasons;  // of the first error of each kind, from outside
  bool was_interrupted = false;

  double completed_per_second() const { return PerSecond(total.count(Outcome::kCompleted)); }
  double PerSecond(int64_t count) const {
    return window_seconds <= 0.0 ? 0.0 : static_cast<double>(count) / window_seconds;
  }
};

// Adds another run of the same workload that was made at another time: measures and times add up,
// the timeline stays the first's.
void AddRun(const RunOutcome& run, RunOutcome& sum);
// Adds what another worker found that ran beside it and began `seconds_later` (not negative):
// measures and the timeline add up, and so do the peaks of requests in flight, which bounds their
// number from above. CPU shares are the busiest worker's. The window is the caller's to set.
void AddWorker(const RunOutcome& worker, double seconds_later, RunOutcome& sum);

}  // namespace tandem
