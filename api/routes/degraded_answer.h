#pragma once
// What a client gets from a server whose engine fails, where the operator wants it to get something
// (--degraded-answer): one fixed text in the form of the route that was asked.

#include <cstdint>
#include <string_view>

#include "api/http/message.h"
#include "api/openai/answer_format.h"
#include "api/openai/generation_request.h"

namespace tandem {

// Sent with each of these answers, as "1". The body of OpenAI's forms has no place to say it.
inline constexpr char kDegradedHeader[] = "X-Tandem-Degraded";

// 200, streamed or whole as `ask` says: `text` as each choice of each prompt, ended by "stop", with
// no tokens in the usage and no log-probabilities. `text` is valid UTF-8.
HttpResponse DegradedAnswer(std::string_view text, const GenerationRequest& ask,
                            int64_t num_prompts, const AnswerFormat& format);

}  // namespace tandem
