#pragma once
// The patterns of GPT-2, Llama 3 and Qwen, matched by hand: faster than a regular expression, in
// constant memory, in linear time, and of the Unicode version of the reference tokenizers. Pure
// functions; any thread.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tandem {

inline constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kQwenPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";

enum class KnownPattern : uint8_t { kGpt2, kLlama3, kQwen };

std::optional<KnownPattern> FindKnownPattern(std::string_view pattern);

// The end of the match that begins at `begin`, which is before the end of `text`: every character
// belongs to a match, so matches lie side by side. The text is valid UTF-8.
size_t EndOfMatch(KnownPattern pattern, std::string_view text, size_t begin);

}  // namespace tandem
