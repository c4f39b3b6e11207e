#pragma once
// Loss and gradients of one micro-batch: the engine's own forward pass, keeping its activations,
// and the mirror of it, where the weights are. Owns the activations and a KV pool; borrows weights.
// One thread at a time.
//
// Every gradient is summed in one order that depends on the micro-batch alone, so it has the same
// bits on any number of threads.

#include <vector>

#include "engine/model/token_batch.h"
#include "engine/model/transformer.h"
#include "kernels/core/context.h"
#include "kernels/core/staged_tensor.h"
#include "trainer/data/train_batch.h"
#include "trainer/training_weights.h"

namespace tandem {

// What a micro-batch's losses are multiplied with to be its share of the step's objective.
struct LossScale {
  float targets = 1.0f;  // of the sum over targets of weight * -log p
  float balance =
      0.0f;  // of the mixtures' balance loss (trainer/balance_loss.h), summed over layers
};

// What of the forward pass is kept for the backward.
enum class ActivationCheckpoints : uint8_t {
  kNone,   // everything
  kLayer,  // each layer's input: a layer's forward runs again before its backward, to the same bits
};

struct BatchLoss {
  double sum = 0.0;         // of weight * -log p(target)
  double weight = 0.0;      // of all targets
  int64_t num_targets = 0;  // tokens that have one
  double balance = 0.0;     // the balance loss, summed over layers, unscaled
};

class ModelGradient {
 public:
  // Sized for micro-batches of max_tokens. `config` and `weights` outlive this.
  ModelGradient(const ModelConfig& config, const TrainingWeights& weights, int64_t max_tokens,
                ActivationCheckpoints checkpoints = ActivationCheckpoints::kNone);

  // Of every Run from here on. Evaluate has none.
  void SetDropout(const Dropout& dropout);

  // gradients (of the shapes of weights.masters()) = those of the scaled losses. Where the loss is
  // not finite they are not either.
  BatchLoss Run(Context& context, const TrainBatch& batch, const LossScale& scale,
                ModelTensors<Tensor>& gradients);

  // The forward half alone: log p of each token's target, 0 where it has none.
  BatchLoss Evaluate(Context& context, const TrainBatch& batch, std::vector<float>& logprobs);

  int64_t max_tokens() const { return max_tokens_; }
  // Of the last batch; computed again where they were not kept.
  const LayerActivations& Activations(Context& context, int64_t layer);
  // The last layer's output, after Activations of it; [tokens, hidden], f32.
  ConstTensorView hidden() const { return transformer_.hidden(); }

 private:
  void AllocateForMixtures();
  void Forward(Context& context, const TrainBatch& batch);
  BatchLoss Head(Context& context, float scale, ModelTensors<Tensor>& gradients);
  double FeedForwardBlock(Context& context, const TrainBatch& batch, int64_t layer, float balance,
                          LayerTensors<Tensor>& gradients);
  void MixtureOfExperts(Context& context, int64_t layer, const MoeTensors<PackedMatrix>& columns,
                        const MoeActivations& kept, MoeTensors<Tensor>& gradients);
  double Router(Context& context, const TrainBatch& batch, const MoeTensors<PackedMatrix>& columns,
                const LayerActivations& kept, float balance, MoeTensors<Tensor>& gradients);
  void FeedForward(Context& context, const FeedForwardTensors<PackedMatrix>& columns,
                   const FeedForwardActivations& kept, ConstTensorView dy, ConstTensorView normed,
                   TensorView dnormed, MatmulOutput output, FeedForwardTensors<Tensor>& gradients);
  ConstTensorView DroppedGradient(Context& context, const DropoutMask& mask);
  void AttentionBlock(Context& context, int64_t layer, AttentionTensors<Tensor>& gradients);
  void AttentionCore(Context& context, int64_t layer, AttentionTensors<Tensor>& gradients);
  ConstTensorView Narrow(Context& context, ConstTensorView x, Tensor& buffer);
  BatchLoss Collect(Context& context, const TrainBatch& batch, float scale);
  void FillOnes(Context& context);

  const ModelConfig& config_;
  const TrainingWeights& weights_;
  const int64_t max_tokens_;
  const Device device_;  // where the weights are
  KvPool pool_;
  Transformer transformer_;
  DType dtype_;      // what matmuls read
  Dropout dropout_;  // set by SetDropout
  int64_t num_tokens_ = 0;

  TokenBatch tokens_;
  std::vector<PageId> pages_;        // 0, 1, ...
  StagedTensor<int32_t> rows_;       // tokens that have a target
  StagedTensor<int32_t> targets_;    // of rows_
  StagedTensor<float> row_weights_;  // of rows_, times scale
  StagedTensor<float> losses_;       // of rows_
  int64_t num_rows_ = 0;             // set by Collect

  // Gradients on their way down; leading dimension max_tokens.
  Tensor dhidden_;    // [tokens, hidden], f32: of the residual stream
  Tensor dnormed_;    // [tokens, hidden], f32: of a norm's result
  Tensor picked_;     // [tokens, hidden], f32: what the final norm read
  Tensor head_in_;    // [tokens, hidden], dtype_: what the head read
  Tensor dhead_in_;   // [tokens, hidden], f32
  Tensor narrow_;     // [tokens, widest], dtype_: a gradient as a matmul reads it
  Tensor dattended_;  // [tokens, heads * head_dim], f32
  Tensor dq_;         // [tokens, heads, head_dim], f32
  Tensor dk_;         // [tokens, kv_heads, head_dim], f32
  Tensor dv_;         // [tokens, kv_heads, head_dim], f32
  Tensor q_before_;   // the same shapes, before the norm: with q and k norm only
  Tensor k_before_;
  Tensor v_before_;
  Tensor dqkv_;        // [tokens, (heads + 2 kv_heads) * head_dim], f32
  Tensor dactivated_;  // [rows, intermediate], f32; rows: tokens, or tokens * top_k
  Tensor dgate_up_;    // [rows, 2 * intermediate], dtype_

  Tensor dropped_;  // [tokens, hidden], f32: dhidden_ through a mask; with dropout only

  // Of mixtures.
  Tensor drows_;                 // [tokens * top_k, hidden], dtype_: of the experts' outputs
  Tensor dgathered_;             // [tokens * top_k, hidden], f32: of the experts' inputs
  Tensor dshares_;               // [tokens, top_k], f32
  Tensor dlogits_;               // [tokens, num_experts], f32
  StagedTensor<float> dscores_;  // [tokens, num_experts]: of the balance loss, made on the host
  StagedTensor<float> ones_;     // [tokens, top_k]
  bool ones_are_there_ = false;  // set by FillOnes
};

}  // namespace tandem
