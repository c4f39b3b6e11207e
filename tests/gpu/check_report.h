#pragma once
// What a run of `check` found, as the JSON and the Markdown that are committed. Plain data; pure
// functions.

#include <cstdint>
#include <string>
#include <vector>

#include "tests/gpu/part_process.h"

namespace tandem {

struct CheckReport {
  std::string began;  // "2026-01-01 00:00 UTC"
  double seconds = 0;
  std::string commit;        // of the sources; ends with "+" where they were changed since
  std::string gpu;           // "NVIDIA H200"
  std::string architecture;  // "sm_90"
  int64_t memory_bytes = 0;
  std::string driver;  // its version; empty: not known
  std::string host;    // the processor and how many of it
  std::vector<PartRecord> parts;

  bool Succeeded() const;  // nothing failed
};

std::string ReportJson(const CheckReport& report);
std::string ReportMarkdown(const CheckReport& report);

}  // namespace tandem
