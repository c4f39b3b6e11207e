#pragma once
// How a request wants its tokens drawn and when it ends. Immutable once the request is accepted.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/sampling.h"

namespace tandem {

struct SamplingParams {
  float temperature = 1.0f;
  int32_t top_k = 0;
  float top_p = 1.0f;
  float min_p = 0.0f;
  float repetition_penalty = 1.0f;
  float frequency_penalty = 0.0f;
  float presence_penalty = 0.0f;
  std::vector<LogitBias> logit_bias;
  uint64_t seed = 0;  // always set by the API (random when the client gave none)
  uint32_t choice = 0;

  int64_t max_tokens = 16;  // 0: only the prompt is evaluated
  int64_t min_tokens = 0;   // end and stop tokens are banned before
  bool ignore_eos = false;
  std::vector<int32_t> stop_token_ids;

  std::optional<int32_t> logprobs;  // top alternatives with each drawn token; 0: its own only
  std::optional<int32_t> prompt_logprobs;  // the same for the prompt's tokens
};

// Throws InvalidRequest naming the first field that is out of range.
void Validate(const SamplingParams& params, int64_t vocab_size);

}  // namespace tandem
