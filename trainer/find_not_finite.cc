#include "trainer/find_not_finite.h"

#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "engine/base/quantity.h"
#include "kernels/core/device_memory.h"

namespace tandem {
namespace {

constexpr float kLargestF16 = 65504.0f;

float ValueAt(ConstTensorView values, int64_t index) {
  return values.dtype() == DType::kBf16 ? static_cast<float>(values.data<BFloat16>()[index])
                                        : values.data<float>()[index];
}

// A tensor of a pass, and the op that wrote it.
struct Written {
  const char* name;
  const char* op;
  const Tensor& tensor;
  int64_t rows;
};

void AppendFeedForward(const FeedForwardActivations& kept, int64_t rows,
                       std::vector<Written>& written) {
  written.push_back({"gate_up", "the product with gate_proj and up_proj", kept.gate_up, rows});
  written.push_back({"activated", "SiLU of the gate times up", kept.activated, rows});
}

// All that a layer keeps, as it was written.
std::vector<Written> WrittenBy(const ModelConfig& config, const LayerActivations& kept,
                               int64_t layer, int64_t tokens) {
  std::vector<Written> written = {
      {"input", layer == 0 ? "the embedding" : "the sum with the layer before", kept.input, tokens},
      {"attention_normed", "the norm before attention", kept.attention_normed, tokens},
      {"qkv", "the product with q_proj, k_proj and v_proj", kept.qkv, tokens},
      {"q", "RoPE, and the norm of q where there is one", kept.q, tokens},
      {"attended", "attention", kept.attended, tokens},
      {"middle", "the product with o_proj and the sum with the input", kept.middle, tokens},
      {"ffn_normed", "the norm before the feed-forward block", kept.ffn_normed, tokens}};
  if (!config.is_sparse(layer)) {
    AppendFeedForward(kept.dense, tokens, written);
    return written;
  }
  const int64_t rows = tokens * config.moe.top_k;
  written.push_back({"logits", "the router", kept.moe.logits, tokens});
  written.push_back({"shares", "the routing", kept.moe.shares, tokens});
  for (const FeedForwardActivations& shared : kept.moe.shared) {
    AppendFeedForward(shared, tokens, written);
  }
  AppendFeedForward(kept.moe.routed, rows, written);
  written.push_back({"output", "the product with the experts' down_proj", kept.moe.output, rows});
  return written;
}

// The first of all parameters, or of those of which `is_wanted` says so.
template <typename IsWanted>
std::optional<std::string> FindInParameters(Context& context, const ModelConfig& config,
                                            ModelTensors<Tensor>& tensors, IsWanted is_wanted) {
  std::optional<std::string> found;
  ForEachParameter(config, tensors, [&](const ParameterOf<Tensor>& parameter) {
    if (found || !is_wanted(parameter.name)) return;
    Tensor& tensor = parameter.matrix != nullptr ? *parameter.matrix : *parameter.vector;
    if (const auto problem = DescribeNotFinite(
            context, tensor.view().Rows(parameter.first_row, parameter.shape[0]))) {
      found = fmt::format("{} {}", parameter.name, *problem);
    }
  });
  return found;
}

}  // namespace

std::optional<std::string> DescribeNotFinite(Context& context, ConstTensorView given) {
  const HostCopy copy(context, given);
  const ConstTensorView values = copy.view();
  int64_t count = 0, first = -1;
  for (int64_t i = 0; i < values.num_elements(); ++i) {
    if (std::isfinite(ValueAt(values, i))) continue;
    if (count++ == 0) first = i;
  }
  if (count == 0) return std::nullopt;
  const int64_t columns = values.num_elements() / (values.shape().rank() > 1 ? values.dim(0) : 1);
  return fmt::format("{}: {} of {} values are not finite, the first is {} at row {}, column {}",
                     values.shape().ToString(), FormatCount(count),
                     FormatCount(values.num_elements()), ValueAt(values, first), first / columns,
                     first % columns);
}

std::optional<std::string> FindInWeights(Context& context, const ModelConfig& config,
                                         ModelTensors<Tensor>& masters, DType compute) {
  const auto all = [](const std::string&) { return true; };
  if (const auto found = FindInParameters(context, config, masters, all))
    return "the weight " + *found;
  if (compute != DType::kF16) return std::nullopt;
  std::optional<std::string> large;
  ForEachParameter(config, masters, [&](const ParameterOf<Tensor>& parameter) {
    if (large || parameter.matrix == nullptr) return;
    const HostCopy copy(context,
                        parameter.matrix->view().Rows(parameter.first_row, parameter.shape[0]));
    const ConstTensorView values = copy.view();
    for (int64_t i = 0; i < values.num_elements() && !large; ++i) {
      const float value = values.data<float>()[i];
      if (std::abs(value) <= kLargestF16) continue;
      large = fmt::format("the weight {} has {}, too large for fp16: train with --dtype bf16",
                          parameter.name, value);
    }
  });
  return large;
}

std::optional<std::string> FindInTargets(Context& context, const TrainBatch& batch) {
  if (batch.weights.empty()) return std::nullopt;
  const auto count = static_cast<int64_t>(batch.weights.size());
  const auto problem =
      DescribeNotFinite(context, ConstTensorView(batch.weights.data(), Shape{count}));
  return problem ? std::optional("the data's weights of targets " + *problem) : std::nullopt;
}

std::optional<std::string> FindInForward(Context& context, const ModelConfig& config,
                                         ModelGradient& model) {
  const int64_t tokens = model.hidden().dim(0);
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    for (const Written& written :
         WrittenBy(config, model.Activations(context, layer), layer, tokens)) {
      const auto problem = DescribeNotFinite(context, written.tensor.view().Rows(0, written.rows));
      if (problem) {
        return fmt::format("in the forward pass, layer {}, {} ({}) {}", layer, written.name,
                           written.op, *problem);
      }
    }
  }
  const auto problem = DescribeNotFinite(context, model.hidden());
  return problem ? std::optional("in the forward pass, the last layer's output " + *problem)
                 : std::nullopt;
}

std::optional<std::string> FindInBackward(Context& context, const ModelConfig& config,
                                          ModelTensors<Tensor>& gradients) {
  const auto find = [&](const std::string& prefix) {
    return FindInParameters(context, config, gradients,
                            [&](const std::string& name) { return name.starts_with(prefix); });
  };
  const std::string where = "in the backward pass, the gradient of ";
  // The head's own gradient, where it is the embedding's, has the embedding's added at the end.
  for (const char* prefix : {"lm_head", "model.norm"}) {
    if (const auto found = find(prefix)) return where + *found;
  }
  for (int64_t layer = config.num_layers - 1; layer >= 0; --layer) {
    const std::string prefix = fmt::format("model.layers.{}.", layer);
    for (const char* part : {"mlp", "post_attention_layernorm", "self_attn", ""}) {
      if (const auto found = find(prefix + part)) return where + *found;
    }
  }
  const auto found = find("");
  return found ? std::optional(where + *found) : std::nullopt;
}

}  // namespace tandem
