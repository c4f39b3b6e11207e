#include "api/routes/generate.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "api/openai/json_text.h"
#include "api/openai/token_text.h"
#include "kernels/core/error.h"

namespace tandem {

namespace {

using Clock = std::chrono::steady_clock;

// {"request_id":...,"text":...,"tokens":...,"latency_ms":...}, and "degraded":true where it is
class GenerateFormat : public AnswerFormat {
 public:
  GenerateFormat(std::string request_id, Clock::time_point received)
      : request_id_(std::move(request_id)), received_(received) {}

  // ParseGenerateRequest lets no stream through.
  void AppendChunk(const AnswerPart&, ChunkUsage, const AnswerUsage&, std::string&) const override {
  }
  void AppendUsageChunk(const AnswerUsage&, std::string&) const override {}

  std::string Whole(std::span<const AnswerPart> choices, const AnswerUsage& usage) const override {
    const std::chrono::duration<float, std::milli> latency = Clock::now() - received_;
    std::string out = R"({"request_id":)";
    AppendJsonString(request_id_, out);
    out.append(R"(,"text":)");
    AppendJsonString(choices.front().text, out);
    out.append(R"(,"tokens":)").append(std::to_string(usage.completion_tokens));
    out.append(R"(,"latency_ms":)");
    AppendJsonNumber(latency.count(), out);
    if (choices.front().degraded) out.append(R"(,"degraded":true)");
    out.push_back('}');
    return out;
  }

  // A full queue is 503 here.
  ApiError Told(ApiError error) const override {
    if (error.status != 429) return error;
    ApiError told = ErrorOfStatus(503, "Server overloaded: " + error.message);
    told.retry_after_seconds = error.retry_after_seconds;
    return told;
  }

 private:
  const std::string request_id_;
  const Clock::time_point received_;
};

constexpr const char* kUnsupported[] = {"stream", "logprobs", "prompt_logprobs", "echo",
                                        "return_token_ids"};
constexpr const char* kLengthNames[] = {"max_new_tokens"};

struct GenerateRequest : GenerationRequest {
  std::string prompt;
};

GenerateRequest ParseGenerateRequest(std::string_view body, GenerationConfig defaults) {
  const Json json = ParseRequestObject(body);
  const RequestFields fields(json);
  RefuseUnsupported(fields, kUnsupported);
  defaults.temperature = 0.8f;
  defaults.top_p = 0.9f;
  GenerateRequest request;
  ReadGenerationFields(fields, defaults, request);
  if (request.num_choices != 1) fields.Fail("n", "must be 1");
  const auto length = ReadFirstInteger(fields, kLengthNames, 1);
  request.max_tokens_given = length.has_value();
  request.sampling.max_tokens = length.value_or(100);
  const auto prompt = fields.String("prompt");
  if (!prompt) fields.Fail("prompt", "is missing");
  const int64_t size = CountCharacters(*prompt);
  if (size > GenerateRoute::kMaxPromptCharacters) {
    fields.Fail("prompt", "has " + std::to_string(size) + " characters; the limit here is " +
                              std::to_string(GenerateRoute::kMaxPromptCharacters) +
                              " (/v1/completions takes longer ones)");
  }
  request.prompt = *prompt;
  return request;
}

}  // namespace

Reply GenerateRoute::operator()(Call& call) {
  const ServedModel& model = generator_.model();
  GenerateRequest ask = ParseGenerateRequest(call.request.body, model.defaults);
  std::vector<EncodedPrompt> prompts{generator_.Encode(ask.prompt, SpecialTokens::kAdd, "prompt")};
  generator_.Check(ask, prompts, "prompt");
  auto format = std::make_unique<GenerateFormat>(call.request.id, call.request.received);
  return generator_.Start(call, std::move(ask), std::move(prompts), std::move(format));
}

}  // namespace tandem
