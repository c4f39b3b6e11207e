#include "trainer/trainer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "tests/support/ops/operands.h"
#include "tests/support/random_model.h"
#include "trainer/initialise.h"

namespace tandem {
namespace {

ModelConfig SmallConfig() {
  ModelConfig config = Stories260KConfig();
  config.num_layers = 2;
  config.vocab_size = 40;
  return config;
}

// A few sequences of ids that follow each other by a rule that a model can learn.
TrainBatch MadeBatch(int32_t first, int num_sequences, int64_t length = 20) {
  TrainBatch batch{.cu_seqlens = {0}};
  for (int32_t s = 0; s < num_sequences; ++s) {
    int32_t id = (first + 7 * s) % 40;
    for (int64_t i = 0; i < length; ++i) {
      batch.token_ids.push_back(id);
      id = (id * 3 + 1) % 40;
      batch.targets.push_back(i + 1 < length ? id : TrainBatch::kNoTarget);
    }
    batch.cu_seqlens.push_back(static_cast<int32_t>(batch.token_ids.size()));
  }
  return batch;
}

TrainerOptions Options() {
  return {.optimizer = {},
          .schedule = {.kind = ScheduleKind::kConstant, .rate = 3e-3, .num_steps = 100},
          .max_tokens = 400};
}

// A model in training, of `dtype`, from seed 3.
struct Session {
  explicit Session(DType dtype, const TrainerOptions& options = Options(), int num_threads = 1)
      : context(BestInstructionSet(), num_threads),
        config(SmallConfig()),
        compute(AllocateWeights(config, dtype)),
        trainer(context, config, compute, options) {
    InitialiseWeights(config, InitKind::kNormal, 3, trainer.weights().masters());
    trainer.weights().Publish(context);
  }
  StepReport Step(const std::vector<TrainBatch>& batches) { return trainer.Step(context, batches); }
  double Loss(const TrainBatch& batch) {
    const BatchLoss loss = trainer.Evaluate(context, batch);
    return loss.sum / loss.weight;
  }
  std::vector<float> Masters() {
    std::vector<float> values;
    for (const Tensor* tensor : AllTensors(trainer.weights().masters())) {
      values.insert(values.end(), tensor->data<float>(),
                    tensor->data<float>() + tensor->shape().num_elements());
    }
    return values;
  }

  OpContext context;
  ModelConfig config;
  ModelWeights compute;
  Trainer trainer;
};

TEST(Trainer, LearnsARule) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBf16}) {
    Session run(dtype);
    const TrainBatch held_out = MadeBatch(5, 4);
    EXPECT_NEAR(run.Loss(held_out), std::log(40.0), 0.2) << Name(dtype);
    for (int32_t step = 0; step < 60; ++step) run.Step({MadeBatch(step, 8)});
    EXPECT_LT(run.Loss(held_out), 0.3) << Name(dtype);
  }
}

TEST(Trainer, ReportsTheMeanOverTargets) {
  Session run(DType::kF32);
  const std::vector<TrainBatch> batches = {MadeBatch(1, 3), MadeBatch(2, 1)};
  double sum = 0, weight = 0;
  for (const TrainBatch& batch : batches) {
    const BatchLoss loss = run.trainer.Evaluate(run.context, batch);
    sum += loss.sum;
    weight += loss.weight;
  }
  const StepReport report = run.Step(batches);
  EXPECT_NEAR(report.loss, sum / weight, 1e-6);
  EXPECT_EQ(report.num_tokens, 80);
  EXPECT_EQ(report.num_targets, 76);
  EXPECT_EQ(report.step, 0);
  EXPECT_EQ(report.rate, 3e-3);
  EXPECT_FALSE(report.skipped);
}

// Of micro-batches of unequal size: by tokens they count as one batch; by their own means the small
// one weighs more.
TEST(Trainer, AccumulatesByTokensOrByMicroBatches) {
  const TrainBatch large = MadeBatch(1, 3), small = MadeBatch(30, 1);
  TrainBatch both = large;
  both.token_ids.insert(both.token_ids.end(), small.token_ids.begin(), small.token_ids.end());
  both.targets.insert(both.targets.end(), small.targets.begin(), small.targets.end());
  both.cu_seqlens.push_back(80);
  Session whole(DType::kF32), parts(DType::kF32);
  const StepReport of_whole = whole.Step({both}), of_parts = parts.Step({large, small});
  EXPECT_NEAR(of_whole.loss, of_parts.loss, 1e-6);
  EXPECT_NEAR(of_whole.gradient_norm, of_parts.gradient_norm, 1e-5 * of_whole.gradient_norm);

  TrainerOptions options = Options();
  options.loss_mean = LossMean::kMicroBatches;
  Session means(DType::kF32, options);
  const double expected = (means.Loss(large) + means.Loss(small)) / 2;
  EXPECT_NEAR(means.Step({large, small}).loss, expected, 1e-6);
}

TEST(Trainer, HasTheSameBitsOnAnyNumberOfThreads) {
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    std::vector<float> first;
    for (const int num_threads : {1, 2, 4}) {
      Session run(dtype, Options(), num_threads);
      for (int32_t step = 0; step < 3; ++step) {
        run.Step({MadeBatch(step, 5), MadeBatch(step + 9, 2), MadeBatch(step + 20, 7)});
      }
      const std::vector<float> masters = run.Masters();
      if (first.empty()) first = masters;
      EXPECT_EQ(std::memcmp(masters.data(), first.data(), first.size() * sizeof(float)), 0)
          << num_threads << " threads";
    }
  }
}

