// Training on the CUDA backend: the trainer of the CPU, with masters, moments, gradients and
// activations in the device's memory.

#include <gtest/gtest.h>

#include <cmath>

#include "engine/model_runner.h"
#include "tests/cuda_on_cpu/cuda_backend.h"
#include "tests/cuda_on_cpu/schedules.h"
#include "tests/cuda_on_cpu/small_models.h"
#include "tests/support/ops/operands.h"
#include "tests/support/runner_session.h"
#include "trainer/trainer.h"

namespace tandem {
namespace {

// Three sequences, a token of which is no target.
TrainBatch SomeBatch(const ModelConfig& config, uint64_t seed) {
  TrainBatch batch{.token_ids = SomeTokens(config, 40, seed), .cu_seqlens = {0, 17, 18, 40}};
  batch.targets = SomeTokens(config, 40, seed + 100);
  batch.targets[5] = TrainBatch::kNoTarget;
  return batch;
}

struct Steps {
  std::vector<double> losses;
  std::vector<double> norms;
  friend bool operator==(const Steps&, const Steps&) = default;
};

Steps Train(Context& context, const ModelConfig& config, DType dtype, const TrainerOptions& options,
            int num_steps) {
  ModelWeights compute = MoveToDevice(context, SmallWeights(config, dtype));
  Trainer trainer(context, config, compute, options);
  Steps steps;
  for (int step = 0; step < num_steps; ++step) {
    const auto seed = static_cast<uint64_t>(step % 2);
    const std::vector<TrainBatch> batches = {SomeBatch(config, 2 * seed),
                                             SomeBatch(config, 2 * seed + 1)};
    const StepReport report = trainer.Step(context, batches);
    EXPECT_FALSE(report.skipped) << *report.skipped;
    steps.losses.push_back(report.loss);
    steps.norms.push_back(report.gradient_norm);
  }
  return steps;
}

TrainerOptions Options() {
  TrainerOptions options;
  options.schedule.rate = 0.01;
  options.schedule.num_steps = 100;
  options.max_tokens = 48;
  return options;
}

class CudaTraining : public testing::TestWithParam<ModelCase> {
 protected:
  Steps OnCuda(const TrainerOptions& options, int num_steps) {
    CudaContext context;
    return Train(context, GetParam().config, GetParam().dtype, options, num_steps);
  }

  CudaBackend backend_;
  OpContext cpu_;
};

TEST_P(CudaTraining, GoesTheWayOfTheCpu) {
  const Steps want = Train(cpu_, GetParam().config, GetParam().dtype, Options(), 3);
  const Steps got = OnCuda(Options(), 3);
  // Rounding, and what AdamW makes of it where a moment is next to nothing.
  const double tolerance = GetParam().dtype == DType::kF32 ? 1e-4 : 0.02;
  for (size_t i = 0; i < want.losses.size(); ++i) {
    EXPECT_NEAR(got.losses[i], want.losses[i], tolerance * want.losses[i]) << "step " << i;
    EXPECT_NEAR(got.norms[i], want.norms[i], 5 * tolerance * want.norms[i]) << "step " << i;
  }
  EXPECT_LT(got.losses[2], got.losses[0]);  // the same batches again
}

TEST_P(CudaTraining, HasTheSameBitsInEverySchedule) {
  std::optional<Steps> first;
  for (const cuda_on_cpu::Schedule& schedule : AllSchedules()) {
    SCOPED_TRACE(Describe(schedule));
    cuda_on_cpu::SetSchedule(schedule);
    const Steps steps = OnCuda(Options(), 1);
    if (!first) first = steps;
    EXPECT_EQ(steps, *first);
  }
}

TEST_P(CudaTraining, HasTheSameBitsWhenActivationsAreComputedAgain) {
  TrainerOptions again = Options();
  again.checkpoint_activations = ActivationCheckpoints::kLayer;
  EXPECT_EQ(OnCuda(again, 2), OnCuda(Options(), 2));
}

TEST_P(CudaTraining, RunsWithDropoutAndMuon) {
  TrainerOptions options = Options();
  options.dropout = 0.1;
  options.optimizer.kind = OptimizerKind::kMuon;
  const Steps want = Train(cpu_, GetParam().config, GetParam().dtype, options, 2);
  const Steps got = OnCuda(options, 2);
  for (size_t i = 0; i < want.losses.size(); ++i) {
    EXPECT_NEAR(got.losses[i], want.losses[i], 0.02 * want.losses[i]) << "step " << i;
  }
}

// One arithmetic: the log-probabilities that serving recorded are the trainer's, bit for bit.
TEST_P(CudaTraining, FindsTheLogprobsThatServingRecorded) {
  const ModelConfig& config = GetParam().config;
  ModelRunnerOptions runner_options{.device = kCuda, .dtype = GetParam().dtype};
  runner_options.kv_bytes = 4 << 20;
  runner_options.num_threads = 1;
  ModelRunner runner(config, SmallWeights(config, GetParam().dtype), runner_options);
  SessionOptions session_options{.max_new_tokens = 6, .chunk = 7};
  session_options.sampling.temperature = 0.8f;
  session_options.sampling.prompt_logprobs = 0;
  const std::vector<TokenId> prompt = SomeTokens(config, 20, 3);
  const SessionResult session = RunSession(runner, prompt, session_options);

  TrainBatch batch{.token_ids = prompt, .cu_seqlens = {0, 26}};
  batch.token_ids.insert(batch.token_ids.end(), session.tokens.begin(), session.tokens.end());
  batch.targets.assign(batch.token_ids.begin() + 1, batch.token_ids.end());
  batch.targets.push_back(TrainBatch::kNoTarget);
  CudaContext context;
  TrainingWeights weights(context, runner.weights());
  ModelGradient model(config, weights, batch.num_tokens());
  std::vector<float> logprobs;
  model.Evaluate(context, batch, logprobs);
  std::vector<float> recorded = session.prompt_logprobs;
  recorded.insert(recorded.end(), session.logprobs.begin(), session.logprobs.end());
  logprobs.pop_back();  // of the token that has no target
  EXPECT_EQ(logprobs, recorded);
}

INSTANTIATE_TEST_SUITE_P(Models, CudaTraining,
                         testing::Values(ModelCase{"dense_f32", SmallDenseConfig(), DType::kF32},
                                         ModelCase{"dense_bf16", SmallDenseConfig(), DType::kBf16},
                                         ModelCase{"mixture_f32", TinyMoeConfig(), DType::kF32},
                                         ModelCase{"mixture_bf16", TinyMoeConfig(), DType::kBf16}),
                         [](const testing::TestParamInfo<ModelCase>& test) {
                           return test.param.name;
                         });

}  // namespace
}  // namespace tandem
