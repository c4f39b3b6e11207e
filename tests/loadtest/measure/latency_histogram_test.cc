#include "loadtest/measure/latency_histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "kernels/core/error.h"
#include "loadtest/random_draws.h"
#include "tests/support/expect_throws.h"

namespace tandem {
namespace {

using std::chrono::microseconds;

std::vector<int64_t> SpreadValues(size_t count) {
  RandomDraws draws(3);
  std::vector<int64_t> values;
  for (size_t i = 0; i < count; ++i) {
    values.push_back(static_cast<int64_t>(20'000.0 * std::exp(2.0 * draws.Normal())));
  }
  return values;
}

LatencyHistogram HistogramOf(const std::vector<int64_t>& values) {
  LatencyHistogram histogram;
  for (const int64_t value : values) histogram.Record(microseconds(value));
  return histogram;
}

// The definition of the nearest rank.
int64_t TrueQuantile(std::vector<int64_t> values, int64_t percent_of_1000) {
  std::ranges::sort(values);
  const auto count = static_cast<int64_t>(values.size());
  const int64_t rank = std::max<int64_t>(1, (percent_of_1000 * count + 999) / 1000);
  return values[static_cast<size_t>(rank - 1)];
}

TEST(LatencyHistogram, SmallValuesAreExact) {
  const LatencyHistogram histogram = HistogramOf({0, 7, 1000, 4095});
  EXPECT_EQ(histogram.Quantile(0.25), 0);
  EXPECT_EQ(histogram.Quantile(0.5), 7);
  EXPECT_EQ(histogram.Quantile(0.75), 1000);
  EXPECT_EQ(histogram.Quantile(1.0), 4095);
  EXPECT_EQ(histogram.count(), 4);
  EXPECT_DOUBLE_EQ(histogram.mean_microseconds(), 1275.5);
}

TEST(LatencyHistogram, EveryPercentileIsWithinABucketOfTheTruth) {
  const std::vector<int64_t> values = SpreadValues(5000);
  const LatencyHistogram histogram = HistogramOf(values);
  for (int64_t percent = 1; percent <= 1000; ++percent) {
    const int64_t truth = TrueQuantile(values, percent);
    const int64_t found = histogram.Quantile(static_cast<double>(percent) / 1000.0);
    EXPECT_LE(std::abs(found - truth), truth / 2048 + 1) << percent;
  }
}

TEST(LatencyHistogram, BucketsMeetWithoutGapOrOverlap) {
  for (const int64_t value :
       {4095L, 4096L, 8191L, 8192L, 1L << 30, LatencyHistogram::kMaxMicroseconds}) {
    const LatencyHistogram histogram = HistogramOf({value});
    EXPECT_EQ(histogram.CountUpTo(microseconds(value)), 1) << value;
    EXPECT_EQ(histogram.Quantile(0.5), value) << "min and max bound the bucket's middle";
  }
}

TEST(LatencyHistogram, BoundsWhatItCannotHold) {
  const LatencyHistogram histogram = HistogramOf({-5, LatencyHistogram::kMaxMicroseconds * 4});
  EXPECT_EQ(histogram.min_microseconds(), 0);
  EXPECT_EQ(histogram.max_microseconds(), LatencyHistogram::kMaxMicroseconds);
}

TEST(LatencyHistogram, MergedIsRecordedTogether) {
  const std::vector<int64_t> values = SpreadValues(2000);
  const auto middle = values.begin() + 700;
  LatencyHistogram merged = HistogramOf({values.begin(), middle});
  merged.Merge(HistogramOf({middle, values.end()}));
  EXPECT_EQ(merged.ToJson().dump(), HistogramOf(values).ToJson().dump());
  merged.Merge(LatencyHistogram());
  EXPECT_EQ(merged.count(), 2000);
}

TEST(LatencyHistogram, ComesBackFromJson) {
  const LatencyHistogram histogram = HistogramOf(SpreadValues(500));
  const LatencyHistogram read = LatencyHistogram::FromJson(histogram.ToJson(), "here");
  EXPECT_EQ(read.ToJson(), histogram.ToJson());
  EXPECT_EQ(read.Quantile(0.95), histogram.Quantile(0.95));
  const LatencyHistogram empty = LatencyHistogram::FromJson(LatencyHistogram().ToJson(), "here");
  EXPECT_EQ(empty.Quantile(0.5), 0);
}

TEST(LatencyHistogram, RefusesWrongJson) {
  nlohmann::json json = HistogramOf({1, 2}).ToJson();
  json["count"] = 5;
  EXPECT_TRUE(Contains(MessageOf<FormatError>([&] { LatencyHistogram::FromJson(json, "f"); }),
                       "f: count is not the sum"));
  json["buckets"] = {1, 2, 3};
  EXPECT_TRUE(
      Contains(MessageOf<FormatError>([&] { LatencyHistogram::FromJson(json, "f"); }), "pairs"));
  json["buckets"] = {int64_t{1} << 50, 2};
  EXPECT_TRUE(Contains(MessageOf<FormatError>([&] { LatencyHistogram::FromJson(json, "f"); }),
                       "beyond the last"));
}

TEST(LatencyHistogram, CountsWhatNeverCameAsBeyondAll) {
  const LatencyHistogram histogram = HistogramOf(std::vector<int64_t>(95, 100));
  EXPECT_EQ(histogram.QuantileWith(0.95, 5), 100);
  EXPECT_EQ(histogram.QuantileWith(0.96, 5), -1);
  EXPECT_EQ(LatencyHistogram().QuantileWith(0.5, 1), -1);
}

}  // namespace
}  // namespace tandem
