#pragma once
// The log-probabilities of the completions API: four parallel arrays. Offsets count Unicode
// characters from the start of the choice's text (with the prompt, where it is echoed).

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/runner.h"
#include "engine/text/tokenizer.h"

namespace tandem {

struct LegacyLogprob {
  std::string token;                               // TokenLabel
  std::optional<float> logprob;                    // absent for the first token of a prompt
  std::vector<std::pair<std::string, float>> top;  // descending, with the token itself
  int64_t text_offset = 0;
};

// A token's text, or "bytes:\xe4\xb8" where it is not whole UTF-8 characters.
std::string TokenLabel(const Tokenizer& tokenizer, TokenId id);

// `offset` is where the token's text starts. The token itself is added to the alternatives when it
// is not among them; of two alternatives with one label the likelier stays.
LegacyLogprob MakeLegacyLogprob(const Tokenizer& tokenizer, const ScoredToken& scored,
                                int64_t offset);

// {"tokens":[...],"token_logprobs":[...],"top_logprobs":[...],"text_offset":[...]}
void AppendLegacyLogprobs(std::span<const LegacyLogprob> entries, std::string& out);

// Characters of valid UTF-8.
int64_t CountCharacters(std::string_view text);

}  // namespace tandem
