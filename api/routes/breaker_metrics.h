#pragma once
// The circuit breaker as Prometheus families.

#include <prometheus/metric_family.h>

#include <vector>

#include "api/routes/circuit_breaker.h"

namespace tandem {

void AppendBreakerMetrics(const BreakerStats& stats,
                          std::vector<prometheus::MetricFamily>& families);

}  // namespace tandem
