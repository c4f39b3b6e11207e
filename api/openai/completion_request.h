#pragma once
// POST /v1/completions: what a client asks, typed and bounded. OpenAI's fields, and the extensions
// that clients of other servers send (top_k, min_p, ignore_eos, stop_token_ids, ...).

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/config/model_config.h"
#include "engine/sampling/sampling_params.h"
#include "engine/text/tokenizer.h"

namespace tandem {

using CompletionPrompt = std::variant<std::string, std::vector<TokenId>>;

struct CompletionRequest {
  static constexpr size_t kMaxPrompts = 32;
  static constexpr int64_t kMaxChoices = 16;
  static constexpr size_t kMaxStops = 16;
  static constexpr size_t kMaxStopBytes = 1024;

  std::string model;  // empty: whatever is served
  std::vector<CompletionPrompt> prompts;
  SamplingParams sampling;        // without seed and choice
  bool max_tokens_given = false;  // else the default yields to what the context has left
  std::optional<uint64_t> seed;
  int64_t num_choices = 1;  // of each prompt
  std::vector<std::string> stop;
  bool include_stop = false;  // include_stop_str_in_output
  bool skip_special_tokens = true;
  bool echo = false;
  bool stream = false;
  bool include_usage = false;     // a last chunk with it
  bool continuous_usage = false;  // in every chunk
  int32_t priority = 0;
  std::string cache_salt;
};

// Throws InvalidRequest naming the field: wrong types, counts, and fields of the API that Tandem
// knows and does not support. The ranges of sampling parameters are Validate's business. Unknown
// fields are ignored. `defaults` are the model's own.
CompletionRequest ParseCompletionRequest(std::string_view body, const GenerationConfig& defaults);

}  // namespace tandem
