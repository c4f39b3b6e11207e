// The body of POST /v1/chat/completions: accepted within every limit and rendered by a template, or
// refused with an error whose own body is valid JSON.

#include <string>

#include "api/openai/chat_request.h"
#include "api/routes/chat_prompt.h"
#include "engine/text/chat_template.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/generation_checks.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  static const ChatTemplate chat_template(BuiltInChatMl(), "fuzz");
  try {
    const ChatRequest request = ParseChatRequest(AsText(data, size), {});
    Validate(request.sampling, kFuzzVocabSize);
    CheckGeneration(request);
    CHECK(IsValidUtf8(RenderConversation(chat_template, request.conversation)));
  } catch (const InvalidRequest& error) {
    CheckError(error);
  }
  return 0;
}
