#pragma once
// How a run goes, in one line that a terminal's line is rewritten with. Pure function.

#include <string>

#include "loadtest/run/load_run.h"
#include "loadtest/workload/workload.h"

namespace tandem {

// At most `columns` characters of ASCII: what does not fit is left out by whole parts, the last
// first.
std::string ProgressLine(const LoadProgress& progress, const Workload& workload, int columns);

}  // namespace tandem
