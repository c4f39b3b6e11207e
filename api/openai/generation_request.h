#pragma once
// What every request for generated text has in common: how to sample, when to stop, how to answer.
// OpenAI's fields, and the extensions that clients of other servers send (top_k, min_p, ignore_eos,
// stop_token_ids, ...).

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "api/openai/request_fields.h"
#include "engine/config/model_config.h"
#include "engine/sampling/sampling_params.h"

namespace tandem {

struct GenerationRequest {
  static constexpr int64_t kMaxChoices = 16;
  static constexpr size_t kMaxStops = 16;
  static constexpr size_t kMaxStopBytes = 1024;

  std::string model;              // empty: whatever is served
  SamplingParams sampling;        // without seed and choice
  bool max_tokens_given = false;  // else the default yields to what the context has left
  std::optional<uint64_t> seed;
  int64_t num_choices = 1;  // of each prompt
  std::vector<std::string> stop;
  bool include_stop = false;  // include_stop_str_in_output
  bool skip_special_tokens = true;
  bool echo = false;  // the prompt is a part of the answer
  // prompt_logprobs of the answer; sampling.prompt_logprobs also serves an echo.
  std::optional<int32_t> prompt_logprobs;
  bool return_token_ids = false;  // of the answer and of the prompt
  bool stream = false;
  bool include_usage = false;     // a last chunk with it
  bool continuous_usage = false;  // in every chunk
  int32_t priority = 0;
  std::string cache_salt;
};

// The fields that the APIs share, but for the length of the answer and its log-probabilities.
// Throws InvalidRequest naming the field: wrong types, counts, and fields that Tandem knows and
// does not support. The ranges of sampling parameters are Validate's business. Unknown fields are
// ignored. `defaults` are the model's own.
void ReadGenerationFields(const RequestFields& fields, const GenerationConfig& defaults,
                          GenerationRequest& request);

// The first of `names` that is there and not null. Each is checked.
std::optional<int64_t> ReadFirstInteger(const RequestFields& fields,
                                        std::span<const char* const> names, int64_t min);

// Throws for a field that is there and asks for something (not false, "", [], {}, 0 or null).
void RefuseUnsupported(const RequestFields& fields, std::span<const char* const> names);

}  // namespace tandem
