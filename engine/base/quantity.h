#pragma once
// Sizes in bytes and durations as people write them: "512MiB", "1.5GB", "500ms", "2m". Pure
// functions.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tandem {

// "4096", "64K", "512MiB", "1.5GB" (K, M, G, T and KiB.. are powers of 1024, KB.. of 1000; case
// does not matter). None when it is not of that form, is negative or exceeds 2^63 - 1.
std::optional<int64_t> ParseBytes(std::string_view text);
// The largest unit that is at most the value, with up to two decimals: "1.5 GiB", "0 B".
std::string FormatBytes(int64_t bytes);
// The form that ParseBytes reads back exactly: "512MiB", "1000".
std::string ExactBytes(int64_t bytes);

// "250ms", "30s", "2m", "1.5h", "7d"; a bare number is seconds. None when malformed or negative.
std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text);
// "250ms", "30s", "1.5s"; read back exactly by ParseDuration.
std::string FormatDuration(std::chrono::milliseconds duration);

// 1234567 -> "1,234,567".
std::string FormatCount(int64_t count);

}  // namespace tandem
