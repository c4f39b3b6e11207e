// Whole optimiser steps, with as many tokens a micro-batch as the device has room for.

#include <algorithm>

#include "kernels/core/devices.h"
#include "kernels/core/error.h"
#include "tests/bench/bench_rows.h"
#include "tests/bench/timing.h"
#include "tests/bench/training_work.h"
#include "tests/support/device_context.h"
#include "tests/support/ops/operands.h"
#include "tests/support/random_model.h"
#include "trainer/memory_plan.h"

namespace tandem {
namespace {

constexpr double kMemoryShare = 0.85;  // of what is free: scratch and fragments want some
constexpr int kSteps = 5;
constexpr int kFewestSteps = 2;
constexpr double kMostSeconds = 5;  // of the timed steps

struct TrainingRow {
  std::string name;
  ModelConfig config;
  int64_t row_tokens = 512;
  int64_t most_rows = 128;
  double must = 0, aim = 0;  // tok/s
};

std::vector<TrainingRow> AllTrainingRows(bool tiny) {
  if (tiny) {
    ModelConfig dense = Stories260KConfig();
    dense.num_layers = 2;
    dense.windows.assign(2, 0);
    return {{"tiny", dense, 16, 3, 1, 2}};
  }
  return {{"26m", MiniMind26MConfig(), 512, 128, 1.3e6, 1.75e6},
          {"104m", MiniMind104MConfig(), 512, 128, 420e3, 525e3}};
}

// Median seconds of a step, with num_rows of them.
double SecondsOfStep(BenchRows& rows, const TrainingRow& training, int64_t num_rows) {
  DeviceContext device(rows.options().device);
  Context& context = device;
  const ModelConfig& config = training.config;
  HostSide host(context);
  ModelWeights compute = MoveToDevice(context, RandomWeights(host, config, DType::kBf16, 1));
  Trainer trainer(context, config, compute,
                  {.schedule = {.kind = ScheduleKind::kConstant, .rate = 1e-4, .num_steps = 100},
                   .max_tokens = num_rows * training.row_tokens});
  std::vector<double> seconds;
  double spent = 0;
  const int steps = rows.options().tiny ? 1 : kSteps;
  for (int step = -1; step < steps; ++step) {
    const std::vector<TrainBatch> batches = {RandomBatch(
        num_rows, training.row_tokens, config.vocab_size, static_cast<uint64_t>(step + 2))};
    const double took = SecondsOf([&] {
      const StepReport report = trainer.Step(context, batches);
      if (report.skipped) throw DeviceError("a step was skipped: " + *report.skipped);
      Synchronize(context);
    });
    if (step < 0) continue;  // scratch finds its size
    seconds.push_back(took);
    spent += took;
    if (rows.TimeIsOver()) break;
    if (spent > kMostSeconds && static_cast<int>(seconds.size()) >= kFewestSteps) break;
  }
  return Median(seconds);
}

void MeasureTraining(BenchRows& rows, DeviceCeilings& ceilings, const TrainingRow& training,
                     BenchRow& row) {
  const auto free = static_cast<double>(ReportOf(rows.options().device).free_bytes);
  const MemoryPlanner planner(training.config,
                              {.row_tokens = training.row_tokens, .rows = training.most_rows});
  int64_t num_rows =
      std::min(training.most_rows, planner.LargestRows(static_cast<int64_t>(kMemoryShare * free)));
  double seconds = 0;
  while (true) {
    if (num_rows < 1) throw DeviceError("not even one row fits into what is free");
    try {
      seconds = SecondsOfStep(rows, training, num_rows);
      break;
    } catch (const DeviceError& error) {
      const bool is_full = std::string(error.what()).find("cannot allocate") != std::string::npos;
      if (!is_full || num_rows == 1 || rows.TimeIsOver()) throw;
      num_rows /= 2;
    }
  }
  const auto tokens = static_cast<double>(num_rows * training.row_tokens);
  row.value = tokens / seconds;
  row.note = std::to_string(num_rows * training.row_tokens) + " tokens a step";
  const double ceiling = ceilings.MatmulFlops();
  if (ceiling > 0) {
    row.share = row.value * TrainingFlops(training.config, training.row_tokens) / ceiling;
  }
}

}  // namespace

void MeasureTrainingRows(BenchRows& rows, DeviceCeilings& ceilings) {
  for (const TrainingRow& training : AllTrainingRows(rows.options().tiny)) {
    rows.Measure(
        {.group = "training",
         .name = training.name + " bf16 training, rows of " + std::to_string(training.row_tokens),
         .unit = "tok/s",
         .bound = "matmul",
         .must = training.must,
         .aim = training.aim},
        [&](BenchRow& row) { MeasureTraining(rows, ceilings, training, row); });
  }
}

}  // namespace tandem