TEST(Trainer, SkipsAStepThatIsNotFinite) {
  Session run(DType::kF32);
  TrainBatch bad = MadeBatch(1, 2);
  bad.weights.assign(bad.token_ids.size(), 1.0f);
  bad.weights[3] = std::numeric_limits<float>::infinity();
  const std::vector<float> before = run.Masters();
  const StepReport report = run.Step({bad});
  ASSERT_TRUE(report.skipped);
  EXPECT_NE(report.skipped->find("not finite"), std::string::npos) << *report.skipped;
  EXPECT_EQ(run.Masters(), before);
  EXPECT_FALSE(run.Step({MadeBatch(1, 2)}).skipped);
}

TrainerOptions Scaled(const LossScalingOptions& scaling) {
  TrainerOptions options = Options();
  options.loss_scaling = scaling;
  return options;
}

// The one target of the first batch has gradients that overflow. fp16 weights have 11 bits, of
// which the losses of 40 steps are up to 0.12 % off those of f32 (measured).
TEST(LossScaling, ComesDownFromAScaleThatOverflowsAndTrainsLikeF32) {
  Session f32(DType::kF32), f16(DType::kF16, Scaled({.initial = 0x1p127}));
  int num_skipped = 0;
  double worst = 0.0;
  for (int32_t step = 0; step < 40; ++step) {
    const TrainBatch batch = step == 0 ? MadeBatch(0, 1, 2) : MadeBatch(step, 8);
    const double want = f32.Step({batch}).loss;
    StepReport report = f16.Step({batch});
    for (; report.skipped && num_skipped < 100; ++num_skipped) {
      EXPECT_TRUE(report.scale_was_too_large);
      EXPECT_NE(report.skipped->find(" at the loss scale "), std::string::npos) << *report.skipped;
      const double scale = *report.loss_scale;
      report = f16.Step({batch});
      EXPECT_EQ(report.loss_scale, scale / 2);
    }
    ASSERT_FALSE(report.skipped) << *report.skipped;
    worst = std::max(worst, std::abs(report.loss - want) / want);
  }
  EXPECT_GT(num_skipped, 0);
  EXPECT_LT(worst, 0.005);
  EXPECT_LT(*f16.Step({MadeBatch(1, 2)}).loss_scale, 0x1p127);
}

TEST(LossScaling, DoublesAfterSoundStepsAndUnscalesBeforeTheNorm) {
  Session plain(DType::kF32), scaled(DType::kF32, Scaled({.initial = 4.0, .growth_steps = 3}));
  for (int32_t step = 0; step < 7; ++step) {
    const StepReport want = plain.Step({MadeBatch(step, 3)});
    const StepReport report = scaled.Step({MadeBatch(step, 3)});
    EXPECT_EQ(report.loss_scale, step < 3 ? 4.0 : step < 6 ? 8.0 : 16.0) << step;
    EXPECT_NEAR(report.gradient_norm, want.gradient_norm, 1e-6 * want.gradient_norm);
    EXPECT_FALSE(want.loss_scale);
  }
}

TEST(LossScaling, IsNotToBlameForALossThatIsNotFiniteNorAtItsFloor) {
  TrainBatch bad = MadeBatch(1, 2);
  bad.weights.assign(bad.token_ids.size(), 1.0f);
  bad.weights[3] = std::numeric_limits<float>::infinity();
  Session run(DType::kF32, Scaled({.initial = 8.0}));
  StepReport report = run.Step({bad});
  EXPECT_TRUE(report.skipped);
  EXPECT_FALSE(report.scale_was_too_large);
  EXPECT_EQ(run.trainer.optional_loss_scaler()->scale(), 8.0);

  LossScaler scaler({.initial = 2.0});
  EXPECT_TRUE(scaler.Shrink());
  EXPECT_FALSE(scaler.Shrink());
  EXPECT_EQ(scaler.scale(), 1.0);
}

TEST(GradientSum, AddsInAFixedTree) {
  Session run(DType::kF32);
  for (const int count : {1, 2, 3, 5, 8}) {
    GradientSum sum(run.trainer.weights().masters());
    std::vector<float> leaves;
    for (int i = 0; i < count; ++i) {
      leaves.push_back(1.0f / static_cast<float>(3 + i));
      for (Tensor* tensor : AllTensors(sum.Next())) {
        std::fill_n(tensor->data<float>(), tensor->shape().num_elements(), leaves.back());
      }
      sum.Add(run.context);
    }
    // Pairs first; what is left over joins from the right.
    std::vector<float> level = leaves;
    float want = 0;
    if (count == 1) want = level[0];
    if (count == 2) want = level[0] + level[1];
    if (count == 3) want = (level[0] + level[1]) + level[2];
    if (count == 5) want = ((level[0] + level[1]) + (level[2] + level[3])) + level[4];
    if (count == 8) {
      want = ((level[0] + level[1]) + (level[2] + level[3])) +
             ((level[4] + level[5]) + (level[6] + level[7]));
    }
    for (const Tensor* tensor : AllTensors(sum.Finish(run.context))) {
      EXPECT_EQ(tensor->data<float>()[0], want) << count;
    }
  }
}

}  // namespace
}  // namespace tandem
