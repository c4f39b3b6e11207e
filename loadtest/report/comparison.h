#pragma once
// Two results side by side, with intervals for their differences. Pure function of both.
//
// Intervals are those of a bootstrap over requests (95 %), drawn from the histograms: the resampled
// percentile p of n values is the value at a beta-distributed rank, so no sample is needed.
// Requests of one run wait for each other and are not independent: what differs between two runs of
// the same thing is more than the intervals say.

#include <cstdint>
#include <string>

#include "engine/base/terminal.h"
#include "loadtest/report/load_result.h"

namespace tandem {

// B minus A, in milliseconds.
struct Difference {
  double a = 0.0;
  double b = 0.0;
  double low = 0.0;  // of the interval of b - a
  double high = 0.0;

  bool IsClear() const { return low > 0.0 || high < 0.0; }
};

// Below 0 for the mean.
inline constexpr double kMeanShare = -1.0;
Difference DifferenceOf(const LatencyHistogram& a, const LatencyHistogram& b, double share,
                        uint64_t seed);

std::string ComparisonTable(const LoadResult& a, const LoadResult& b, const Styler& style);

}  // namespace tandem
