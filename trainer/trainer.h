#pragma once
// One optimiser step after the other: gradients of the micro-batches, their sum, the norm, the
// optimiser, new compute weights. Owns everything of training but the data; borrows the compute
// weights. One thread at a time.

#include <optional>
#include <span>
#include <string>

#include "trainer/data/train_batch.h"
#include "trainer/gradient_sum.h"
#include "trainer/loss_scaler.h"
#include "trainer/model_gradient.h"
#include "trainer/optimizer.h"
#include "trainer/schedule.h"
#include "trainer/training_weights.h"

namespace tandem {

// What a step's loss is the mean over.
enum class LossMean : uint8_t {
  kTokens,        // all targets of the step, whatever micro-batch they are in
  kMicroBatches,  // the micro-batches' own means (MiniMind)
};

struct TrainerOptions {
  OptimizerOptions optimizer;
  Schedule schedule;
  LossMean loss_mean = LossMean::kTokens;
  std::optional<LossScalingOptions> loss_scaling;                               // for fp16
  ActivationCheckpoints checkpoint_activations = ActivationCheckpoints::kNone;  // changes no bit
  double dropout = 0.0;       // share of values, at MiniMind's four places; 0: none
  uint64_t dropout_seed = 0;  // of its masks
  int64_t max_tokens = 0;     // of one micro-batch
};

struct StepReport {
  int64_t step = 0;           // counted from 0; skipped steps count
  double loss = 0.0;          // the mean of -log p(target), by LossMean
  double balance_loss = 0.0;  // of mixtures; the mean over micro-batches
  double gradient_norm = 0.0;
  double rate = 0.0;
  int64_t num_tokens = 0;
  int64_t num_targets = 0;
  // Set when the step changed nothing, and why: what was not finite.
  std::optional<std::string> skipped;
  std::optional<double> loss_scale;  // that the gradients were computed with
  // The step was skipped because that scale was too large: nothing is wrong with the run.
  bool scale_was_too_large = false;
};

class Trainer {
 public:
  // `config` and `compute` outlive this. The masters start as the values of `compute`.
  Trainer(Context& context, const ModelConfig& config, ModelWeights& compute,
          const TrainerOptions& options);
  Trainer(const Trainer&) = delete;  // its parts refer to each other
  Trainer& operator=(const Trainer&) = delete;

  // One step on these micro-batches (at least one, of which one has a target).
  StepReport Step(Context& context, std::span<const TrainBatch> micro_batches);

  // The mean of -log p(target) over all targets of `batch`; nothing is trained.
  BatchLoss Evaluate(Context& context, const TrainBatch& batch);

  // Where the first value that is not finite comes from, after a step on these micro-batches that
  // was skipped: does it once more, pass by pass.
  std::string FindNotFinite(Context& context, std::span<const TrainBatch> micro_batches);

  // Multiplies the schedule's rate in every later step. 1 at the start.
  void SetRateFactor(double factor) { rate_factor_ = factor; }

  // After masters and moments were written (trainer/checkpoint.h): goes on as after `num_steps`, of
  // which `optimizer_steps` were not skipped.
  void Restore(Context& context, int64_t num_steps, int64_t optimizer_steps);

  const ModelConfig& config() const { return config_; }
  const TrainerOptions& options() const { return options_; }
  TrainingWeights& weights() { return weights_; }
  Optimizer& optimizer() { return optimizer_; }
  int64_t num_steps() const { return num_steps_; }
  // Null: there is no loss scaling.
  LossScaler* optional_loss_scaler() { return loss_scaler_ ? &*loss_scaler_ : nullptr; }

 private:
  // What a step is divided by.
  struct Totals {
    double weight = 0.0;  // of all targets
    double num_micro_batches = 0.0;
  };
  static Totals TotalsOf(std::span<const TrainBatch> micro_batches);
  // What the losses of a micro-batch are divided by.
  double ShareOf(const TrainBatch& batch, const Totals& totals) const;
  // `step` and `index` (of the micro-batch) choose the masks of dropout.
  struct Place {
    int64_t step = 0;
    size_t index = 0;
  };
  BatchLoss Differentiate(Context& context, const TrainBatch& batch, const Totals& totals,
                          const Place& place);
  void Skip(Context& context, ModelTensors<Tensor>& gradients, StepReport& report);

  const ModelConfig& config_;
  TrainerOptions options_;
  TrainingWeights weights_;
  ModelGradient model_;
  GradientSum sum_;
  Optimizer optimizer_;
  std::optional<LossScaler> loss_scaler_;
  int64_t num_steps_ = 0;     // set by Step and Restore
  double rate_factor_ = 1.0;  // set by SetRateFactor
  std::vector<float> logprobs_;
};

}  // namespace tandem
