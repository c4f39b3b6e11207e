#include "loadtest/measure/timeline.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/base/json.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

using std::chrono::milliseconds;

constexpr int64_t kMaxIntervals = 60;  // of the expected time: shorter ones are mostly noise
constexpr std::array kIntervals = {milliseconds(100),    milliseconds(200),   milliseconds(500),
                                   milliseconds(1000),   milliseconds(2000),  milliseconds(5000),
                                   milliseconds(10'000), milliseconds(30'000)};

float Milliseconds(RequestRecord::Offset value) {
  return std::chrono::duration<float, std::milli>(value).count();
}

// Nearest rank, as LatencyHistogram::Quantile. `values` is sorted and not empty.
double QuantileOf(const std::vector<float>& values, double share) {
  const auto rank =
      static_cast<size_t>(std::ceil(share * static_cast<double>(values.size()) - 1e-9));
  return values[std::max<size_t>(rank, 1) - 1];
}

}  // namespace

Timeline::Timeline(Offset expected) : interval_(std::chrono::minutes(1)) {
  for (const milliseconds interval : kIntervals) {
    if (expected / interval <= kMaxIntervals) {
      interval_ = interval;
      break;
    }
  }
  intervals_.reserve(static_cast<size_t>(expected / interval_) + 64);
}

Timeline::Interval& Timeline::At(Offset offset) {
  const auto index = static_cast<size_t>(std::max<int64_t>(offset / interval_, 0));
  while (intervals_.size() <= index) {
    Interval next;
    next.point.begin_seconds = interval_seconds() * static_cast<double>(intervals_.size());
    intervals_.push_back(std::move(next));
  }
  return intervals_[index];
}

void Timeline::Add(const RequestRecord& record) {
  ++At(record.sent).point.num_sent;
  TimelinePoint& end = At(record.end).point;
  ++end.outcomes[static_cast<size_t>(record.outcome)];
  if (record.outcome == Outcome::kCompleted) ++end.num_completed;
  Interval& due = At(record.scheduled);
  ++due.point.num_due;
  if (record.outcome != Outcome::kCompleted) return;
  due.e2e_ms.push_back(Milliseconds(record.end - record.scheduled));
  if (record.is_streamed)
    due.ttft_ms.push_back(Milliseconds(record.first_output - record.scheduled));
}

std::vector<TimelinePoint> Timeline::Points() const {
  std::vector<TimelinePoint> points;
  for (const Interval& interval : intervals_) {
    TimelinePoint point = interval.point;
    point.num_measured = std::ssize(interval.e2e_ms);
    if (!interval.e2e_ms.empty()) {
      std::vector<float> sorted = interval.e2e_ms;
      std::ranges::sort(sorted);
      point.e2e_p50_ms = QuantileOf(sorted, 0.5);
      point.e2e_p95_ms = QuantileOf(sorted, 0.95);
      point.e2e_p99_ms = QuantileOf(sorted, 0.99);
    }
    if (!interval.ttft_ms.empty()) {
      std::vector<float> sorted = interval.ttft_ms;
      std::ranges::sort(sorted);
      point.ttft_p50_ms = QuantileOf(sorted, 0.5);
      point.ttft_p99_ms = QuantileOf(sorted, 0.99);
    }
    points.push_back(point);
  }
  return points;
}

nlohmann::json ToJson(const std::vector<TimelinePoint>& points) {
  Json list = Json::array();
  for (const TimelinePoint& point : points) {
    Json outcomes = Json::object();
    for (size_t i = 0; i < kNumOutcomes; ++i) {
      if (point.outcomes[i] > 0) {
        outcomes[std::string(Name(static_cast<Outcome>(i)))] = point.outcomes[i];
      }
    }
    list.push_back({{"begin_seconds", point.begin_seconds},
                    {"due", point.num_due},
                    {"sent", point.num_sent},
                    {"completed", point.num_completed},
                    {"outputs", point.num_outputs},
                    {"outcomes", std::move(outcomes)},
                    {"measured", point.num_measured},
                    {"ttft_p50_ms", point.ttft_p50_ms},
                    {"ttft_p99_ms", point.ttft_p99_ms},
                    {"e2e_p50_ms", point.e2e_p50_ms},
                    {"e2e_p95_ms", point.e2e_p95_ms},
                    {"e2e_p99_ms", point.e2e_p99_ms}});
  }
  return list;
}

std::vector<TimelinePoint> TimelineFromJson(const nlohmann::json& json, const std::string& where) {
  if (!json.is_array()) throw FormatError(where + ": must be a list");
  std::vector<TimelinePoint> points;
  for (const Json& item : json) {
    JsonFields fields(item, where);
    TimelinePoint point{.begin_seconds = fields.RequiredNumber("begin_seconds"),
                        .num_due = fields.RequiredInt("due"),
                        .num_sent = fields.RequiredInt("sent"),
                        .num_completed = fields.RequiredInt("completed"),
                        .num_outputs = fields.RequiredInt("outputs"),
                        .num_measured = fields.RequiredInt("measured"),
                        .ttft_p50_ms = fields.RequiredNumber("ttft_p50_ms"),
                        .ttft_p99_ms = fields.RequiredNumber("ttft_p99_ms"),
                        .e2e_p50_ms = fields.RequiredNumber("e2e_p50_ms"),
                        .e2e_p95_ms = fields.RequiredNumber("e2e_p95_ms"),
                        .e2e_p99_ms = fields.RequiredNumber("e2e_p99_ms")};
    if (auto outcomes = fields.Object("outcomes")) {
      for (size_t i = 0; i < kNumOutcomes; ++i) {
        point.outcomes[i] = outcomes->Int(Name(static_cast<Outcome>(i))).value_or(0);
      }
    }
    fields.ThrowIfProblems();
    points.push_back(point);
  }
  return points;
}

}  // namespace tandem
