#pragma once
// What a GPU does with this program, in a few minutes: its own ceilings, single ops with operands
// in its memory, whole models that decode, prefill and train, and what the fixed order of sums
// costs. One table for `tandem-bench device` and for tests/gpu; goals stand beside the rows.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "kernels/core/device.h"

namespace tandem {

struct BenchRow {
  std::string group;  // "ceilings", "decode", "prefill", "training", "ops", "invariance price"
  std::string name;   // "attention 256 x 1 of 512, 8/2 x 64 bf16"
  double value = 0;   // a median; 0: see `note`
  std::string unit;   // "GB/s", "TFLOP/s", "tok/s", "us", "x" (times as long)
  double share = 0;   // of the measured ceiling that bounds it; 0: of none
  std::string bound;  // that ceiling: "bandwidth", "matmul" or ""
  std::optional<double> must, aim;  // goals: in `unit`, or a share
  bool goal_is_share = false;
  bool lower_is_better = false;
  std::string note;  // "not measured: time is over", "32768 tokens a step"

  // Whether the goal is reached; absent without a goal or a value.
  std::optional<bool> Reaches(const std::optional<double>& goal) const;
};

struct DeviceBenchOptions {
  Device device;
  double seconds = 120;  // from then on rows are only named; the row under way is finished
  bool tiny = false;     // all shapes so small that the fake GPU takes seconds
  std::string filter;    // only rows whose "group: name" contains it; ceilings are measured anyway
                         // where a share needs them
  std::function<void(const BenchRow&)> on_row;  // called with each row when it is there
};

// On the caller's thread. A row that fails says why in its note, and the rest goes on. DeviceError
// when there is no such device.
std::vector<BenchRow> RunDeviceBench(const DeviceBenchOptions& options);

// The rows as a table on stdout, as they come. ConfigError when nothing matches the filter.
void PrintDeviceBench(const DeviceBenchOptions& options);

}  // namespace tandem
