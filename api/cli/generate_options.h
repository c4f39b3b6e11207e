#pragma once
// The knobs of `tandem generate`.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/cli/model_options.h"
#include "engine/base/settings.h"

namespace tandem {

struct GenerateOptions {
  ModelOptions model;
  std::string prompt;
  int64_t max_tokens = 256;
  std::optional<double> temperature;  // absent: the model's default
  std::optional<double> top_p;
  std::optional<int64_t> top_k;
  std::optional<double> min_p;
  std::optional<double> repetition_penalty;
  std::optional<uint64_t> seed;
  std::vector<std::string> stop;
  bool ignore_eos = false;
  bool echo = false;
  bool stats = true;
};

void AddGenerateSettings(Settings& settings, GenerateOptions& options);

}  // namespace tandem
