#pragma once
// "Did you mean ...": the known name that is closest to a mistyped one. Pure functions.

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tandem {

// The candidate with the fewest single-character edits from `word` (insert, delete, replace, swap
// of neighbours), ignoring case and '_' against '-'; none when more than a third of the word would
// change.
std::optional<std::string> NearMatch(std::string_view word,
                                     std::span<const std::string> candidates);

// "; did you mean X?" or "".
std::string DidYouMean(std::string_view word, std::span<const std::string> candidates,
                       std::string_view prefix = "");

}  // namespace tandem
