#include <algorithm>
#include <chrono>

#include "kernels/core/devices.h"
#include "tests/bench/device_bench.h"
#include "tests/gpu/parts.h"

namespace tandem {

// A group of the table each, so that a device that one of them breaks is whole again for the next.
std::vector<CheckItem> BenchmarkItems(const CheckOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<CheckItem> items;
  for (const std::string group :
       {"ceilings", "decode", "training", "ops", "prefill", "invariance price"}) {
    if (group.find(options.filter) == std::string::npos) continue;
    items.push_back({group, [group, start, options](const RowSink& on_row) {
                       const std::chrono::duration<double> spent =
                           std::chrono::steady_clock::now() - start;
                       const std::vector<BenchRow> rows = RunDeviceBench(
                           {.device = FindDevice(options.device),
                            .seconds = std::max(options.seconds - spent.count(), 0.0),
                            .tiny = options.tiny,
                            .filter = group + ": ",
                            .on_row = on_row});
                       return rows.empty() ? Failed("there are no such rows")
                                           : Passed(std::to_string(rows.size()) + " figures");
                     }});
  }
  return items;
}

}  // namespace tandem
