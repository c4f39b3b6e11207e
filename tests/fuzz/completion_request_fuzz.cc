// The body of POST /v1/completions: accepted within every limit, or refused with an error whose own
// body is valid JSON.

#include <string>
#include <variant>

#include "api/openai/completion_request.h"
#include "engine/text/unicode.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/generation_checks.h"

namespace tandem {
namespace {

void CheckPrompts(const CompletionRequest& request) {
  CHECK(!request.prompts.empty() && request.prompts.size() <= CompletionRequest::kMaxPrompts);
  for (const CompletionPrompt& prompt : request.prompts) {
    if (const auto* text = std::get_if<std::string>(&prompt)) CHECK(IsValidUtf8(*text));
    if (const auto* ids = std::get_if<std::vector<TokenId>>(&prompt)) {
      for (const TokenId id : *ids) CHECK(id >= 0, id);
    }
  }
}

}  // namespace
}  // namespace tandem

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  try {
    const CompletionRequest request = ParseCompletionRequest(AsText(data, size), {});
    Validate(request.sampling, kFuzzVocabSize);
    CheckPrompts(request);
    CheckGeneration(request);
  } catch (const InvalidRequest& error) {
    CheckError(error);
  }
  return 0;
}
