// What the sampler recorded and what the trainer computes again are the same bits, before and after
// the optimiser wrote new weights: one arithmetic, and one copy of the weights.

#include <gtest/gtest.h>

#include <memory>

#include "engine/model_runner.h"
#include "tests/support/ops/operands.h"
#include "tests/support/random_model.h"
#include "tests/support/runner_session.h"
#include "trainer/model_gradient.h"
#include "trainer/optimizer.h"

namespace tandem {
namespace {

constexpr int kNumCompletions = 256;
constexpr int64_t kNewTokens = 12;

struct Completion {
  std::vector<TokenId> tokens;  // prompt, then what was drawn
  std::vector<float> logprobs;  // of tokens 1..
};

ModelConfig SmallConfig() {
  ModelConfig config = Stories260KConfig();
  config.num_layers = 2;
  config.qk_norm = true;
  return config;
}

std::unique_ptr<ModelRunner> MakeRunner(DType dtype) {
  OpContext context;
  const ModelConfig config = SmallConfig();
  ModelWeights weights = RandomWeights(context, config, dtype, 5);
  return std::make_unique<ModelRunner>(
      config, std::move(weights),
      ModelRunnerOptions{.dtype = dtype, .kv_bytes = 8 << 20, .num_threads = 2});
}

// Prompts of many lengths, chunks of many sizes, temperatures from 0 to 1.2.
std::vector<Completion> Sample(ModelRunner& runner) {
  std::vector<Completion> completions;
  for (int i = 0; i < kNumCompletions; ++i) {
    Completion& completion = completions.emplace_back();
    for (int t = 0; t < 1 + i * 3 % 50; ++t) {
      completion.tokens.push_back(static_cast<TokenId>((i * 31 + t * 7) % 500));
    }
    SessionOptions options{.max_new_tokens = kNewTokens, .chunk = 1 + i % 17};
    options.sampling.temperature = static_cast<float>(i % 4) * 0.4f;
    options.sampling.seed = static_cast<uint64_t>(i);
    options.sampling.prompt_logprobs = 0;
    const SessionResult session = RunSession(runner, completion.tokens, options);
    completion.tokens.insert(completion.tokens.end(), session.tokens.begin(), session.tokens.end());
    completion.logprobs = session.prompt_logprobs;
    completion.logprobs.insert(completion.logprobs.end(), session.logprobs.begin(),
                               session.logprobs.end());
  }
  return completions;
}

TrainBatch Packed(const std::vector<Completion>& completions) {
  TrainBatch batch{.cu_seqlens = {0}};
  for (const Completion& completion : completions) {
    for (size_t i = 0; i < completion.tokens.size(); ++i) {
      const bool is_last = i + 1 == completion.tokens.size();
      batch.token_ids.push_back(completion.tokens[i]);
      batch.targets.push_back(is_last ? TrainBatch::kNoTarget : completion.tokens[i + 1]);
    }
    batch.cu_seqlens.push_back(static_cast<int32_t>(batch.token_ids.size()));
  }
  return batch;
}

class OneArithmetic : public testing::TestWithParam<DType> {};

TEST_P(OneArithmetic, TheTrainerFindsTheLogprobsThatTheSamplerRecorded) {
  const std::unique_ptr<ModelRunner> runner = MakeRunner(GetParam());
  OpContext context(BestInstructionSet(), 3);
  TrainingWeights weights(context, runner->weights());
  ModelTensors<Tensor> gradients = ZeroTensors(weights.masters());
  Optimizer optimizer(weights.masters(), {});
  std::unique_ptr<ModelGradient> model;
  double first_loss = 0;
  for (int round = 0; round < 2; ++round) {
    const std::vector<Completion> completions = Sample(*runner);
    const TrainBatch batch = Packed(completions);
    if (!model || model->max_tokens() < batch.num_tokens()) {
      model = std::make_unique<ModelGradient>(runner->config(), weights, batch.num_tokens());
    }
    std::vector<float> logprobs;
    const BatchLoss loss = model->Evaluate(context, batch, logprobs);
    for (size_t s = 0; s < completions.size(); ++s) {
      const auto first = static_cast<size_t>(batch.cu_seqlens[s]);
      for (size_t i = 0; i < completions[s].logprobs.size(); ++i) {
        ASSERT_EQ(logprobs[first + i], completions[s].logprobs[i])
            << "round " << round << ", completion " << s << ", token " << i + 1;
      }
    }
    if (round == 0) first_loss = loss.sum / loss.weight;
    // A large step on what was sampled: the next round's model is another one.
    const auto scale = static_cast<float>(1.0 / loss.weight);
    const BatchLoss trained = model->Run(context, batch, {.targets = scale}, gradients);
    EXPECT_EQ(trained.sum, loss.sum);
    optimizer.Step(context, weights.masters(), gradients, GradientNorm(context, gradients), 0.01);
    weights.Publish(context);
    if (round > 0) {
      EXPECT_LT(loss.sum / loss.weight, first_loss);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Weights, OneArithmetic, testing::Values(DType::kF32, DType::kBf16),
                         [](const auto& instance) { return std::string(Name(instance.param)); });

}  // namespace
}  // namespace tandem
