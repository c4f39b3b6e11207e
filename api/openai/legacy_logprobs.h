#pragma once
// The log-probabilities of the completions API: four parallel arrays. Pure functions.

#include <span>
#include <string>

#include "api/openai/answer_format.h"
#include "engine/text/tokenizer.h"

namespace tandem {

// {"tokens":[...],"token_logprobs":[...],"top_logprobs":[...],"text_offset":[...]}
// The token itself is added to its alternatives when it is not among them; of two alternatives with
// one label the likelier stays.
void AppendLegacyLogprobs(const Tokenizer& tokenizer, std::span<const ReportedToken> entries,
                          std::string& out);

}  // namespace tandem
