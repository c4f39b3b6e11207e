#pragma once
// What is reported of a set of requests, as vLLM's benchmark defines it except that latencies count
// from the time a request was due: TTFT to the first text of a stream; ITL, the gaps between texts
// of a stream; TPOT, (e2e - TTFT) / (output tokens - 1); e2e to the last output. Only completed
// requests have these. Rejection is the time to the last byte of a 429 or 503. Sets of different
// workers or runs add up. One owner, one thread.

#include <array>
#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "loadtest/measure/latency_histogram.h"
#include "loadtest/measure/request_record.h"

namespace tandem {

enum class Metric : uint8_t { kTtft, kItl, kTpot, kE2e, kRejection, kSendDelay };
inline constexpr size_t kNumMetrics = 6;
inline constexpr std::array<Metric, kNumMetrics> kMetrics = {
    Metric::kTtft, Metric::kItl,       Metric::kTpot,
    Metric::kE2e,  Metric::kRejection, Metric::kSendDelay};

std::string_view Name(Metric metric);  // "ttft", "send_delay"

// A request is good when it completed within all of these. None set: every completed one is.
struct GoodLimits {
  std::optional<std::chrono::milliseconds> ttft;
  std::optional<std::chrono::milliseconds> tpot;
  std::optional<std::chrono::milliseconds> e2e;

  bool IsSet() const { return ttft || tpot || e2e; }
};

// "ttft:200ms,e2e:500ms". ConfigError that names the part and what is known.
GoodLimits ParseGoodLimits(const std::string& text);

class Measures {
 public:
  Measures() = default;
  explicit Measures(std::string name) : name_(std::move(name)) {}

  // `gaps`: microseconds between the outputs of its stream.
  void Add(const RequestRecord& record, std::span<const uint32_t> gaps, const GoodLimits& limits);
  void Merge(const Measures& other);

  const std::string& name() const { return name_; }
  const LatencyHistogram& of(Metric metric) const {
    return histograms_[static_cast<size_t>(metric)];
  }
  int64_t count(Outcome outcome) const { return counts_[static_cast<size_t>(outcome)]; }
  int64_t num_requests() const;
  int64_t num_errors() const;
  int64_t num_input_tokens() const { return num_input_tokens_; }  // of completed ones, as all below
  int64_t num_cached_tokens() const { return num_cached_tokens_; }
  int64_t num_output_tokens() const { return num_output_tokens_; }
  int64_t num_good() const { return num_good_; }
  int64_t num_with_usage() const { return num_with_usage_; }

  // Of all requests that were not cut on purpose. 0 of none.
  double error_share() const;
  double good_share() const;
  // In milliseconds. A request without an answer counts as one that never came: infinity when the
  // percentile falls on those. The send delay has all.
  double Quantile(Metric metric, double share) const;

  nlohmann::json ToJson() const;
  static Measures FromJson(const nlohmann::json& json, const std::string& where);

 private:
  LatencyHistogram& At(Metric metric) { return histograms_[static_cast<size_t>(metric)]; }

  std::string name_;
  std::array<LatencyHistogram, kNumMetrics> histograms_;
  std::array<int64_t, kNumOutcomes> counts_{};
  int64_t num_input_tokens_ = 0;
  int64_t num_cached_tokens_ = 0;
  int64_t num_output_tokens_ = 0;
  int64_t num_good_ = 0;
  int64_t num_with_usage_ = 0;
};

}  // namespace tandem
