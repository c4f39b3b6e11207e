#include "loadtest/measure/measures.h"

#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "engine/base/json.h"
#include "engine/base/near_match.h"
#include "engine/base/printable.h"
#include "engine/base/quantity.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::nanoseconds;

bool IsWithin(nanoseconds value, const std::optional<std::chrono::milliseconds>& limit) {
  return !limit || value <= *limit;
}

}  // namespace

std::string_view Name(Metric metric) {
  switch (metric) {
    case Metric::kTtft:
      return "ttft";
    case Metric::kItl:
      return "itl";
    case Metric::kTpot:
      return "tpot";
    case Metric::kE2e:
      return "e2e";
    case Metric::kRejection:
      return "rejection";
    case Metric::kSendDelay:
      return "send_delay";
  }
  return "";
}

GoodLimits ParseGoodLimits(const std::string& text) {
  GoodLimits limits;
  const std::vector<std::string> names = {"ttft", "tpot", "e2e"};
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    begin = end + 1;
    const size_t colon = part.find(':');
    const std::string name = part.substr(0, colon);
    const auto limit =
        ParseDuration(colon == part.npos ? "" : std::string_view(part).substr(colon + 1));
    if (name == "ttft" && limit) {
      limits.ttft = limit;
    } else if (name == "tpot" && limit) {
      limits.tpot = limit;
    } else if (name == "e2e" && limit) {
      limits.e2e = limit;
    } else {
      throw ConfigError(
          fmt::format("goodput {} is not NAME:DURATION with a name of ttft, tpot, e2e, such as "
                      "ttft:200ms,e2e:500ms{}",
                      Quoted(part), DidYouMean(name, names)));
    }
  }
  return limits;
}

void Measures::Add(const RequestRecord& record, std::span<const uint32_t> gaps,
                   const GoodLimits& limits) {
  ++counts_[static_cast<size_t>(record.outcome)];
  At(Metric::kSendDelay).Record(duration_cast<microseconds>(record.sent - record.scheduled));
  const nanoseconds e2e = record.end - record.scheduled;
  if (record.outcome == Outcome::kTooMany || record.outcome == Outcome::kUnavailable) {
    At(Metric::kRejection).Record(duration_cast<microseconds>(e2e));
  }
  if (record.outcome != Outcome::kCompleted) return;
  num_input_tokens_ += record.num_input_tokens;
  num_cached_tokens_ += record.num_cached_tokens;
  num_output_tokens_ += record.num_output_tokens;
  if (record.has_usage) ++num_with_usage_;
  At(Metric::kE2e).Record(duration_cast<microseconds>(e2e));
  bool is_good = IsWithin(e2e, limits.e2e);
  if (record.is_streamed) {
    const nanoseconds ttft = record.first_output - record.scheduled;
    At(Metric::kTtft).Record(duration_cast<microseconds>(ttft));
    is_good = is_good && IsWithin(ttft, limits.ttft);
    for (const uint32_t gap : gaps) At(Metric::kItl).Record(microseconds(gap));
    if (record.num_output_tokens > 1) {
      const nanoseconds tpot = (e2e - ttft) / (record.num_output_tokens - 1);
      At(Metric::kTpot).Record(duration_cast<microseconds>(tpot));
      is_good = is_good && IsWithin(tpot, limits.tpot);
    }
  }
  if (is_good) ++num_good_;
}

void Measures::Merge(const Measures& other) {
  for (size_t i = 0; i < kNumMetrics; ++i) histograms_[i].Merge(other.histograms_[i]);
  for (size_t i = 0; i < kNumOutcomes; ++i) counts_[i] += other.counts_[i];
  num_input_tokens_ += other.num_input_tokens_;
  num_cached_tokens_ += other.num_cached_tokens_;
  num_output_tokens_ += other.num_output_tokens_;
  num_good_ += other.num_good_;
  num_with_usage_ += other.num_with_usage_;
}

int64_t Measures::num_requests() const {
  int64_t sum = 0;
  for (const int64_t count : counts_) sum += count;
  return sum;
}

