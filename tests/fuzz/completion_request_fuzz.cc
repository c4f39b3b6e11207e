// The body of POST /v1/completions: accepted within every limit, or refused with an error whose own
// body is valid JSON.

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <variant>

#include "api/openai/completion_request.h"
#include "api/openai/error.h"
#include "engine/text/unicode.h"
#include "tests/fuzz/fuzz_target.h"

namespace tandem {
namespace {

constexpr int64_t kVocabSize = 300;

void CheckPrompts(const CompletionRequest& request) {
  CHECK(!request.prompts.empty() && request.prompts.size() <= CompletionRequest::kMaxPrompts);
  for (const CompletionPrompt& prompt : request.prompts) {
    if (const auto* text = std::get_if<std::string>(&prompt)) CHECK(IsValidUtf8(*text));
    if (const auto* ids = std::get_if<std::vector<TokenId>>(&prompt)) {
      for (const TokenId id : *ids) CHECK(id >= 0, id);
    }
  }
}

void CheckSampling(const SamplingParams& sampling) {
  for (const float value :
       {sampling.temperature, sampling.top_p, sampling.min_p, sampling.repetition_penalty,
        sampling.frequency_penalty, sampling.presence_penalty}) {
    CHECK(std::isfinite(value), value);
  }
  CHECK(sampling.top_k >= 0 && sampling.min_tokens <= sampling.max_tokens);
  for (const LogitBias& bias : sampling.logit_bias) {
    CHECK(bias.id >= 0 && bias.id < kVocabSize && std::isfinite(bias.bias), bias.id);
  }
  for (const int32_t id : sampling.stop_token_ids) CHECK(id >= 0 && id < kVocabSize, id);
}

void CheckRequest(const CompletionRequest& request) {
  CheckPrompts(request);
  CheckSampling(request.sampling);
  CHECK(request.num_choices >= 1 && request.num_choices <= CompletionRequest::kMaxChoices);
  CHECK(request.stop.size() <= CompletionRequest::kMaxStops);
  for (const std::string& stop : request.stop) {
    CHECK(stop.size() <= CompletionRequest::kMaxStopBytes && IsValidUtf8(stop));
  }
  CHECK(request.stream || !request.include_usage);
}

void CheckError(const InvalidRequest& error) {
  const std::string body = RenderError({.message = error.what(), .param = error.field()});
  const auto json = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
  CHECK(json.is_object() && !json["error"]["message"].get<std::string>().empty(), body);
}

}  // namespace
}  // namespace tandem

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  try {
    const CompletionRequest request = ParseCompletionRequest(AsText(data, size), {});
    Validate(request.sampling, kVocabSize);
    CheckRequest(request);
  } catch (const InvalidRequest& error) {
    CheckError(error);
  }
  return 0;
}
