#pragma once
// A run cut into intervals of time: what was asked for, what came, how long it took. For charts.
// Timelines of workers that ran side by side add up. Owned by the run; one thread.

#include <array>
#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "loadtest/measure/latency_histogram.h"
#include "loadtest/measure/request_record.h"

namespace tandem {

// Latencies are those of requests that were due in the interval; the rest is what happened in it.
struct TimelinePoint {
  double begin_seconds = 0.0;
  int64_t num_due = 0;
  int64_t num_sent = 0;
  int64_t num_completed = 0;
  int64_t num_outputs = 0;  // pieces of streams
  std::array<int64_t, kNumOutcomes> outcomes{};
  LatencyHistogram ttft;  // of completed streams; of values within 1/256 of what was measured
  LatencyHistogram e2e;   // of completed requests; the same

  // All but the time.
  void Merge(const TimelinePoint& other);
};

class Timeline {
 public:
  using Offset = RequestRecord::Offset;

  // `expected`: how long the run takes; it may take longer.
  explicit Timeline(Offset expected);

  void Add(const RequestRecord& record);
  void CountOutput(Offset at) { ++At(at).num_outputs; }

  double interval_seconds() const { return std::chrono::duration<double>(interval_).count(); }
  const std::vector<TimelinePoint>& points() const { return points_; }

 private:
  TimelinePoint& At(Offset offset);

  Offset interval_;
  std::vector<TimelinePoint> points_;
};

// Adds a timeline with the same intervals that began `seconds_later` (not negative), to the nearest
// interval.
void MergeTimeline(const std::vector<TimelinePoint>& points, double seconds_later,
                   double interval_seconds, std::vector<TimelinePoint>& sum);

nlohmann::json ToJson(const std::vector<TimelinePoint>& points);
std::vector<TimelinePoint> TimelineFromJson(const nlohmann::json& json, const std::string& where);

}  // namespace tandem
