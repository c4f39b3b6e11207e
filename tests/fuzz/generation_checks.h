#pragma once
// What must hold for every request that a fuzz target got accepted or refused.

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "api/openai/error.h"
#include "api/openai/generation_request.h"
#include "engine/text/unicode.h"
#include "kernels/core/check.h"
#include "kernels/core/error.h"

namespace tandem {

inline constexpr int64_t kFuzzVocabSize = 300;

inline void CheckSampling(const SamplingParams& sampling) {
  for (const float value :
       {sampling.temperature, sampling.top_p, sampling.min_p, sampling.repetition_penalty,
        sampling.frequency_penalty, sampling.presence_penalty}) {
    CHECK(std::isfinite(value), value);
  }
  CHECK(sampling.top_k >= 0 && sampling.min_tokens <= sampling.max_tokens);
  for (const LogitBias& bias : sampling.logit_bias) {
    CHECK(bias.id >= 0 && bias.id < kFuzzVocabSize && std::isfinite(bias.bias), bias.id);
  }
  for (const int32_t id : sampling.stop_token_ids) CHECK(id >= 0 && id < kFuzzVocabSize, id);
}

// After Validate.
inline void CheckGeneration(const GenerationRequest& request) {
  CheckSampling(request.sampling);
  CHECK(request.num_choices >= 1 && request.num_choices <= GenerationRequest::kMaxChoices);
  CHECK(request.stop.size() <= GenerationRequest::kMaxStops);
  for (const std::string& stop : request.stop) {
    CHECK(stop.size() <= GenerationRequest::kMaxStopBytes && IsValidUtf8(stop));
  }
  CHECK(request.stream || !request.include_usage);
}

inline void CheckError(const InvalidRequest& error) {
  const std::string body = RenderError({.message = error.what(), .param = error.field()});
  const auto json = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
  CHECK(json.is_object() && !json["error"]["message"].get<std::string>().empty(), body);
}

}  // namespace tandem
