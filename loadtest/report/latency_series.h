#pragma once
// A histogram of latencies as a line of a chart: x is milliseconds, for a logarithmic axis.

#include <string>

#include "engine/base/svg_chart.h"
#include "loadtest/measure/latency_histogram.h"

namespace tandem {

// y: percent that took no longer.
ChartSeries DistributionSeries(std::string name, const LatencyHistogram& histogram);

// y: percent in each twentieth of a power of ten.
ChartSeries DensitySeries(std::string name, const LatencyHistogram& histogram);

}  // namespace tandem
