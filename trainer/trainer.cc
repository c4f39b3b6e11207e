#include "trainer/trainer.h"

#include <algorithm>
#include <cmath>

namespace tandem {
namespace {

double WeightOf(const TrainBatch& batch) {
  double weight = 0;
  for (size_t i = 0; i < batch.targets.size(); ++i) {
    if (batch.targets[i] == TrainBatch::kNoTarget) continue;
    weight += batch.weights.empty() ? 1.0 : static_cast<double>(batch.weights[i]);
  }
  return weight;
}

// The name of the first gradient that is not finite; nothing when all are.
std::optional<std::string> FirstNotFinite(const ModelConfig& config,
                                          ModelTensors<Tensor>& gradients) {
  std::optional<std::string> first;
  ForEachParameter(config, gradients, [&](const ParameterOf<Tensor>& parameter) {
    if (first) return;
    Tensor& tensor = parameter.matrix != nullptr ? *parameter.matrix : *parameter.vector;
    const TensorView values = tensor.view().Rows(parameter.first_row, parameter.shape[0]);
    for (int64_t i = 0; i < values.num_elements(); ++i) {
      if (!std::isfinite(values.data<float>()[i])) {
        first = parameter.name;
        return;
      }
    }
  });
  return first;
}

}  // namespace

Trainer::Trainer(Context& context, const ModelConfig& config, ModelWeights& compute,
                 const TrainerOptions& options)
    : config_(config),
      options_(options),
      weights_(context, compute),
      model_(config, weights_, options.max_tokens),
      sum_(weights_.masters()),
      optimizer_(weights_.masters(), options.optimizer) {}

StepReport Trainer::Step(Context& context, std::span<const TrainBatch> micro_batches) {
  StepReport report{.step = num_steps_,
                    .rate = RateAt(options_.schedule, num_steps_) * rate_factor_};
  ++num_steps_;
  const auto count = static_cast<double>(micro_batches.size());
  double total_weight = 0;
  for (const TrainBatch& batch : micro_batches) total_weight += WeightOf(batch);
  CHECK(total_weight > 0, "a step without targets", report.step);
  for (const TrainBatch& batch : micro_batches) {
    const double own_weight = WeightOf(batch);
    // A micro-batch without targets has no mean; it adds nothing.
    const double share =
        options_.loss_mean == LossMean::kTokens ? total_weight : std::max(own_weight, 1e-8) * count;
    const BatchLoss loss = model_.Run(
        context, batch,
        {.targets = static_cast<float>(1.0 / share), .balance = static_cast<float>(1.0 / count)},
        sum_.Next());
    sum_.Add(context);
    report.loss += loss.sum / share;
    report.balance_loss += loss.balance / count;
    report.num_tokens += batch.num_tokens();
    report.num_targets += loss.num_targets;
  }
  ModelTensors<Tensor>& gradients = sum_.Finish(context);
  report.gradient_norm = GradientNorm(context, gradients);
  if (!std::isfinite(report.loss) || !std::isfinite(report.gradient_norm)) {
    const auto name = FirstNotFinite(config_, gradients);
    report.skipped = name                         ? "the gradient of " + *name + " is not finite"
                     : std::isfinite(report.loss) ? "the gradient's norm is not finite"
                                                  : "the loss is not finite";
    return report;
  }
  optimizer_.Step(context, weights_.masters(), gradients, report.gradient_norm, report.rate);
  weights_.Publish(context);
  return report;
}

void Trainer::Restore(Context& context, int64_t num_steps, int64_t optimizer_steps) {
  CHECK(optimizer_steps >= 0 && optimizer_steps <= num_steps, optimizer_steps, num_steps);
  num_steps_ = num_steps;
  optimizer_.Restore(optimizer_steps);
  weights_.Publish(context);
}

BatchLoss Trainer::Evaluate(Context& context, const TrainBatch& batch) {
  return model_.Evaluate(context, batch, logprobs_);
}

}  // namespace tandem
