#include "loadtest/measure/latency_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/base/json.h"
#include "kernels/core/error.h"

namespace tandem {

namespace {
// Values below 2 * kHalf have a bucket each; above, every doubling is cut into kHalf buckets.
constexpr int kHalfBits = 11;
constexpr int64_t kHalf = int64_t{1} << kHalfBits;
}  // namespace

size_t LatencyHistogram::IndexOf(int64_t value) {
  const int width = std::bit_width(static_cast<uint64_t>(value));
  const int shift = std::max(0, width - (kHalfBits + 1));
  return static_cast<size_t>(shift * kHalf + (value >> shift));
}

int64_t LatencyHistogram::FirstOf(size_t index) {
  const auto i = static_cast<int64_t>(index);
  if (i < 2 * kHalf) return i;
  const int64_t shift = i / kHalf - 1;
  return (i - shift * kHalf) << shift;
}

int64_t LatencyHistogram::MiddleOf(size_t index) const {
  const int64_t middle = (FirstOf(index) + FirstOf(index + 1) - 1) / 2;
  return std::clamp(middle, min_microseconds(), max_);
}

void LatencyHistogram::Record(Microseconds value, int64_t count) {
  const int64_t microseconds = std::clamp<int64_t>(value.count(), 0, kMaxMicroseconds);
  const size_t index = IndexOf(microseconds);
  if (index >= counts_.size()) counts_.resize(index + 1);
  counts_[index] += count;
  count_ += count;
  sum_ += static_cast<double>(microseconds) * static_cast<double>(count);
  min_ = std::min(min_, microseconds);
  max_ = std::max(max_, microseconds);
}

void LatencyHistogram::Merge(const LatencyHistogram& other) {
  if (other.counts_.size() > counts_.size()) counts_.resize(other.counts_.size());
  for (size_t i = 0; i < other.counts_.size(); ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
}

double LatencyHistogram::mean_microseconds() const {
  return count_ == 0 ? 0.0 : sum_ / static_cast<double>(count_);
}

double LatencyHistogram::deviation_microseconds() const {
  if (count_ < 2) return 0.0;
  const double mean = mean_microseconds();
  double squares = 0.0;
  for (const Bucket& bucket : Buckets()) {
    const double off = static_cast<double>(bucket.middle) - mean;
    squares += off * off * static_cast<double>(bucket.count);
  }
  return std::sqrt(squares / static_cast<double>(count_ - 1));
}

int64_t LatencyHistogram::Quantile(double share) const { return QuantileWith(share, 0); }

int64_t LatencyHistogram::QuantileWith(double share, int64_t num_beyond) const {
  const int64_t total = count_ + num_beyond;
  if (total == 0) return 0;
  // The product of 0.95 and 100 is a little above 95 in binary: no rank may move by that.
  const double exact = share * static_cast<double>(total);
  const int64_t rank =
      std::clamp<int64_t>(static_cast<int64_t>(std::ceil(exact - 1e-9 * exact)), 1, total);
  if (rank > count_) return -1;
  if (rank == count_) return max_;
  int64_t seen = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen >= rank) return MiddleOf(i);
  }
  return max_;
}

int64_t LatencyHistogram::CountUpTo(Microseconds value) const {
  if (value.count() < 0) return 0;
  const size_t last = IndexOf(std::min<int64_t>(value.count(), kMaxMicroseconds));
  int64_t seen = 0;
  for (size_t i = 0; i < counts_.size() && i <= last; ++i) seen += counts_[i];
  return seen;
}

std::vector<LatencyHistogram::Bucket> LatencyHistogram::Buckets() const {
  std::vector<Bucket> buckets;
  for (size_t i = 0; i < counts_.size(); ++i) {
    if (counts_[i] > 0) buckets.push_back({.middle = MiddleOf(i), .count = counts_[i]});
  }
  return buckets;
}

nlohmann::json LatencyHistogram::ToJson() const {
  Json buckets = Json::array();
  for (size_t i = 0; i < counts_.size(); ++i) {
    if (counts_[i] == 0) continue;
    buckets.push_back(i);
    buckets.push_back(counts_[i]);
  }
  return {{"unit", "us"}, {"count", count_},
          {"sum", sum_},  {"min", min_microseconds()},
          {"max", max_},  {"buckets", std::move(buckets)}};
}

LatencyHistogram LatencyHistogram::FromJson(const nlohmann::json& json, const std::string& where) {
  JsonFields fields(json, where);
  const int64_t count = fields.RequiredInt("count", {.min = 0});
  const double sum = fields.RequiredNumber("sum", {.min = 0});
  const int64_t min = fields.RequiredInt("min", {.min = 0, .max = kMaxMicroseconds});
  const int64_t max = fields.RequiredInt("max", {.min = 0, .max = kMaxMicroseconds});
  const std::vector<int64_t> pairs =
      fields.Ints("buckets", {.min = 0}).value_or(std::vector<int64_t>());
  if (pairs.size() % 2 != 0) fields.AddProblem("buckets", "must be pairs of index and count");
  fields.ThrowIfProblems();
  LatencyHistogram histogram;
  for (size_t i = 0; i + 1 < pairs.size(); i += 2) {
    const auto index = static_cast<size_t>(pairs[i]);
    if (index > IndexOf(kMaxMicroseconds))
      throw FormatError(where + ": a bucket is beyond the last");
    if (index >= histogram.counts_.size()) histogram.counts_.resize(index + 1);
    histogram.counts_[index] += pairs[i + 1];
    histogram.count_ += pairs[i + 1];
  }
  if (histogram.count_ != count) throw FormatError(where + ": count is not the sum of the buckets");
  histogram.sum_ = sum;
  if (count > 0) {
    histogram.min_ = min;
    histogram.max_ = max;
  }
  return histogram;
}

}  // namespace tandem
