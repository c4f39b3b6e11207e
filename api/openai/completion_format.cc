#include "api/openai/completion_format.h"

#include "api/openai/json_text.h"
#include "api/openai/legacy_logprobs.h"
#include "api/openai/token_text.h"

namespace tandem {

CompletionFormat::CompletionFormat(const Tokenizer& tokenizer, std::string_view id,
                                   std::string_view model, int64_t created)
    : tokenizer_(tokenizer), envelope_(AnswerEnvelope(id, "text_completion", created, model)) {}

void CompletionFormat::AppendChoice(const AnswerPart& choice, std::string& out) const {
  out.append(R"({"index":)").append(std::to_string(choice.index)).append(R"(,"text":)");
  AppendJsonString(choice.text, out);
  out.append(R"(,"logprobs":)");
  if (choice.logprobs) {
    AppendLegacyLogprobs(tokenizer_, *choice.logprobs, out);
  } else {
    out.append("null");
  }
  out.append(R"(,"finish_reason":)");
  AppendFinishReason(choice.finish_reason, out);
  if (choice.prompt_logprobs) {
    out.append(R"(,"prompt_logprobs":)");
    AppendPromptLogprobs(tokenizer_, *choice.prompt_logprobs, out);
  }
  if (choice.token_ids) {
    out.append(R"(,"token_ids":)");
    AppendTokenIds(*choice.token_ids, out);
  }
  if (choice.prompt_token_ids) {
    out.append(R"(,"prompt_token_ids":)");
    AppendTokenIds(*choice.prompt_token_ids, out);
  }
  out.push_back('}');
}

void CompletionFormat::AppendChunk(const AnswerPart& part, ChunkUsage mode,
                                   const AnswerUsage& usage, std::string& out) const {
  out.append(kEventData).append(envelope_);
  AppendChoice(part, out);
  AppendChunkEnd(mode, usage, out);
}

void CompletionFormat::AppendUsageChunk(const AnswerUsage& usage, std::string& out) const {
  out.append(kEventData).append(envelope_);
  AppendChunkEnd(ChunkUsage::kAlways, usage, out);
}

std::string CompletionFormat::Whole(std::span<const AnswerPart> choices,
                                    const AnswerUsage& usage) const {
  std::string out = envelope_;
  for (size_t i = 0; i < choices.size(); ++i) {
    if (i > 0) out.push_back(',');
    AppendChoice(choices[i], out);
  }
  out.append(R"(],"usage":)");
  AppendUsage(usage, out);
  out.push_back('}');
  return out;
}

}  // namespace tandem
