#include "engine/sampling/sampling_params.h"

#include <fmt/format.h>

#include <cmath>

#include "kernels/core/error.h"

namespace tandem {
namespace {

constexpr size_t kMaxLogitBias = 1024;
constexpr size_t kMaxStopTokenIds = 128;
constexpr int64_t kMaxLogprobs = 20;
// Logits are divided by it: with much less they would leave the range of a float.
constexpr float kMinRepetitionPenalty = 0x1p-20f;

// `value` must lie in [min, max]; written so that NaN fails.
void CheckNumber(const char* field, float value, float min, float max) {
  if (value >= min && value <= max) return;
  throw InvalidRequest(field, fmt::format("{} is {}, expected {} to {}", field, value, min, max));
}

// The same with `min` excluded.
void CheckAbove(const char* field, float value, float min, float max) {
  if (value > min && value <= max) return;
  throw InvalidRequest(
      field, fmt::format("{} is {}, expected more than {} and at most {}", field, value, min, max));
}

void CheckInt(const char* field, int64_t value, int64_t min, int64_t max) {
  if (value >= min && value <= max) return;
  throw InvalidRequest(field, fmt::format("{} is {}, expected {} to {}", field, value, min, max));
}

void CheckNotNegative(const char* field, int64_t value) {
  if (value >= 0) return;
  throw InvalidRequest(field, fmt::format("{} is {}, expected 0 or more", field, value));
}

void CheckCount(const char* field, size_t count, size_t max) {
  if (count <= max) return;
  throw InvalidRequest(field,
                       fmt::format("{} has {} entries, at most {} are allowed", field, count, max));
}

void CheckTokenId(const char* field, int32_t id, int64_t vocab_size) {
  if (id >= 0 && id < vocab_size) return;
  throw InvalidRequest(
      field, fmt::format("{} has token id {}, expected 0 to {}", field, id, vocab_size - 1));
}

void ValidateDrawing(const SamplingParams& params, int64_t vocab_size) {
  CheckNumber("temperature", params.temperature, 0.0f, 2.0f);
  CheckNotNegative("top_k", params.top_k);
  CheckAbove("top_p", params.top_p, 0.0f, 1.0f);
  CheckNumber("min_p", params.min_p, 0.0f, 1.0f);
  CheckNumber("repetition_penalty", params.repetition_penalty, kMinRepetitionPenalty, 10.0f);
  CheckNumber("frequency_penalty", params.frequency_penalty, -2.0f, 2.0f);
  CheckNumber("presence_penalty", params.presence_penalty, -2.0f, 2.0f);
  CheckCount("logit_bias", params.logit_bias.size(), kMaxLogitBias);
  for (const LogitBias& bias : params.logit_bias) {
    CheckTokenId("logit_bias", bias.id, vocab_size);
    CheckNumber("logit_bias", bias.bias, -100.0f, 100.0f);
  }
}

void ValidateEnding(const SamplingParams& params, int64_t vocab_size) {
  CheckNotNegative("max_tokens", params.max_tokens);
  CheckNotNegative("min_tokens", params.min_tokens);
  if (params.min_tokens > params.max_tokens) {
    throw InvalidRequest("min_tokens", fmt::format("min_tokens is {}, more than max_tokens {}",
                                                   params.min_tokens, params.max_tokens));
  }
  CheckCount("stop_token_ids", params.stop_token_ids.size(), kMaxStopTokenIds);
  for (int32_t id : params.stop_token_ids) CheckTokenId("stop_token_ids", id, vocab_size);
}

}  // namespace

void Validate(const SamplingParams& params, int64_t vocab_size) {
  ValidateDrawing(params, vocab_size);
  ValidateEnding(params, vocab_size);
  if (params.logprobs) CheckInt("logprobs", *params.logprobs, 0, kMaxLogprobs);
  if (params.prompt_logprobs) {
    CheckInt("prompt_logprobs", *params.prompt_logprobs, 0, kMaxLogprobs);
  }
}

}  // namespace tandem
