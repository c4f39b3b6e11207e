#include "loadtest/report/latency_series.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace tandem {
namespace {

constexpr double kBinsOfADecade = 20.0;

double Milliseconds(const LatencyHistogram::Bucket& bucket) {
  return static_cast<double>(std::max<int64_t>(bucket.middle, 1)) / 1000.0;
}

}  // namespace

ChartSeries DistributionSeries(std::string name, const LatencyHistogram& histogram) {
  ChartSeries series{.name = std::move(name)};
  int64_t seen = 0;
  for (const LatencyHistogram::Bucket& bucket : histogram.Buckets()) {
    seen += bucket.count;
    series.points.push_back({Milliseconds(bucket), 100.0 * static_cast<double>(seen) /
                                                       static_cast<double>(histogram.count())});
  }
  return series;
}

// With an empty bin on either side of those that are not, so that the line comes down to the axis.
ChartSeries DensitySeries(std::string name, const LatencyHistogram& histogram) {
  std::map<int64_t, int64_t> bins;
  for (const LatencyHistogram::Bucket& bucket : histogram.Buckets()) {
    const auto bin = std::llround(std::log10(Milliseconds(bucket)) * kBinsOfADecade);
    bins[bin] += bucket.count;
    bins.try_emplace(bin - 1, 0);
    bins.try_emplace(bin + 1, 0);
  }
  ChartSeries series{.name = std::move(name)};
  for (const auto& [bin, count] : bins) {
    series.points.push_back(
        {std::pow(10.0, static_cast<double>(bin) / kBinsOfADecade),
         100.0 * static_cast<double>(count) / static_cast<double>(histogram.count())});
  }
  return series;
}

}  // namespace tandem
