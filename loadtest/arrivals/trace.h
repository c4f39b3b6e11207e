#pragma once
// A recorded load: a JSONL file, one request a line, in the order of its timestamps.
//
//   {"timestamp": 0.25, "prompt": "Tell me a story", "output_tokens": 60}
//   {"timestamp": 0.31, "prompt_tokens": 512, "output_tokens": 128}
//
// Timestamps are seconds; only their differences count: the first is the start. Fields that are
// absent come from the workload. Immutable once read.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "loadtest/arrivals/arrival_process.h"

namespace tandem {

struct TraceEntry {
  std::chrono::nanoseconds at{};  // from the first
  std::optional<std::string> prompt;
  std::optional<int64_t> num_prompt_tokens;
  std::optional<int64_t> num_output_tokens;
};

// FormatError that names file and line.
std::vector<TraceEntry> ReadTrace(const std::filesystem::path& file);

// Borrows the entries. `speed` 2 replays in half of the time.
std::unique_ptr<ArrivalProcess> TraceArrivals(const std::vector<TraceEntry>& entries, double speed);

}  // namespace tandem
