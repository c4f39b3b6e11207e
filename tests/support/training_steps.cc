#include "tests/support/training_steps.h"

#include "engine/model_runner.h"
#include "tests/support/random_model.h"
#include "tests/support/runner_session.h"
#include "trainer/model_gradient.h"

namespace tandem {
namespace {

ModelWeights WeightsOnCpu(const ModelConfig& config, DType dtype) {
  ThreadPool pool(AvailableProcessors());
  Workspace workspace;
  Context context{.pool = pool, .workspace = workspace};
  return RandomWeights(context, config, dtype, 5);
}

// Three sequences, a token of which is no target.
TrainBatch SomeBatch(const ModelConfig& config, uint64_t seed) {
  TrainBatch batch{.token_ids = RandomTokens(config, 40, seed), .cu_seqlens = {0, 17, 18, 40}};
  batch.targets = RandomTokens(config, 40, seed + 100);
  batch.targets[5] = TrainBatch::kNoTarget;
  return batch;
}

}  // namespace

TrainingSteps RunTrainingSteps(Context& context, const ModelConfig& config, ModelWeights weights,
                               const TrainerOptions& options, int num_steps) {
  ModelWeights compute = MoveToDevice(context, std::move(weights));
  Trainer trainer(context, config, compute, options);
  TrainingSteps steps;
  for (int step = 0; step < num_steps; ++step) {
    const auto seed = static_cast<uint64_t>(step % 2);
    const std::vector<TrainBatch> batches = {SomeBatch(config, 2 * seed),
                                             SomeBatch(config, 2 * seed + 1)};
    const StepReport report = trainer.Step(context, batches);
    if (report.skipped) steps.skipped.push_back(*report.skipped);
    steps.losses.push_back(report.loss);
    steps.norms.push_back(report.gradient_norm);
  }
  return steps;
}

std::string TrainServeDifference(Context& context, const ModelConfig& config, DType dtype,
                                 const ServedText& text) {
  ModelRunnerOptions runner_options{.device = context.device, .dtype = dtype};
  runner_options.kv_bytes = 64 << 20;
  runner_options.num_threads = 1;
  ModelRunner runner(config, WeightsOnCpu(config, dtype), runner_options);
  SessionOptions session_options{.max_new_tokens = text.new_tokens, .chunk = text.chunk};
  session_options.sampling.temperature = 0.8f;
  session_options.sampling.prompt_logprobs = 0;
  const std::vector<TokenId> prompt = RandomTokens(config, text.prompt_tokens, 3);
  const SessionResult session = RunSession(runner, prompt, session_options);

  const auto length = static_cast<int32_t>(text.prompt_tokens + text.new_tokens);
  TrainBatch batch{.token_ids = prompt, .cu_seqlens = {0, length}};
  batch.token_ids.insert(batch.token_ids.end(), session.tokens.begin(), session.tokens.end());
  batch.targets.assign(batch.token_ids.begin() + 1, batch.token_ids.end());
  batch.targets.push_back(TrainBatch::kNoTarget);
  TrainingWeights weights(context, runner.weights());
  ModelGradient model(config, weights, batch.num_tokens());
  std::vector<float> logprobs;
  model.Evaluate(context, batch, logprobs);
  std::vector<float> recorded = session.prompt_logprobs;
  recorded.insert(recorded.end(), session.logprobs.begin(), session.logprobs.end());
  logprobs.pop_back();  // of the token that has no target
  if (logprobs.size() != recorded.size()) {
    return std::to_string(logprobs.size()) + " log-probabilities, and serving recorded " +
           std::to_string(recorded.size());
  }
  for (size_t i = 0; i < logprobs.size(); ++i) {
    if (logprobs[i] == recorded[i]) continue;
    return "log-probability " + std::to_string(i + 1) + " of " + std::to_string(logprobs.size()) +
           " is " + std::to_string(logprobs[i]) + ", and serving recorded " +
           std::to_string(recorded[i]);
  }
  return "";
}

}  // namespace tandem
