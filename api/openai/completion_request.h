#pragma once
// POST /v1/completions: what a client asks, typed and bounded.

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "api/openai/generation_request.h"
#include "engine/text/tokenizer.h"

namespace tandem {

using CompletionPrompt = std::variant<std::string, std::vector<TokenId>>;

struct CompletionRequest : GenerationRequest {
  static constexpr size_t kMaxPrompts = 32;

  std::vector<CompletionPrompt> prompts;
};

// As ReadGenerationFields says.
CompletionRequest ParseCompletionRequest(std::string_view body, const GenerationConfig& defaults);

}  // namespace tandem
