#pragma once
// The rows of one RunDeviceBench on their way: which are wanted, whether there is time, what
// failed.

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "kernels/core/thread_pool.h"
#include "tests/bench/device_bench.h"
#include "tests/bench/device_timing.h"

namespace tandem {

class BenchRows {
 public:
  explicit BenchRows(const DeviceBenchOptions& options)
      : options_(options), pool_(AvailableProcessors()) {}

  const DeviceBenchOptions& options() const { return options_; }
  const DeviceTiming& timing() const { return timing_; }
  ThreadPool& pool() { return pool_; }

  bool IsWanted(const BenchRow& row) const;
  bool TimeIsOver() const;
  // Takes the row, if it is wanted: with what `measure` fills in, or with a note that says why
  // there is nothing.
  void Measure(BenchRow row, const std::function<void(BenchRow&)>& measure);

  std::vector<BenchRow> Take() { return std::move(rows_); }

 private:
  using Clock = std::chrono::steady_clock;
  const DeviceBenchOptions& options_;
  const DeviceTiming timing_ = options_.tiny ? kTinyTiming : DeviceTiming();
  const Clock::time_point start_ = Clock::now();
  ThreadPool pool_;
  std::vector<BenchRow> rows_;
};

// What the device can do at most, each measured when it is first asked for; 0: it could not be.
class DeviceCeilings {
 public:
  explicit DeviceCeilings(BenchRows& rows) : rows_(rows) {}
  double BytesPerSecond();
  double MatmulFlops();
  // Fill in `row`, and keep the rate.
  void MeasureCopy(BenchRow& row);
  void MeasureMatmul(BenchRow& row);

 private:
  double MeasuredOnce(std::optional<double>& rate, void (DeviceCeilings::*measure)(BenchRow&));

  BenchRows& rows_;
  std::optional<double> bytes_per_second_;
  std::optional<double> matmul_flops_;
};

// The table's parts, one file each.
void MeasureCeilingRows(BenchRows& rows, DeviceCeilings& ceilings);
void MeasureOpRows(BenchRows& rows, DeviceCeilings& ceilings);
void MeasureInvariancePrice(BenchRows& rows);
void MeasureModelRows(BenchRows& rows, DeviceCeilings& ceilings);
void MeasureTrainingRows(BenchRows& rows, DeviceCeilings& ceilings);

}  // namespace tandem
