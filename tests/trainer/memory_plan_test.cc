#include "trainer/memory_plan.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include <fstream>

#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"
#include "tests/support/ops/operands.h"
#include "tests/support/random_model.h"
#include "trainer/initialise.h"
#include "trainer/trainer.h"

namespace tandem {
namespace {

constexpr int64_t kGiB = int64_t{1} << 30;

int64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  int64_t size = 0, resident = 0;
  file >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

MemoryPlanInputs InputsOf(DType dtype, int64_t rows) {
  return {.dtype = dtype, .row_tokens = 256, .rows = rows};
}

// What a run holds after two steps of two micro-batches.
int64_t MeasuredBytes(const ModelConfig& config, const MemoryPlanInputs& inputs) {
  malloc_trim(0);
  const int64_t before = ResidentBytes();
  OpContext context(BestInstructionSet(), 2);
  ModelWeights compute = AllocateWeights(config, inputs.dtype);
  Trainer trainer(context, config, compute,
                  {.optimizer = {.kind = inputs.optimizer},
                   .checkpoint_activations = inputs.checkpoint_activations,
                   .dropout = inputs.dropout,
                   .max_tokens = inputs.rows * inputs.row_tokens});
  InitialiseWeights(config, InitKind::kNormal, 3, trainer.weights().masters());
  trainer.weights().Publish(context);
  TrainBatch batch{.cu_seqlens = {0}};
  for (int64_t row = 0; row < inputs.rows; ++row) {
    for (int64_t i = 0; i < inputs.row_tokens; ++i) {
      batch.token_ids.push_back(static_cast<int32_t>((i * 7 + row) % config.vocab_size));
      batch.targets.push_back(static_cast<int32_t>((i * 5 + row) % config.vocab_size));
    }
    batch.cu_seqlens.push_back(static_cast<int32_t>(batch.token_ids.size()));
  }
  const std::vector<TrainBatch> step(static_cast<size_t>(inputs.accumulate), batch);
  trainer.Step(context, step);
  return ResidentBytes() - before;
}

// Sanitizers keep memory of their own.
constexpr bool CanMeasure() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return false;
#else
  return true;
#endif
}

void ExpectNear(const ModelConfig& config, const MemoryPlanInputs& inputs) {
  const auto planned = static_cast<double>(MemoryPlanner(config, inputs).Plan().total());
  const auto measured = static_cast<double>(MeasuredBytes(config, inputs));
  EXPECT_NEAR(planned / measured, 1.0, 0.1) << planned / 1e6 << " and " << measured / 1e6 << " MB";
}

TEST(MemoryPlan, IsWhatARunTakes) {
  if (!CanMeasure()) GTEST_SKIP() << "a sanitizer's memory is in the way";
  ModelConfig config = MiniMind26MConfig();
  config.num_layers = 4;
  config.windows.resize(4);
  for (const DType dtype : {DType::kBf16, DType::kF32}) {
    ExpectNear(config, InputsOf(dtype, 4));
  }
  MemoryPlanInputs summed = InputsOf(DType::kBf16, 1);
  summed.accumulate = 4;
  ExpectNear(config, summed);
}

TEST(MemoryPlan, IsWhatCheckpointedActivationsTake) {
  if (!CanMeasure()) GTEST_SKIP() << "a sanitizer's memory is in the way";
  ModelConfig config = MiniMind26MConfig();
  config.num_layers = 4;
  config.windows.resize(4);
  MemoryPlanInputs inputs = InputsOf(DType::kBf16, 4);
  const MemoryPlanner all(config, inputs);
  inputs.checkpoint_activations = ActivationCheckpoints::kLayer;
  ExpectNear(config, inputs);
  const MemoryPlanner layer(config, inputs);
  EXPECT_LT(layer.Plan().activations, all.Plan().activations);
  EXPECT_GT(layer.LargestRows(2 * kGiB), all.LargestRows(2 * kGiB));
  EXPECT_NE(all.Describe(2 * kGiB).find(" with --checkpoint-activations layer"), std::string::npos);
  EXPECT_NE(layer.Describe(2 * kGiB).find(" with --checkpoint-activations none"),
            std::string::npos);
}

TEST(MemoryPlan, IsWhatDropoutTakes) {
  if (!CanMeasure()) GTEST_SKIP() << "a sanitizer's memory is in the way";
  ModelConfig config = MiniMind26MConfig();
  config.num_layers = 2;
  config.windows.resize(2);
  MemoryPlanInputs inputs = InputsOf(DType::kBf16, 2);
  inputs.dropout = 0.1;
  ExpectNear(config, inputs);
}

TEST(MemoryPlan, IsWhatMuonTakes) {
  if (!CanMeasure()) GTEST_SKIP() << "a sanitizer's memory is in the way";
  ModelConfig config = MiniMind26MConfig();
  config.num_layers = 4;
  config.windows.resize(4);
  MemoryPlanInputs inputs = InputsOf(DType::kBf16, 1);
  const MemoryPlan adamw = MemoryPlanner(config, inputs).Plan();
  inputs.optimizer = OptimizerKind::kMuon;
  ExpectNear(config, inputs);
  const int64_t vocabulary = 4 * config.vocab_size * config.hidden_size;
  const MemoryPlan muon = MemoryPlanner(config, inputs).Plan();
  EXPECT_LT(muon.optimizer, adamw.optimizer - (adamw.optimizer - 3 * vocabulary) / 4);
}

TEST(MemoryPlan, IsWhatAMixtureTakes) {
  if (!CanMeasure()) GTEST_SKIP() << "a sanitizer's memory is in the way";
  ModelConfig config = MiniMindMoe145MConfig();
  config.num_layers = 2;
  config.windows.resize(2);
  ExpectNear(config, InputsOf(DType::kBf16, 4));
}

TEST(MemoryPlan, NamesTheLargestRowsThatFit) {
  const ModelConfig config = MiniMind26MConfig();
  const MemoryPlanner planner(config, InputsOf(DType::kBf16, 8));
  const int64_t largest = planner.LargestRows(2 * kGiB);
  EXPECT_GT(largest, 8);
  EXPECT_LE(MemoryPlanner(config, InputsOf(DType::kBf16, largest)).Plan().total(), 2 * kGiB);
  EXPECT_GT(MemoryPlanner(config, InputsOf(DType::kBf16, largest + 1)).Plan().total(), 2 * kGiB);
  EXPECT_NE(planner.Describe(2 * kGiB).find("largest --rows " + std::to_string(largest)),
            std::string::npos);

  const MemoryPlanner large(config, InputsOf(DType::kBf16, largest + 1));
  const std::string problem = MessageOf<ConfigError>([&] { large.Describe(2 * kGiB); });
  EXPECT_NE(problem.find("the largest --rows that fits is " + std::to_string(largest)),
            std::string::npos)
      << problem;
  EXPECT_NE(MessageOf<ConfigError>([&] { planner.Describe(1 << 20); }).find("not even --rows 1"),
            std::string::npos);
}

TEST(MemoryPlan, CountsTheGradientsOfASum) {
  const ModelConfig config = Stories260KConfig();
  const auto gradients = [&](int64_t accumulate) {
    MemoryPlanInputs inputs = InputsOf(DType::kF32, 1);
    inputs.accumulate = accumulate;
    return MemoryPlanner(config, inputs).Plan().gradients;
  };
  EXPECT_EQ(gradients(2), 2 * gradients(1));
  EXPECT_EQ(gradients(4), 3 * gradients(1));
  EXPECT_EQ(gradients(5), 3 * gradients(1));
  EXPECT_EQ(gradients(8), 4 * gradients(1));
}

}  // namespace
}  // namespace tandem
