#pragma once
// The engine's snapshot as Prometheus families: gauges as they are, counters as totals.

#include <prometheus/metric_family.h>

#include <string>
#include <vector>

#include "scheduler/engine_stats.h"

namespace tandem {

void AppendEngineMetrics(const EngineStats& stats, const std::string& model,
                         std::vector<prometheus::MetricFamily>& families);

}  // namespace tandem
