#pragma once
// What every streamed answer has around its chunks, whoever makes it.

#include <string_view>

#include "api/http/message.h"
#include "api/openai/answer_format.h"
#include "api/openai/generation_request.h"

namespace tandem {

inline constexpr std::string_view kStreamDone = "data: [DONE]\n\n";

// Of server-sent events that no proxy keeps back.
HttpResponse StreamHead();
ChunkUsage ChunkUsageOf(const GenerationRequest& ask);

}  // namespace tandem
