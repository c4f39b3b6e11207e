#include "trainer/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "kernels/core/device_memory.h"
#include "trainer/find_not_finite.h"

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
std::optional<std::string> FirstNotFinite(Context& context, const ModelConfig& config,
                                          ModelTensors<Tensor>& gradients) {
  std::optional<std::string> first;
  ForEachParameter(config, gradients, [&](const ParameterOf<Tensor>& parameter) {
    if (first) return;
    Tensor& tensor = parameter.matrix != nullptr ? *parameter.matrix : *parameter.vector;
    const HostCopy copy(context, tensor.view().Rows(parameter.first_row, parameter.shape[0]));
    const float* values = copy.view().data<float>();
    for (int64_t i = 0; i < parameter.shape.num_elements(); ++i) {
      if (!std::isfinite(values[i])) {
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
      model_(config, weights_, options.max_tokens, options.checkpoint_activations),
      sum_(weights_.masters()),
      optimizer_(weights_.masters(), options.optimizer) {
  if (options.loss_scaling) loss_scaler_.emplace(*options.loss_scaling);
}

Trainer::Totals Trainer::TotalsOf(std::span<const TrainBatch> micro_batches) {
  Totals totals{.num_micro_batches = static_cast<double>(micro_batches.size())};
  for (const TrainBatch& batch : micro_batches) totals.weight += WeightOf(batch);
  return totals;
}

double Trainer::ShareOf(const TrainBatch& batch, const Totals& totals) const {
  if (options_.loss_mean == LossMean::kTokens) return totals.weight;
  // A micro-batch without targets has no mean; it adds nothing.
  return std::max(WeightOf(batch), 1e-8) * totals.num_micro_batches;
}

// Into the next gradient of the sum.
BatchLoss Trainer::Differentiate(Context& context, const TrainBatch& batch, const Totals& totals,
                                 const Place& place) {
  model_.SetDropout({.share = options_.dropout,
                     .seed = options_.dropout_seed,
                     .step = static_cast<uint64_t>(place.step),
                     .micro_batch = static_cast<uint32_t>(place.index)});
  const double scale = loss_scaler_ ? loss_scaler_->scale() : 1.0;
  return model_.Run(context, batch,
                    {.targets = static_cast<float>(scale / ShareOf(batch, totals)),
                     .balance = static_cast<float>(scale / totals.num_micro_batches)},
                    sum_.Next());
}

StepReport Trainer::Step(Context& context, std::span<const TrainBatch> micro_batches) {
  StepReport report{.step = num_steps_,
                    .rate = RateAt(options_.schedule, num_steps_) * rate_factor_};
  ++num_steps_;
  const Totals totals = TotalsOf(micro_batches);
  CHECK(totals.weight > 0, "a step without targets", report.step);
  for (size_t i = 0; i < micro_batches.size(); ++i) {
    const TrainBatch& batch = micro_batches[i];
    const BatchLoss loss = Differentiate(context, batch, totals, {report.step, i});
    sum_.Add(context);
    report.loss += loss.sum / ShareOf(batch, totals);
    report.balance_loss += loss.balance / totals.num_micro_batches;
    report.num_tokens += batch.num_tokens();
    report.num_targets += loss.num_targets;
  }
  ModelTensors<Tensor>& gradients = sum_.Finish(context);
  if (loss_scaler_) {
    report.loss_scale = loss_scaler_->scale();
    ScaleGradients(context, gradients, 1.0 / *report.loss_scale);
  }
  report.gradient_norm = GradientNorm(context, gradients);
  if (!std::isfinite(report.loss) || !std::isfinite(report.gradient_norm)) {
    Skip(context, gradients, report);
    return report;
  }
  if (loss_scaler_) loss_scaler_->Grow();
  optimizer_.Step(context, weights_.masters(), gradients, report.gradient_norm, report.rate);
  weights_.Publish(context);
  return report;
}

// Says why, and lowers the loss scale where that is what was too large: the loss is sound then, and
// its gradients are not.
void Trainer::Skip(Context& context, ModelTensors<Tensor>& gradients, StepReport& report) {
  const auto name = FirstNotFinite(context, config_, gradients);
  report.skipped = name                         ? "the gradient of " + *name + " is not finite"
                   : std::isfinite(report.loss) ? "the gradient's norm is not finite"
                                                : "the loss is not finite";
  if (!loss_scaler_ || !name || !std::isfinite(report.loss)) return;
  report.scale_was_too_large = loss_scaler_->Shrink();
  *report.skipped += fmt::format(" at the loss scale {}", *report.loss_scale);
  if (report.scale_was_too_large) *report.skipped += fmt::format(", now {}", loss_scaler_->scale());
}

std::string Trainer::FindNotFinite(Context& context, std::span<const TrainBatch> micro_batches) {
  if (const auto found =
          FindInWeights(context, config_, weights_.masters(), weights_.compute().dtype)) {
    return *found;
  }
  const auto place = [](size_t i) { return fmt::format("micro-batch {} of the step: ", i + 1); };
  for (size_t i = 0; i < micro_batches.size(); ++i) {  // these are in the scale of all losses
    if (const auto found = FindInTargets(context, micro_batches[i])) return place(i) + *found;
  }
  const Totals totals = TotalsOf(micro_batches);
  for (size_t i = 0; i < micro_batches.size(); ++i) {
    const TrainBatch& batch = micro_batches[i];
    const std::string where = place(i);
    const BatchLoss loss = Differentiate(context, batch, totals, {num_steps_ - 1, i});
    if (const auto found = FindInForward(context, config_, model_)) return where + *found;
    if (!std::isfinite(loss.sum)) return where + "the loss, and nothing before the output head";
    if (const auto found = FindInBackward(context, config_, sum_.Next())) return where + *found;
  }
  return "each micro-batch alone is finite; only their sum or its norm is not";
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
