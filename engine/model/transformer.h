#pragma once
// The forward pass of every architecture in model_config.h, over a ragged batch of tokens, on the
// device where the weights are. Owns the activations of a step; borrows weights and the KV pool.
// One thread at a time runs it.
//
// The residual stream and all op results are fp32; what enters a matmul is rounded to the dtype
// that the weights multiply with (f32, bf16, or int8 with a scale for each row).

#include <cstdint>
#include <vector>

#include "engine/config/model_config.h"
#include "engine/model/activations.h"
#include "engine/model/token_batch.h"
#include "engine/model/weights.h"
#include "kernels/core/context.h"
#include "kernels/dropout.h"
#include "kernels/kv_pages.h"
#include "kernels/rope.h"

namespace tandem {

class Transformer {
 public:
  // `config` and `weights` outlive this. Buffers are sized for max_tokens a step.
  Transformer(const ModelConfig& config, const ModelWeights& weights, int64_t max_tokens,
              Keep keep = Keep::kNothing);

  // Of every Forward from here on; for training. A new Transformer has none.
  void SetDropout(const Dropout& dropout);

  // Makes tokens at positions [0, count) possible, as Forward does by itself for its batch.
  void ReservePositions(Context& context, int64_t count) { rope_.Reserve(context, count); }

  // Embedding and all layers. Writes K and V of the batch's tokens into `pool`. The result stays
  // here until the next call: the residual stream before the final norm.
  void Forward(Context& context, const TokenBatch& batch, KvPool& pool);

  // Final norm and output head for some tokens of the last Forward.
  // rows [at most max_tokens], i32: indices of tokens; logits [rows, vocab], f32.
  void Logits(Context& context, ConstTensorView rows, TensorView logits);

  // What the output head reads for some tokens of the last Forward.
  // picked [rows, hidden], f32: the residual stream; normed [rows, hidden], activation dtype.
  void HeadInput(Context& context, ConstTensorView rows, TensorView picked, TensorView normed);

  // Of the last Forward; not with Keep::kNothing. Leading dimensions are max_tokens.
  const LayerActivations& activations(int64_t layer) const;
  // With Keep::kLayerInputs, before activations(layer): computes them again, to the same bits, of
  // what the last Forward had of `batch` and `pool`. hidden() is that layer's output then.
  void Recompute(Context& context, const TokenBatch& batch, KvPool& pool, int64_t layer);
  const RopeTable& rope() const { return rope_; }
  DType activation_dtype() const { return activation_dtype_; }
  int64_t activation_bytes() const;

  // [tokens of the last Forward, hidden], f32
  ConstTensorView hidden() const { return hidden_.view().Rows(0, num_tokens_); }

 private:
  // What a matmul reads: x rounded to its dtype, and the row scales where that is int8.
  struct MatmulInput {
    ConstTensorView x;
    ConstTensorView scales;
  };

  void Layer(Context& context, const TokenBatch& batch, KvPool& pool, int64_t layer);
  // [tokens, hidden]: what `layer` read in the last Forward.
  TensorView InputOf(int64_t layer) {
    return layer_inputs_.view().Rows(layer * max_tokens_, num_tokens_);
  }
  void AttentionBlock(Context& context, const TokenBatch& batch, KvPool& pool, int64_t layer);
  void FeedForwardBlock(Context& context, int64_t layer);
  void FeedForward(Context& context, const FeedForwardWeights& weights, const MatmulInput& input,
                   FeedForwardActivations& activations, TensorView y, MatmulOutput output);
  void MixtureOfExperts(Context& context, const MoeWeights& weights, ConstTensorView normed,
                        MoeActivations& activations, int64_t layer);
  bool SortsChoices(const Context& context) const;
  ConstTensorView Choices(MoeActivations& kept) const;
  ConstTensorView ActivateExperts(Context& context, const MoeWeights& weights,
                                  ConstTensorView normed, MoeActivations& kept);
  void Route(Context& context, const MoeWeights& weights, ConstTensorView normed,
             MoeActivations& activations);
  // Where a block writes what is to be put into `y` (or added to it): there, or with dropout into a
  // buffer, from which DropInto takes it.
  struct Destination {
    TensorView y;
    MatmulOutput output;
  };
  Destination Before(TensorView y, MatmulOutput output);
  void DropInto(Context& context, const Destination& to, const DropoutMask& mask);
  DropoutMask MaskOf(DropoutPlace place, int64_t layer, int64_t index = 0) const {
    return DropoutMask(dropout_, place, layer, index);
  }
  LayerActivations& At(int64_t layer) {
    return layers_[layers_.size() == 1 ? 0 : static_cast<size_t>(layer)];
  }
  void Norm(Context& context, TensorView x, const Tensor& weight, TensorView y);
  MatmulInput Stage(Context& context, ConstTensorView x);

  const ModelConfig& config_;
  const ModelWeights& weights_;
  RopeTable rope_;
  DType activation_dtype_;  // of what norms, attention and activations write: bf16 or f32
  int64_t max_tokens_;
  Keep keep_;
  Dropout dropout_;              // set by SetDropout
  int64_t num_tokens_ = 0;       // of the last Forward
  int64_t computed_layer_ = -1;  // whose activations a set for all layers has; set by Layer

  // Activations of one step; the leading dimension is max_tokens, or max_tokens * top_k for
  // experts.
  std::vector<LayerActivations> layers_;  // one for all, or one for each
  Tensor layer_inputs_;                   // [layers * tokens, hidden], f32; kLayerInputs only
  Tensor hidden_;                         // [tokens, hidden], f32: the residual stream
  Tensor normed_;                         // [tokens, hidden], activation dtype: the final norm
  Tensor quantized_;                      // [rows, widest input], i8; int8 weights only
  Tensor row_scales_;                     // [rows], f32; int8 weights only
  Tensor shared_output_;                  // [tokens, hidden], f32; mixtures only
  Tensor branch_;                         // [tokens, hidden], f32; with dropout only
};

}  // namespace tandem
