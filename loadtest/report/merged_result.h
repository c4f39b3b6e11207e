#pragma once
// The results of several workers that ran the same load side by side, as one result. Pure
// functions.

#include <span>
#include <string>

#include "loadtest/report/load_result.h"

namespace tandem {

struct WorkerResult {
  std::string name;  // how errors call it: the file
  LoadResult result;
};

// Counts, histograms, errors and timelines add up, so percentiles are those of all requests. The
// window is from the begin of the first worker's to the end of the last one's, so rates are over
// the union of their times, as exact as the clocks of the workers' machines agree.
// ConfigError for fewer than two, for what is merged already, and for two that do not belong
// together, with what differs: the workload, the server, the limits of goodput; or with the same
// seed and salt, which made the same requests; or without a moment in which all were measured.
LoadResult MergedResult(std::span<const WorkerResult> workers);

}  // namespace tandem
