#pragma once
// Tokens as clients see them in log-probabilities. Pure functions.

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/text/tokenizer.h"

namespace tandem {

// A token's text, or "bytes:\xe4\xb8" where it is not whole UTF-8 characters.
std::string TokenLabel(const Tokenizer& tokenizer, TokenId id);

// Characters of valid UTF-8.
int64_t CountCharacters(std::string_view text);

}  // namespace tandem
