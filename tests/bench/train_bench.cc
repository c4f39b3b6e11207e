#include "tests/bench/train_bench.h"

#include <cstdio>
#include <fstream>

#include "kernels/core/device_memory.h"
#include "tests/bench/ceilings.h"
#include "tests/bench/model_bench.h"
#include "tests/bench/timing.h"
#include "tests/bench/training_work.h"
#include "tests/support/device_context.h"
#include "trainer/trainer.h"

namespace tandem {
namespace {

// The most memory that this process has had, in MiB.
double PeakMebibytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stod(line.substr(6)) / 1024;
  }
  return 0;
}

}  // namespace

void RunTrainBench(const TrainBenchOptions& options) {
  const ModelConfig config = ShapeByName(options.shape);
  DeviceContext owner(options.device, options.num_threads, options.isa);
  Context& context = owner;
  ModelWeights compute = MoveToDevice(context, AllocateWeights(config, options.dtype));
  const int64_t tokens = options.num_rows * options.row_tokens;
  Trainer trainer(
      context, config, compute,
      {.optimizer = {.kind = options.muon ? OptimizerKind::kMuon : OptimizerKind::kAdamW},
       .schedule = {.kind = ScheduleKind::kConstant, .rate = 1e-4, .num_steps = 100},
       .checkpoint_activations = options.checkpoint_activations ? ActivationCheckpoints::kLayer
                                                                : ActivationCheckpoints::kNone,
       .max_tokens = tokens});
  DrawMasters(context, config, trainer);

  const std::string place =
      options.device == kCpuDevice
          ? std::to_string(options.num_threads) + " threads, " + std::string(Name(options.isa))
          : ReportOf(options.device).name;
  std::printf("%s %s, %lld x %lld tokens a step, %s; medians of %d steps\n", options.shape.c_str(),
              std::string(Name(options.dtype)).c_str(), static_cast<long long>(options.num_rows),
              static_cast<long long>(options.row_tokens), place.c_str(), options.repeats);
  std::vector<double> seconds, ceilings, sustained;
  for (int repeat = -1; repeat < options.repeats; ++repeat) {
    const std::vector<TrainBatch> batches = {RandomBatch(options.num_rows, options.row_tokens,
                                                         config.vocab_size,
                                                         static_cast<uint64_t>(repeat + 2))};
    const double took = SecondsOf([&] { trainer.Step(context, batches); });
    if (repeat < 0) continue;  // the first one touches all memory
    seconds.push_back(took);
    if (options.device != kCpuDevice) continue;  // its ceilings: `tandem-bench device`
    sustained.push_back(SustainedFlops(context, options.dtype == DType::kBf16, took / 2));
    const Ceilings now = MeasureCeilings(context);
    ceilings.push_back(options.dtype == DType::kBf16 ? now.bf16_flops : now.f32_flops);
  }
  const double rate = static_cast<double>(tokens) / Median(seconds);
  const double flops = rate * TrainingFlops(config, options.row_tokens);
  if (options.device != kCpuDevice) {
    std::printf("%12s %12s\n%12.0f %12.1f\n", "tokens/s", "GFLOP/s", rate, flops * 1e-9);
    return;
  }
  const double ceiling = Median(ceilings);
  const double held = Median(sustained);
  std::printf("%12s %12s %12s %10s %12s %10s %12s\n", "tokens/s", "GFLOP/s", "ceiling", "share",
              "sustained", "share", "peak MiB");
  std::printf("%12.0f %12.1f %12.1f %8.0f %% %12.1f %8.0f %% %12.0f\n", rate, flops * 1e-9,
              ceiling * 1e-9, 100 * flops / ceiling, held * 1e-9, 100 * flops / held,
              PeakMebibytes());
}

}  // namespace tandem
