#include "api/cli/sampling_options.h"

#include <algorithm>

namespace tandem {

namespace {

float Pick(const std::optional<double>& given, std::optional<float> model, float otherwise) {
  return given ? static_cast<float>(*given) : model.value_or(otherwise);
}

}  // namespace

void AddSamplingSettings(Settings& settings, SamplingOptions& options, const char* group) {
  settings.Add("temperature", &options.temperature, {.help = "0: greedy", .group = group});
  settings.Add("top-p", &options.top_p, {.help = "nucleus", .group = group});
  settings.Add("top-k", &options.top_k, {.help = "0 or -1: all", .group = group});
  settings.Add("min-p", &options.min_p, {.help = "of the likeliest's", .group = group});
  settings.Add("repetition-penalty", &options.repetition_penalty,
               {.help = "1: none", .group = group});
  settings.Add("seed", &options.seed, {.help = "absent: a random one", .group = group});
}

SamplingParams MakeSampling(const SamplingOptions& options, const GenerationConfig& defaults) {
  SamplingParams sampling;
  sampling.temperature = Pick(options.temperature, defaults.temperature, 1.0f);
  sampling.top_p = Pick(options.top_p, defaults.top_p, 1.0f);
  sampling.min_p = Pick(options.min_p, defaults.min_p, 0.0f);
  sampling.repetition_penalty = Pick(options.repetition_penalty, defaults.repetition_penalty, 1.0f);
  const int64_t top_k = options.top_k.value_or(defaults.top_k.value_or(0));
  sampling.top_k = static_cast<int32_t>(std::max<int64_t>(top_k, 0));
  sampling.seed = options.seed.value_or(0);
  return sampling;
}

}  // namespace tandem
