#include "tests/bench/training_work.h"

#include "kernels/core/device_memory.h"
#include "kernels/core/random.h"
#include "trainer/initialise.h"

namespace tandem {
namespace {

// That multiply every token, without the head.
int64_t LayerParameters(const ModelConfig& config) {
  const int64_t hidden = config.hidden_size, dim = config.head_dim;
  int64_t parameters = 0;
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    parameters += (2 * config.num_heads + 2 * config.num_kv_heads) * dim * hidden;
    const MoeConfig& moe = config.moe;
    parameters += config.is_sparse(layer)
                      ? 3 * (moe.top_k + moe.num_shared) * moe.intermediate_size * hidden
                      : 3 * config.intermediate_size * hidden;
  }
  return parameters;
}

// Of the causal half, forward.
int64_t AttentionFlops(const ModelConfig& config, int64_t row_tokens) {
  return 2 * config.num_layers * config.num_heads * config.head_dim * row_tokens;
}

}  // namespace

TrainBatch RandomBatch(int64_t num_rows, int64_t row_tokens, int64_t vocab, uint64_t seed) {
  TrainBatch batch{.cu_seqlens = {0}};
  for (int64_t row = 0; row < num_rows; ++row) {
    for (int64_t i = 0; i <= row_tokens; ++i) {
      const RandomKey key{.seed = seed,
                          .position = static_cast<uint64_t>(row * (row_tokens + 1) + i)};
      const auto id = static_cast<int32_t>(RandomUniform(key) * static_cast<double>(vocab));
      if (i < row_tokens) batch.token_ids.push_back(id);
      if (i > 0) batch.targets.push_back(id);
    }
    batch.cu_seqlens.push_back(static_cast<int32_t>(batch.token_ids.size()));
  }
  return batch;
}

void DrawMasters(Context& context, const ModelConfig& config, Trainer& trainer) {
  ModelTensors<Tensor>& masters = trainer.weights().masters();
  if (context.device == kCpuDevice) {
    InitialiseWeights(config, InitKind::kNormal, 1, masters);
  } else {
    ModelTensors<Tensor> drawn = ZeroTensors(masters, kCpuDevice);
    InitialiseWeights(config, InitKind::kNormal, 1, drawn);
    CopyTensors(context, drawn, masters);
    Synchronize(context);
  }
  trainer.weights().Publish(context);
}

double TrainingFlops(const ModelConfig& config, int64_t row_tokens) {
  const int64_t head = config.vocab_size * config.hidden_size;
  return static_cast<double>(6 * (LayerParameters(config) + head) +
                             3 * AttentionFlops(config, row_tokens));
}

double PromptFlops(const ModelConfig& config, int64_t row_tokens) {
  return static_cast<double>(2 * LayerParameters(config) + AttentionFlops(config, row_tokens));
}

}  // namespace tandem