int64_t Measures::num_errors() const {
  int64_t sum = 0;
  for (size_t i = 0; i < kNumOutcomes; ++i) {
    if (IsError(static_cast<Outcome>(i))) sum += counts_[i];
  }
  return sum;
}

double Measures::error_share() const {
  const int64_t num_meant = num_requests() - count(Outcome::kCancelled);
  return num_meant == 0 ? 0.0 : static_cast<double>(num_errors()) / static_cast<double>(num_meant);
}

double Measures::good_share() const {
  const int64_t num_meant = num_requests() - count(Outcome::kCancelled);
  return num_meant == 0 ? 0.0 : static_cast<double>(num_good_) / static_cast<double>(num_meant);
}

double Measures::Quantile(Metric metric, double share) const {
  const bool counts_errors = metric == Metric::kTtft || metric == Metric::kE2e;
  const int64_t value = of(metric).QuantileWith(share, counts_errors ? num_errors() : 0);
  if (value < 0) return std::numeric_limits<double>::infinity();
  return static_cast<double>(value) / 1000.0;
}

nlohmann::json Measures::ToJson() const {
  Json outcomes = Json::object();
  for (size_t i = 0; i < kNumOutcomes; ++i) {
    if (counts_[i] > 0) outcomes[std::string(Name(static_cast<Outcome>(i)))] = counts_[i];
  }
  Json histograms = Json::object();
  Json latency_ms = Json::object();
  for (const Metric metric : kMetrics) {
    const LatencyHistogram& histogram = of(metric);
    const std::string name(Name(metric));
    histograms[name] = histogram.ToJson();
    if (histogram.count() == 0) continue;
    const auto quantile = [&](double share) {
      return static_cast<double>(histogram.Quantile(share)) / 1000.0;
    };
    latency_ms[name] = {{"mean", histogram.mean_microseconds() / 1000.0},
                        {"p50", quantile(0.5)},
                        {"p90", quantile(0.9)},
                        {"p95", quantile(0.95)},
                        {"p99", quantile(0.99)},
                        {"max", static_cast<double>(histogram.max_microseconds()) / 1000.0}};
  }
  return {{"name", name_},
          {"requests", num_requests()},
          {"errors", num_errors()},
          {"outcomes", std::move(outcomes)},
          {"input_tokens", num_input_tokens_},
          {"cached_tokens", num_cached_tokens_},
          {"output_tokens", num_output_tokens_},
          {"good", num_good_},
          {"with_usage", num_with_usage_},
          {"latency_ms", std::move(latency_ms)},
          {"histograms", std::move(histograms)}};
}

Measures Measures::FromJson(const nlohmann::json& json, const std::string& where) {
  JsonFields fields(json, where);
  Measures measures(fields.RequiredString("name"));
  measures.num_input_tokens_ = fields.RequiredInt("input_tokens", {.min = 0});
  measures.num_cached_tokens_ = fields.RequiredInt("cached_tokens", {.min = 0});
  measures.num_output_tokens_ = fields.RequiredInt("output_tokens", {.min = 0});
  measures.num_good_ = fields.RequiredInt("good", {.min = 0});
  measures.num_with_usage_ = fields.RequiredInt("with_usage", {.min = 0});
  if (auto outcomes = fields.Object("outcomes")) {
    for (size_t i = 0; i < kNumOutcomes; ++i) {
      measures.counts_[i] = outcomes->Int(Name(static_cast<Outcome>(i)), {.min = 0}).value_or(0);
    }
  }
  const Json* histograms = fields.Find("histograms");
  if (histograms == nullptr || !histograms->is_object()) {
    fields.AddProblem("histograms", "is missing");
  }
  fields.ThrowIfProblems();
  for (const Metric metric : kMetrics) {
    const std::string name(Name(metric));
    const auto found = histograms->find(name);
    if (found == histograms->end())
      throw FormatError(where + ": histograms." + name + " is missing");
    measures.At(metric) = LatencyHistogram::FromJson(*found, where + ": histograms." + name);
  }
  return measures;
}

}  // namespace tandem
