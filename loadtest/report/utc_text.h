#pragma once
// When a run began, as its result says it: "2026-01-01T00:00:00.000Z". Pure functions.

#include <chrono>
#include <optional>
#include <string>

namespace tandem {

using UtcTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;

std::string UtcText(UtcTime time);
std::string UtcNow();
// None where the text is not of exactly that form.
std::optional<UtcTime> ParseUtc(const std::string& text);

}  // namespace tandem
