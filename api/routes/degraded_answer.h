#pragma once
// What a client gets from a server whose engine fails, where the operator wants it to get something
// (--degraded-answer, --degraded-cache): a text in the form of the route that was asked.

#include <string_view>
#include <vector>

#include "api/http/message.h"
#include "api/openai/answer_format.h"
#include "api/openai/generation_request.h"

namespace tandem {

// Sent with each of these answers, as "1". The body of OpenAI's forms has no place to say it.
inline constexpr char kDegradedHeader[] = "X-Tandem-Degraded";

// Of one prompt; borrows both.
struct DegradedText {
  std::string_view text;  // valid UTF-8
  std::string_view finish_reason = "stop";
};

// 200, streamed or whole as `ask` says: the text of its prompt as each choice, with no tokens in
// the usage and no log-probabilities.
HttpResponse DegradedAnswer(const std::vector<DegradedText>& texts, const GenerationRequest& ask,
                            const AnswerFormat& format);

}  // namespace tandem
