#pragma once
// A run cut into intervals of time: what was asked for, what came, how long it took. For charts.
// Owned by the run; one thread.

#include <array>
#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

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
  int64_t num_measured = 0;  // requests that the latencies are of; 0: those below are 0
  double ttft_p50_ms = 0.0, ttft_p99_ms = 0.0;
  double e2e_p50_ms = 0.0, e2e_p95_ms = 0.0, e2e_p99_ms = 0.0;
};

class Timeline {
 public:
  using Offset = RequestRecord::Offset;

  // `expected`: how long the run takes; it may take longer.
  explicit Timeline(Offset expected);

  void Add(const RequestRecord& record);
  void CountOutput(Offset at) { ++At(at).point.num_outputs; }

  double interval_seconds() const { return std::chrono::duration<double>(interval_).count(); }
  std::vector<TimelinePoint> Points() const;

 private:
  struct Interval {
    TimelinePoint point;
    std::vector<float> ttft_ms;
    std::vector<float> e2e_ms;
  };
  Interval& At(Offset offset);

  Offset interval_;
  std::vector<Interval> intervals_;
};

nlohmann::json ToJson(const std::vector<TimelinePoint>& points);
std::vector<TimelinePoint> TimelineFromJson(const nlohmann::json& json, const std::string& where);

}  // namespace tandem
