#include "loadtest/measure/timeline.h"

#include <algorithm>
#include <bit>
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

// To eight significant bits: charts show no more, and files have few buckets.
std::chrono::microseconds Rounded(RequestRecord::Offset value) {
  const int64_t exact =
      std::max<int64_t>(std::chrono::duration_cast<std::chrono::microseconds>(value).count(), 0);
  const int shift = std::max(0, static_cast<int>(std::bit_width(static_cast<uint64_t>(exact))) - 8);
  const int64_t half = (int64_t{1} << shift) / 2;
  return std::chrono::microseconds((exact + half) >> shift << shift);
}

double Milliseconds(const LatencyHistogram& histogram, double share) {
  return static_cast<double>(histogram.Quantile(share)) / 1000.0;
}

TimelinePoint EmptyPoint(size_t index, double interval_seconds) {
  return {.begin_seconds = interval_seconds * static_cast<double>(index)};
}

const Json& RequiredHistogram(const Json& item, const char* name, const std::string& where) {
  const auto histograms = item.find("histograms");
  if (histograms == item.end() || !histograms->is_object() || !histograms->contains(name)) {
    throw FormatError(where + ": histograms." + name + " is missing");
  }
  return (*histograms)[name];
}

}  // namespace

Timeline::Timeline(Offset expected) : interval_(std::chrono::minutes(1)) {
  for (const milliseconds interval : kIntervals) {
    if (expected / interval <= kMaxIntervals) {
      interval_ = interval;
      break;
    }
  }
  points_.reserve(static_cast<size_t>(expected / interval_) + 64);
}

TimelinePoint& Timeline::At(Offset offset) {
  const auto index = static_cast<size_t>(std::max<int64_t>(offset / interval_, 0));
  while (points_.size() <= index) points_.push_back(EmptyPoint(points_.size(), interval_seconds()));
  return points_[index];
}

void Timeline::Add(const RequestRecord& record) {
  if (record.outcome != Outcome::kNotSent) ++At(record.sent).num_sent;
  TimelinePoint& end = At(record.end);
  ++end.outcomes[static_cast<size_t>(record.outcome)];
  if (record.outcome == Outcome::kCompleted) ++end.num_completed;
  TimelinePoint& due = At(record.scheduled);
  ++due.num_due;
  if (record.outcome != Outcome::kCompleted) return;
  due.e2e.Record(Rounded(record.end - record.scheduled));
  if (record.is_streamed) due.ttft.Record(Rounded(record.first_output - record.scheduled));
}

void TimelinePoint::Merge(const TimelinePoint& other) {
  num_due += other.num_due;
  num_sent += other.num_sent;
  num_completed += other.num_completed;
  num_outputs += other.num_outputs;
  for (size_t i = 0; i < kNumOutcomes; ++i) outcomes[i] += other.outcomes[i];
  ttft.Merge(other.ttft);
  e2e.Merge(other.e2e);
}

void MergeTimeline(const std::vector<TimelinePoint>& points, double seconds_later,
                   double interval_seconds, std::vector<TimelinePoint>& sum) {
  const auto shift = static_cast<size_t>(std::llround(seconds_later / interval_seconds));
  for (size_t i = 0; i < points.size(); ++i) {
    while (sum.size() <= i + shift) sum.push_back(EmptyPoint(sum.size(), interval_seconds));
    sum[i + shift].Merge(points[i]);
  }
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
                    {"ttft_p50_ms", Milliseconds(point.ttft, 0.5)},
                    {"ttft_p99_ms", Milliseconds(point.ttft, 0.99)},
                    {"e2e_p50_ms", Milliseconds(point.e2e, 0.5)},
                    {"e2e_p95_ms", Milliseconds(point.e2e, 0.95)},
                    {"e2e_p99_ms", Milliseconds(point.e2e, 0.99)},
                    {"histograms", {{"ttft", point.ttft.ToJson()}, {"e2e", point.e2e.ToJson()}}}});
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
                        .num_outputs = fields.RequiredInt("outputs")};
    if (auto outcomes = fields.Object("outcomes")) {
      for (size_t i = 0; i < kNumOutcomes; ++i) {
        point.outcomes[i] = outcomes->Int(Name(static_cast<Outcome>(i))).value_or(0);
      }
    }
    fields.ThrowIfProblems();
    point.ttft = LatencyHistogram::FromJson(RequiredHistogram(item, "ttft", where), where);
    point.e2e = LatencyHistogram::FromJson(RequiredHistogram(item, "e2e", where), where);
    points.push_back(std::move(point));
  }
  return points;
}

}  // namespace tandem
