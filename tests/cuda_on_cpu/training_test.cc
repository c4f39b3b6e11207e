// Training on the CUDA backend: the trainer of the CPU, with masters, moments, gradients and
// activations in the device's memory.

#include <gtest/gtest.h>

#include <cmath>

#include "tests/cuda_on_cpu/cuda_backend.h"
#include "tests/cuda_on_cpu/schedules.h"
#include "tests/cuda_on_cpu/small_models.h"
#include "tests/support/ops/operands.h"
#include "tests/support/training_steps.h"

namespace tandem {
namespace {

TrainerOptions Options() {
  TrainerOptions options;
  options.schedule.rate = 0.01;
  options.schedule.num_steps = 100;
  options.max_tokens = 48;
  return options;
}

class CudaTraining : public testing::TestWithParam<ModelCase> {
 protected:
  TrainingSteps OnCuda(const TrainerOptions& options, int num_steps) {
    CudaContext context;
    return Train(context, options, num_steps);
  }
  static TrainingSteps Train(Context& context, const TrainerOptions& options, int num_steps) {
    const auto& [name, config, dtype] = GetParam();
    const TrainingSteps steps =
        RunTrainingSteps(context, config, SmallWeights(config, dtype), options, num_steps);
    EXPECT_EQ(steps.skipped, std::vector<std::string>());
    return steps;
  }

  CudaBackend backend_;
  OpContext cpu_;
};

TEST_P(CudaTraining, GoesTheWayOfTheCpu) {
  const TrainingSteps want = Train(cpu_, Options(), 3);
  const TrainingSteps got = OnCuda(Options(), 3);
  // Rounding, and what AdamW makes of it where a moment is next to nothing.
  const double tolerance = GetParam().dtype == DType::kF32 ? 1e-4 : 0.02;
  for (size_t i = 0; i < want.losses.size(); ++i) {
    EXPECT_NEAR(got.losses[i], want.losses[i], tolerance * want.losses[i]) << "step " << i;
    EXPECT_NEAR(got.norms[i], want.norms[i], 5 * tolerance * want.norms[i]) << "step " << i;
  }
  EXPECT_LT(got.losses[2], got.losses[0]);  // the same batches again
}

TEST_P(CudaTraining, HasTheSameBitsInEverySchedule) {
  std::optional<TrainingSteps> first;
  for (const cuda_on_cpu::Schedule& schedule : AllSchedules()) {
    SCOPED_TRACE(Describe(schedule));
    cuda_on_cpu::SetSchedule(schedule);
    const TrainingSteps steps = OnCuda(Options(), 1);
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
  const TrainingSteps want = Train(cpu_, options, 2);
  const TrainingSteps got = OnCuda(options, 2);
  for (size_t i = 0; i < want.losses.size(); ++i) {
    EXPECT_NEAR(got.losses[i], want.losses[i], 0.02 * want.losses[i]) << "step " << i;
  }
}

// One arithmetic: the log-probabilities that serving recorded are the trainer's, bit for bit.
TEST_P(CudaTraining, FindsTheLogprobsThatServingRecorded) {
  const auto& [name, config, dtype] = GetParam();
  CudaContext context;
  EXPECT_EQ(TrainServeDifference(context, config, dtype, {}), "");
}

INSTANTIATE_TEST_SUITE_P(Models, CudaTraining,
                         testing::Values(ModelCase{"dense_f32", SmallDenseConfig(), DType::kF32},
                                         ModelCase{"dense_bf16", SmallDenseConfig(), DType::kBf16},
                                         ModelCase{"dense_f16", SmallDenseConfig(), DType::kF16},
                                         ModelCase{"mixture_f32", TinyMoeConfig(), DType::kF32},
                                         ModelCase{"mixture_bf16", TinyMoeConfig(), DType::kBf16}),
                         [](const testing::TestParamInfo<ModelCase>& test) {
                           return test.param.name;
                         });

}  // namespace
}  // namespace tandem
