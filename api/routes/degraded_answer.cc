#include "api/routes/degraded_answer.h"

#include <vector>

#include "api/routes/event_stream.h"

namespace tandem {

namespace {

std::string Stream(const std::vector<AnswerPart>& choices, const GenerationRequest& ask,
                   const AnswerFormat& format) {
  const ChunkUsage mode = ChunkUsageOf(ask);
  const AnswerUsage none;
  std::string out;
  for (const AnswerPart& choice : choices) {
    AnswerPart text = choice;
    text.is_first = true;
    text.finish_reason = {};
    format.AppendChunk(text, mode, none, out);
    AnswerPart end = choice;
    end.text = {};
    format.AppendChunk(end, mode, none, out);
  }
  if (ask.include_usage) format.AppendUsageChunk(none, out);
  return out.append(kStreamDone);
}

}  // namespace

HttpResponse DegradedAnswer(const std::vector<DegradedText>& texts, const GenerationRequest& ask,
                            const AnswerFormat& format) {
  std::vector<AnswerPart> choices;
  for (const DegradedText& text : texts) {
    for (int64_t i = 0; i < ask.num_choices; ++i) {
      AnswerPart choice{.index = static_cast<int64_t>(choices.size()),
                        .text = text.text,
                        .finish_reason = text.finish_reason,
                        .degraded = true};
      if (ask.sampling.logprobs) choice.logprobs.emplace();
      choices.push_back(choice);
    }
  }
  HttpResponse response = ask.stream ? StreamHead() : HttpResponse{};
  response.body = ask.stream ? Stream(choices, ask, format) : format.Whole(choices, {});
  response.headers.push_back({kDegradedHeader, "1"});
  return response;
}

}  // namespace tandem
