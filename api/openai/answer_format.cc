#include "api/openai/answer_format.h"

#include "api/openai/json_text.h"
#include "api/openai/token_text.h"

namespace tandem {

namespace {

// rank 0: not known
void AppendPromptAlternative(const Tokenizer& tokenizer, const TokenLogprob& token, size_t rank,
                             std::string& out) {
  if (out.back() != '{') out.push_back(',');
  out.append("\"").append(std::to_string(token.id)).append(R"(":{"logprob":)");
  AppendJsonNumber(token.logprob, out);
  out.append(R"(,"rank":)").append(rank == 0 ? "null" : std::to_string(rank));
  out.append(R"(,"decoded_token":)");
  AppendJsonString(TokenLabel(tokenizer, token.id), out);
  out.push_back('}');
}

}  // namespace

std::string AnswerEnvelope(std::string_view id, std::string_view object, int64_t created,
                           std::string_view model) {
  std::string envelope = R"({"id":)";
  AppendJsonString(id, envelope);
  envelope.append(R"(,"object":)");
  AppendJsonString(object, envelope);
  envelope.append(R"(,"created":)").append(std::to_string(created));
  envelope.append(R"(,"model":)");
  AppendJsonString(model, envelope);
  envelope.append(R"(,"choices":[)");
  return envelope;
}

void AppendUsage(const AnswerUsage& usage, std::string& out) {
  out.append(R"({"prompt_tokens":)").append(std::to_string(usage.prompt_tokens));
  out.append(R"(,"completion_tokens":)").append(std::to_string(usage.completion_tokens));
  out.append(R"(,"total_tokens":)");
  out.append(std::to_string(usage.prompt_tokens + usage.completion_tokens));
  out.append(R"(,"prompt_tokens_details":{"cached_tokens":)");
  out.append(std::to_string(usage.cached_tokens)).append("}}");
}

void AppendChunkEnd(ChunkUsage mode, const AnswerUsage& usage, std::string& out) {
  out.push_back(']');
  if (mode == ChunkUsage::kNull) out.append(R"(,"usage":null)");
  if (mode == ChunkUsage::kAlways) {
    out.append(R"(,"usage":)");
    AppendUsage(usage, out);
  }
  out.append("}\n\n");
}

void AppendFinishReason(std::string_view reason, std::string& out) {
  if (reason.empty()) {
    out.append("null");
  } else {
    AppendJsonString(reason, out);
  }
}

void AppendPromptLogprobs(const Tokenizer& tokenizer, std::span<const ScoredToken> tokens,
                          std::string& out) {
  out.append("[null");
  for (const ScoredToken& scored : tokens) {
    out.append(",{");
    size_t rank = 0;
    for (size_t i = 0; i < scored.top.size(); ++i) {
      if (scored.top[i].id == scored.token.id) rank = i + 1;
    }
    AppendPromptAlternative(tokenizer, scored.token, rank, out);
    for (size_t i = 0; i < scored.top.size(); ++i) {
      if (i + 1 != rank) AppendPromptAlternative(tokenizer, scored.top[i], i + 1, out);
    }
    out.push_back('}');
  }
  out.push_back(']');
}

}  // namespace tandem
