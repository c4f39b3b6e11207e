#pragma once
// The first values of a model's weights, from a seed: the same bits on every machine.

#include <cstdint>

#include "engine/config/model_config.h"
#include "engine/model/weights.h"

namespace tandem {

enum class InitKind : uint8_t {
  kNormal,   // every matrix N(0, 0.02): MiniMind-3, GPT-2
  kPyTorch,  // linear layers and routers U(-1/sqrt(in), 1/sqrt(in)), the embedding likewise when
             // tied to the head, else N(0, 1): MiniMind2, which leaves PyTorch's defaults
};

// Norms become 1, biases 0. Drawn by parameter name and element, so that how matrices are fused
// does not matter.
void InitialiseWeights(const ModelConfig& config, InitKind kind, uint64_t seed,
                       ModelTensors<Tensor>& masters);

}  // namespace tandem
