#pragma once
// The same measurements under vLLM's names, for dashboards and autoscalers that match on those.

#include <prometheus/metric_family.h>

#include <string>
#include <vector>

namespace tandem {

// Copies of the families that have a counterpart, labelled as there.
void AppendVllmMetrics(const std::string& model, std::vector<prometheus::MetricFamily>& families);

}  // namespace tandem
