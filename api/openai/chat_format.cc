#include "api/openai/chat_format.h"

#include "api/openai/json_text.h"
#include "api/openai/token_text.h"

namespace tandem {

namespace {

// "token":...,"logprob":...,"bytes":[...]
void AppendScored(const Tokenizer& tokenizer, const TokenLogprob& token, std::string& out) {
  out.append(R"("token":)");
  AppendJsonString(TokenLabel(tokenizer, token.id), out);
  out.append(R"(,"logprob":)");
  AppendJsonNumber(token.logprob, out);
  out.append(R"(,"bytes":[)");
  const std::string_view bytes = tokenizer.TokenBytes(token.id);
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i > 0) out.push_back(',');
    out.append(std::to_string(static_cast<unsigned char>(bytes[i])));
  }
  out.push_back(']');
}

void AppendEntry(const Tokenizer& tokenizer, const ReportedToken& entry, std::string& out) {
  out.push_back('{');
  AppendScored(tokenizer, {entry.id, entry.logprob.value_or(0.0f)}, out);
  out.append(R"(,"top_logprobs":[)");
  for (size_t i = 0; i < entry.top.size(); ++i) {
    out.append(i > 0 ? ",{" : "{");
    AppendScored(tokenizer, entry.top[i], out);
    out.push_back('}');
  }
  out.append("]}");
}

}  // namespace

ChatFormat::ChatFormat(const Tokenizer& tokenizer, std::string_view id, std::string_view model,
                       int64_t created)
    : tokenizer_(tokenizer),
      chunk_envelope_(AnswerEnvelope(id, "chat.completion.chunk", created, model)),
      whole_envelope_(AnswerEnvelope(id, "chat.completion", created, model)) {}

void ChatFormat::AppendLogprobs(const AnswerPart& part, std::string& out) const {
  out.append(R"(,"logprobs":)");
  if (!part.logprobs) {
    out.append("null");
    return;
  }
  out.append(R"({"content":[)");
  for (size_t i = 0; i < part.logprobs->size(); ++i) {
    if (i > 0) out.push_back(',');
    AppendEntry(tokenizer_, (*part.logprobs)[i], out);
  }
  out.append(R"(],"refusal":null})");
}

void ChatFormat::AppendChunk(const AnswerPart& part, ChunkUsage mode, const AnswerUsage& usage,
                             std::string& out) const {
  const auto begin = [&] {
    out.append(kEventData).append(chunk_envelope_);
    out.append(R"({"index":)").append(std::to_string(part.index)).append(R"(,"delta":)");
  };
  if (part.is_first) {
    begin();
    out.append(R"({"role":"assistant","content":""},"logprobs":null,"finish_reason":null})");
    AppendChunkEnd(mode, usage, out);
  }
  begin();
  // The end comes on its own: some clients lose a reason that stands beside text.
  if (part.text.empty() && !part.finish_reason.empty()) {
    out.append("{}");
  } else {
    out.append(R"({"content":)");
    AppendJsonString(part.text, out);
    out.push_back('}');
  }
  AppendLogprobs(part, out);
  out.append(R"(,"finish_reason":)");
  AppendFinishReason(part.finish_reason, out);
  out.push_back('}');
  AppendChunkEnd(mode, usage, out);
}

void ChatFormat::AppendUsageChunk(const AnswerUsage& usage, std::string& out) const {
  out.append(kEventData).append(chunk_envelope_);
  AppendChunkEnd(ChunkUsage::kAlways, usage, out);
}

std::string ChatFormat::Whole(std::span<const AnswerPart> choices, const AnswerUsage& usage) const {
  std::string out = whole_envelope_;
  for (size_t i = 0; i < choices.size(); ++i) {
    const AnswerPart& choice = choices[i];
    out.append(i > 0 ? R"(,{"index":)" : R"({"index":)").append(std::to_string(choice.index));
    out.append(R"(,"message":{"role":"assistant","content":)");
    AppendJsonString(choice.text, out);
    out.append(R"(,"refusal":null})");
    AppendLogprobs(choice, out);
    out.append(R"(,"finish_reason":)");
    AppendFinishReason(choice.finish_reason, out);
    out.push_back('}');
  }
  out.append(R"(],"usage":)");
  AppendUsage(usage, out);
  // Of the conversation, so once; as vLLM has it.
  if (!choices.empty() && choices.front().prompt_logprobs) {
    out.append(R"(,"prompt_logprobs":)");
    AppendPromptLogprobs(tokenizer_, *choices.front().prompt_logprobs, out);
  }
  out.push_back('}');
  return out;
}

}  // namespace tandem
