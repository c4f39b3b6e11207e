#include "trainer/memory_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "engine/base/quantity.h"
#include "engine/model/activations.h"
#include "engine/model/weights.h"
#include "kernels/core/error.h"
#include "kernels/cross_entropy.h"
#include "kernels/kv_pages.h"
#include "trainer/muon.h"

namespace tandem {
namespace {

constexpr int64_t kMaxRows = 65536;
constexpr int64_t kSampleTokens = 64;  // at once, of a TextSampler's runner

DType ActivationOf(DType weights) { return weights == DType::kBf16 ? DType::kBf16 : DType::kF32; }

int64_t KeptBytes(const ModelConfig& config, DType dtype, int64_t tokens, Keep keep) {
  const DType activation = ActivationOf(dtype);
  const int64_t inputs =
      keep == Keep::kLayerInputs ? 4 * config.num_layers * tokens * config.hidden_size : 0;
  return inputs +
         ActivationBytes(AllocateActivations(config, tokens, activation, keep, kCpuDevice));
}

// rows * intermediate of the widest feed-forward block, for each token.
int64_t Widest(const ModelConfig& config) {
  int64_t widest = 0;
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    const MoeConfig& moe = config.moe;
    widest = std::max(widest, config.is_sparse(layer) ? moe.top_k * moe.intermediate_size
                                                      : config.intermediate_size);
  }
  return widest;
}

// What Transformer and ModelGradient hold for each token beside the layers' activations.
int64_t BufferBytes(const ModelConfig& config, DType dtype) {
  const int64_t narrow = SizeOf(ActivationOf(dtype));
  const int64_t hidden = config.hidden_size, q = config.num_heads * config.head_dim;
  const int64_t kv = config.num_kv_heads * config.head_dim, widest = Widest(config);
  int64_t floats = hidden;                                  // the residual stream
  floats += 4 * hidden + 2 * q + 2 * kv + q + 2 * kv;       // dhidden_ to dv_, and dqkv_
  if (config.qk_norm) floats += q + 2 * kv;                 // q_before_ and its like
  floats += widest;                                         // dactivated_
  int64_t narrows = hidden + hidden;                        // normed_, head_in_
  if (narrow < 4) narrows += std::max(hidden, q + 2 * kv);  // narrow_
  (config.mlp_bias ? floats : narrows) += 2 * widest;       // dgate_up_
  if (config.moe.num_experts > 0) {
    const int64_t rows = config.moe.top_k;
    floats += hidden + rows * hidden + 2 * rows + 2 * config.moe.num_experts;
    narrows += rows * hidden;
  }
  return 4 * floats + narrow * narrows;
}

// Transposed operands of the widest weight gradient, for each token.
int64_t LayerScratchBytes(const ModelConfig& config, DType dtype) {
  const int64_t qkv = (config.num_heads + 2 * config.num_kv_heads) * config.head_dim;
  return SizeOf(ActivationOf(dtype)) * (config.hidden_size + std::max(qkv, 2 * Widest(config)));
}

// Logits, their gradients and transposes, for each row of a block.
int64_t HeadScratchBytes(const ModelConfig& config, DType dtype) {
  const int64_t narrow = SizeOf(ActivationOf(dtype));
  const int64_t gradient = narrow < 4 ? narrow : 0;  // f32: in place
  return config.vocab_size * (4 + gradient + narrow) + config.hidden_size * narrow;
}

KvLayout LayoutOf(const ModelConfig& config, DType dtype) {
  return {.num_layers = config.num_layers,
          .num_kv_heads = config.num_kv_heads,
          .head_dim = config.head_dim,
          .dtype = ActivationOf(dtype)};
}

// Of the buffers that GradientSum has at once: one for each finished subtree, and the next leaf.
int64_t NumGradients(int64_t accumulate) {
  int most = 1;
  for (uint64_t leaf = 0; leaf < static_cast<uint64_t>(accumulate); ++leaf) {
    most = std::max(most, std::popcount(leaf) + 1);
  }
  return most;
}

}  // namespace

