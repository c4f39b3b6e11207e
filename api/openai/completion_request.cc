#include "api/openai/completion_request.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace tandem {

namespace {

constexpr const char* kUnsupported[] = {"suffix"};
// Newer clients send the name of the chat API here too.
constexpr const char* kLengthNames[] = {"max_completion_tokens", "max_tokens"};
constexpr const char* kLogprobsNames[] = {"logprobs"};

std::vector<TokenId> ReadIds(const RequestFields& fields, const Json& array) {
  std::vector<TokenId> ids;
  ids.reserve(array.size());
  for (const Json& element : array) {
    const std::optional<int32_t> id = AsTokenId(element);
    if (!id) fields.Fail("prompt", "must be a string, token ids, or an array of either");
    ids.push_back(*id);
  }
  return ids;
}

CompletionPrompt ReadPrompt(const RequestFields& fields, const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_array()) return ReadIds(fields, value);
  fields.Fail("prompt", "must be a string, token ids, or an array of either");
}

std::vector<CompletionPrompt> ReadPrompts(const RequestFields& fields) {
  const Json* value = fields.Find("prompt");
  if (value == nullptr) fields.Fail("prompt", "is missing");
  const bool is_list = value->is_array() && !value->empty() && !value->front().is_number();
  if (!is_list) return {ReadPrompt(fields, *value)};
  if (value->size() > CompletionRequest::kMaxPrompts) {
    fields.Fail("prompt", "has " + std::to_string(value->size()) + " prompts; the limit is " +
                              std::to_string(CompletionRequest::kMaxPrompts));
  }
  std::vector<CompletionPrompt> prompts;
  for (const Json& element : *value) prompts.push_back(ReadPrompt(fields, element));
  return prompts;
}

void ReadLength(const RequestFields& fields, CompletionRequest& request) {
  const auto given = ReadFirstInteger(fields, kLengthNames, 0);
  request.max_tokens_given = given.has_value();
  request.sampling.max_tokens = given.value_or(16);
  if (request.sampling.max_tokens == 0 && !request.echo && !request.prompt_logprobs) {
    fields.Fail("max_tokens", "must be at least 1 unless 'echo' or 'prompt_logprobs' is set");
  }
}

void ReadLogprobs(const RequestFields& fields, CompletionRequest& request) {
  SamplingParams& sampling = request.sampling;
  const auto logprobs = ReadFirstInteger(fields, kLogprobsNames, 0);
  if (!logprobs) return;
  sampling.logprobs = static_cast<int32_t>(*logprobs);
  if (!request.echo) return;
  sampling.prompt_logprobs = std::max(*sampling.logprobs, request.prompt_logprobs.value_or(0));
}

}  // namespace

CompletionRequest ParseCompletionRequest(std::string_view body, const GenerationConfig& defaults) {
  const Json json = ParseRequestObject(body);
  const RequestFields fields(json);
  RefuseUnsupported(fields, kUnsupported);
  CompletionRequest request;
  request.prompts = ReadPrompts(fields);
  request.echo = fields.Bool("echo").value_or(false);
  request.return_token_ids = fields.Bool("return_token_ids").value_or(false);
  ReadGenerationFields(fields, defaults, request);
  ReadLength(fields, request);
  ReadLogprobs(fields, request);
  const auto best_of = fields.Integer("best_of", 1, GenerationRequest::kMaxChoices);
  if (best_of && *best_of != request.num_choices) {
    fields.Fail("best_of", "is supported only when it equals 'n'");
  }
  return request;
}

}  // namespace tandem
