#pragma once
// Tokens as clients see them. Pure functions.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "engine/text/tokenizer.h"

namespace tandem {

// As log-probabilities name it: a token's text, or "bytes:\xe4\xb8" where it is not whole UTF-8
// characters.
std::string TokenLabel(const Tokenizer& tokenizer, TokenId id);

// [17,4,80]
void AppendTokenIds(std::span<const TokenId> ids, std::string& out);

// Characters of valid UTF-8.
int64_t CountCharacters(std::string_view text);

}  // namespace tandem