MemoryPlanner::MemoryPlanner(const ModelConfig& config, const MemoryPlanInputs& inputs)
    : config_(config), inputs_(inputs) {
  const DType dtype = inputs.dtype;
  ModelWeights weights = AllocateWeights(config, dtype);  // large ones take no memory untouched
  int64_t elements = 0;
  fixed_.weights = weights.size_bytes();
  ForEachTensor(
      weights,
      [&](PackedMatrix& matrix) {
        if (matrix.empty()) return;
        elements += matrix.n() * matrix.k();
        fixed_.weights += AllocateMatrix(matrix.dtype(), matrix.k(), matrix.n()).size_bytes();
      },
      [&](Tensor& vector) { elements += vector.size_bytes() / 4; });
  fixed_.optimizer = 3 * 4 * elements;
  if (inputs.optimizer == OptimizerKind::kMuon) {
    const auto one_moment = [&](const PackedMatrix& matrix, FusedParts, const PackedMatrix&) {
      fixed_.optimizer -= 4 * matrix.n() * matrix.k();
      muon_scratch_ = std::max(muon_scratch_, MuonScratchBytes(matrix.n(), matrix.k()));
    };
    ForEachHiddenMatrix(weights, one_moment);
  }
  fixed_.gradients = 4 * elements * NumGradients(inputs.accumulate);
  const int64_t page_tokens = KvLayout::kPageTokens;
  const Keep keep = inputs.checkpoint_activations == ActivationCheckpoints::kLayer
                        ? Keep::kLayerInputs
                        : Keep::kForBackward;
  const int64_t dropout = inputs.dropout > 0.0 ? 2 * 4 * config.hidden_size : 0;
  token_bytes_ = dropout + KeptBytes(config, dtype, 2, keep) - KeptBytes(config, dtype, 1, keep) +
                 BufferBytes(config, dtype) + LayoutOf(config, dtype).page_bytes() / page_tokens;
  if (inputs.sample_context > 0) {
    fixed_.samples = KeptBytes(config, dtype, kSampleTokens, Keep::kNothing) +
                     kSampleTokens * config.vocab_size * 4 +
                     LayoutOf(config, dtype).page_bytes() / page_tokens * inputs.sample_context;
  }
}

MemoryPlan MemoryPlanner::PlanFor(int64_t rows) const {
  const int64_t tokens = rows * inputs_.row_tokens;
  const int64_t head =
      std::min(tokens, kCrossEntropyRows) * HeadScratchBytes(config_, inputs_.dtype);
  const int64_t scratch =
      std::max({tokens * LayerScratchBytes(config_, inputs_.dtype), head, muon_scratch_});
  MemoryPlan plan = fixed_;
  plan.activations = tokens * token_bytes_ + scratch;
  return plan;
}

int64_t MemoryPlanner::LargestRows(int64_t available_bytes) const {
  int64_t fits = 0, too_many = kMaxRows + 1;
  while (fits + 1 < too_many) {
    const int64_t rows = fits + (too_many - fits) / 2;
    (PlanFor(rows).total() <= available_bytes ? fits : too_many) = rows;
  }
  return fits;
}

int64_t MemoryPlanner::ActivationsOtherwise() const {
  MemoryPlanInputs inputs = inputs_;
  inputs.checkpoint_activations = inputs_.checkpoint_activations == ActivationCheckpoints::kNone
                                      ? ActivationCheckpoints::kLayer
                                      : ActivationCheckpoints::kNone;
  return MemoryPlanner(config_, inputs).Plan().activations;
}

std::string MemoryPlanner::Describe(int64_t available_bytes) const {
  const MemoryPlan plan = Plan();
  const int64_t largest = LargestRows(available_bytes);
  const bool keeps_all = inputs_.checkpoint_activations == ActivationCheckpoints::kNone;
  const std::string otherwise =
      fmt::format("{} with --checkpoint-activations {}", FormatBytes(ActivationsOtherwise()),
                  keeps_all ? "layer" : "none");
  const std::string needs = fmt::format(
      "needs {} of {} (weights {}, masters and moments {}, gradients {}, activations {}, {}{})",
      FormatBytes(plan.total()), FormatBytes(available_bytes), FormatBytes(plan.weights),
      FormatBytes(plan.optimizer), FormatBytes(plan.gradients), FormatBytes(plan.activations),
      otherwise, plan.samples > 0 ? ", samples " + FormatBytes(plan.samples) : "");
  if (inputs_.rows <= largest) return fmt::format("{}, largest --rows {}", needs, largest);
  throw ConfigError(
      largest > 0
          ? fmt::format("--rows {}: the run {}; the largest --rows that fits is {}, with a larger "
                        "--accumulate for the same steps",
                        inputs_.rows, needs, largest)
          : fmt::format("the run {}; not even --rows 1 fits: give a smaller --row-tokens{} or a "
                        "smaller model",
                        needs, inputs_.accumulate > 1 ? ", a smaller --accumulate" : ""));
}

}  // namespace tandem
