#include "api/openai/completion_body.h"

#include "api/openai/json_text.h"

namespace tandem {

namespace {

constexpr std::string_view kData = "data: ";
constexpr std::string_view kEventEnd = "\n\n";

}  // namespace

void AppendUsage(const CompletionUsage& usage, std::string& out) {
  out.append(R"({"prompt_tokens":)").append(std::to_string(usage.prompt_tokens));
  out.append(R"(,"completion_tokens":)").append(std::to_string(usage.completion_tokens));
  out.append(R"(,"total_tokens":)");
  out.append(std::to_string(usage.prompt_tokens + usage.completion_tokens));
  out.append(R"(,"prompt_tokens_details":{"cached_tokens":)");
  out.append(std::to_string(usage.cached_tokens)).append("}}");
}

CompletionBody::CompletionBody(std::string_view id, std::string_view model, int64_t created) {
  envelope_ = R"({"id":)";
  AppendJsonString(id, envelope_);
  envelope_.append(R"(,"object":"text_completion","created":)").append(std::to_string(created));
  envelope_.append(R"(,"model":)");
  AppendJsonString(model, envelope_);
  envelope_.append(R"(,"choices":[)");
}

void CompletionBody::AppendChoice(const Choice& choice, std::string& out) {
  out.append(R"({"index":)").append(std::to_string(choice.index)).append(R"(,"text":)");
  AppendJsonString(choice.text, out);
  out.append(R"(,"logprobs":)");
  if (choice.logprobs) {
    AppendLegacyLogprobs(*choice.logprobs, out);
  } else {
    out.append("null");
  }
  out.append(R"(,"finish_reason":)");
  if (choice.finish_reason.empty()) {
    out.append("null}");
  } else {
    AppendJsonString(choice.finish_reason, out);
    out.push_back('}');
  }
}

void CompletionBody::AppendChunk(const Choice& choice, ChunkUsage mode,
                                 const CompletionUsage& usage, std::string& out) const {
  out.append(kData).append(envelope_);
  AppendChoice(choice, out);
  out.push_back(']');
  if (mode == ChunkUsage::kNull) out.append(R"(,"usage":null)");
  if (mode == ChunkUsage::kAlways) {
    out.append(R"(,"usage":)");
    AppendUsage(usage, out);
  }
  out.push_back('}');
  out.append(kEventEnd);
}

void CompletionBody::AppendUsageChunk(const CompletionUsage& usage, std::string& out) const {
  out.append(kData).append(envelope_).append(R"(],"usage":)");
  AppendUsage(usage, out);
  out.push_back('}');
  out.append(kEventEnd);
}

std::string CompletionBody::Whole(std::span<const Choice> choices,
                                  const CompletionUsage& usage) const {
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
