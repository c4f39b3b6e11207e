#pragma once
// The knobs of how text is drawn, common to the commands that write some in this process.

#include <cstdint>
#include <optional>

#include "api/openai/generation_request.h"
#include "engine/base/settings.h"
#include "engine/config/model_config.h"

namespace tandem {

struct SamplingOptions {
  std::optional<double> temperature;  // absent: the model's default
  std::optional<double> top_p;
  std::optional<int64_t> top_k;
  std::optional<double> min_p;
  std::optional<double> repetition_penalty;
  std::optional<uint64_t> seed;
};

void AddSamplingSettings(Settings& settings, SamplingOptions& options, const char* group);

// `defaults` are the model's own. The seed stays at 0 when none is given.
SamplingParams MakeSampling(const SamplingOptions& options, const GenerationConfig& defaults);

}  // namespace tandem
