#include "tests/bench/train_bench.h"

#include <cstdio>
#include <fstream>

#include "kernels/core/random.h"
#include "tests/bench/ceilings.h"
#include "tests/bench/model_bench.h"
#include "tests/bench/timing.h"
#include "trainer/initialise.h"
#include "trainer/trainer.h"

namespace tandem {
namespace {

TrainBatch RandomBatch(const TrainBenchOptions& options, int64_t vocab, uint64_t seed) {
  TrainBatch batch{.cu_seqlens = {0}};
  for (int64_t row = 0; row < options.num_rows; ++row) {
    for (int64_t i = 0; i <= options.row_tokens; ++i) {
      const RandomKey key{.seed = seed,
                          .position = static_cast<uint64_t>(row * (options.row_tokens + 1) + i)};
      const auto id = static_cast<int32_t>(RandomUniform(key) * static_cast<double>(vocab));
      if (i < options.row_tokens) batch.token_ids.push_back(id);
      if (i > 0) batch.targets.push_back(id);
    }
    batch.cu_seqlens.push_back(static_cast<int32_t>(batch.token_ids.size()));
  }
  return batch;
}

// What a token takes: 6 for each parameter that multiplies it (of experts those that are chosen),
// and the causal half of attention, forward and twice as much backward.
double FlopsOfToken(const ModelConfig& config, int64_t row_tokens) {
  const int64_t hidden = config.hidden_size, dim = config.head_dim;
  const int64_t heads = config.num_heads, kv_heads = config.num_kv_heads;
  int64_t parameters = config.vocab_size * hidden;  // the head
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    parameters += (2 * heads + 2 * kv_heads) * dim * hidden;
    const MoeConfig& moe = config.moe;
    parameters += config.is_sparse(layer)
                      ? 3 * (moe.top_k + moe.num_shared) * moe.intermediate_size * hidden
                      : 3 * config.intermediate_size * hidden;
  }
  const int64_t attention = 6 * config.num_layers * heads * dim * row_tokens;
  return static_cast<double>(6 * parameters + attention);
}

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
  ThreadPool pool(options.num_threads);
  Workspace workspace;
  Context context{.pool = pool, .isa = options.isa, .workspace = workspace};
  ModelWeights compute = AllocateWeights(config, options.dtype);
  const int64_t tokens = options.num_rows * options.row_tokens;
  Trainer trainer(
      context, config, compute,
      {.optimizer = {.kind = options.muon ? OptimizerKind::kMuon : OptimizerKind::kAdamW},
       .schedule = {.kind = ScheduleKind::kConstant, .rate = 1e-4, .num_steps = 100},
       .checkpoint_activations = options.checkpoint_activations ? ActivationCheckpoints::kLayer
                                                                : ActivationCheckpoints::kNone,
       .max_tokens = tokens});
  InitialiseWeights(config, InitKind::kNormal, 1, trainer.weights().masters());
  trainer.weights().Publish(context);

  std::printf("%s %s, %lld x %lld tokens a step, %d threads, %s; medians of %d steps\n",
              options.shape.c_str(), std::string(Name(options.dtype)).c_str(),
              static_cast<long long>(options.num_rows), static_cast<long long>(options.row_tokens),
              options.num_threads, std::string(Name(options.isa)).c_str(), options.repeats);
  std::vector<double> seconds, ceilings, sustained;
  for (int repeat = -1; repeat < options.repeats; ++repeat) {
    const std::vector<TrainBatch> batches = {
        RandomBatch(options, config.vocab_size, static_cast<uint64_t>(repeat + 2))};
    const double took = SecondsOf([&] { trainer.Step(context, batches); });
    if (repeat < 0) continue;  // the first one touches all memory
    seconds.push_back(took);
    sustained.push_back(SustainedFlops(context, options.dtype == DType::kBf16, took / 2));
    const Ceilings now = MeasureCeilings(context);
    ceilings.push_back(options.dtype == DType::kBf16 ? now.bf16_flops : now.f32_flops);
  }
  const double rate = static_cast<double>(tokens) / Median(seconds);
  const double flops = rate * FlopsOfToken(config, options.row_tokens);
  const double ceiling = Median(ceilings);
  const double held = Median(sustained);
  std::printf("%12s %12s %12s %10s %12s %10s %12s\n", "tokens/s", "GFLOP/s", "ceiling", "share",
              "sustained", "share", "peak MiB");
  std::printf("%12.0f %12.1f %12.1f %8.0f %% %12.1f %8.0f %% %12.0f\n", rate, flops * 1e-9,
              ceiling * 1e-9, 100 * flops / ceiling, held * 1e-9, 100 * flops / held,
              PeakMebibytes());
}

}  // namespace tandem
