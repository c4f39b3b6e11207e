#pragma once
// The knobs of `tandem generate`.

#include <cstdint>
#include <string>
#include <vector>

#include "api/cli/model_options.h"
#include "api/cli/sampling_options.h"
#include "engine/base/settings.h"

namespace tandem {

inline constexpr char kGenerateSummary[] = "Completes a text in this process.";

struct GenerateOptions {
  ModelOptions model;
  std::string prompt;
  int64_t max_tokens = 256;
  SamplingOptions sampling;
  std::vector<std::string> stop;
  bool ignore_eos = false;
  bool echo = false;
  bool stats = true;
};

void AddGenerateSettings(Settings& settings, GenerateOptions& options);

}  // namespace tandem
