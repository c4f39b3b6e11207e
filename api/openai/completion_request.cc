#include "api/openai/completion_request.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>

#include "api/openai/request_fields.h"
#include "kernels/core/error.h"

namespace tandem {

namespace {

constexpr int64_t kMaxInt32 = std::numeric_limits<int32_t>::max();

// Fields of this API, or of servers like this one, that change the answer and that are not
// supported: ignoring them would answer another question than the client asked.
constexpr const char* kUnsupported[] = {"suffix",
                                        "tools",
                                        "tool_choice",
                                        "functions",
                                        "function_call",
                                        "grammar",
                                        "structured_outputs",
                                        "guided_json",
                                        "guided_regex",
                                        "guided_choice",
                                        "guided_grammar",
                                        "json_schema",
                                        "prompt_embeds",
                                        "bad_words",
                                        "allowed_token_ids",
                                        "use_beam_search",
                                        "logits_processors",
                                        "truncate_prompt_tokens",
                                        "return_token_ids",
                                        "prompt_logprobs"};

// false, "", [], {} and 0 ask for nothing.
bool AsksForNothing(const Json& value) {
  if (value.is_boolean()) return !value.get<bool>();
  if (value.is_number()) return value.get<double>() == 0.0;
  return value.is_string() ? value.get_ref<const std::string&>().empty() : value.empty();
}

void RefuseUnsupported(const RequestFields& fields) {
  for (const char* name : kUnsupported) {
    const Json* value = fields.Find(name);
    if (value != nullptr && !AsksForNothing(*value)) fields.Fail(name, "is not supported");
  }
  if (const Json* format = fields.Object("response_format")) {
    if (format->value("type", Json()) != Json("text")) {
      fields.Fail("response_format", "supports only {\"type\": \"text\"}");
    }
  }
}

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

std::vector<std::string> ReadStops(const RequestFields& fields) {
  const Json* value = fields.Find("stop");
  if (value == nullptr) return {};
  std::vector<std::string> stops;
  if (value->is_string()) {
    stops.push_back(value->get<std::string>());
  } else if (value->is_array()) {
    for (const Json& element : *value) {
      if (!element.is_string()) fields.Fail("stop", "must be a string or an array of strings");
      stops.push_back(element.get<std::string>());
    }
  } else {
    fields.Fail("stop", "must be a string or an array of strings");
  }
  if (stops.size() > CompletionRequest::kMaxStops) {
    fields.Fail("stop", "has " + std::to_string(stops.size()) + " strings; the limit is " +
                            std::to_string(CompletionRequest::kMaxStops));
  }
  for (const std::string& stop : stops) {
    if (stop.size() > CompletionRequest::kMaxStopBytes) {
      fields.Fail("stop", "has a string longer than " +
                              std::to_string(CompletionRequest::kMaxStopBytes) + " bytes");
    }
  }
  return stops;
}

std::vector<LogitBias> ReadLogitBias(const RequestFields& fields) {
  const Json* value = fields.Object("logit_bias");
  if (value == nullptr) return {};
  std::vector<LogitBias> biases;
  const RequestFields inner(*value, "logit_bias.");
  for (const auto& [key, bias] : value->items()) {
    int32_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size() || id < 0) {
      fields.Fail("logit_bias", "must map token ids to numbers");
    }
    const std::optional<float> number = inner.Number(key.c_str());
    if (number) biases.push_back({id, *number});
  }
  return biases;
}

// Types only: ranges are Validate's.
void ReadSampling(const RequestFields& fields, const GenerationConfig& defaults,
                  SamplingParams& sampling) {
  sampling.temperature = fields.Number("temperature").value_or(defaults.temperature.value_or(1.0f));
  sampling.top_p = fields.Number("top_p").value_or(defaults.top_p.value_or(1.0f));
  sampling.min_p = fields.Number("min_p").value_or(defaults.min_p.value_or(0.0f));
  const int64_t top_k = fields.Integer("top_k", -1, kMaxInt32).value_or(defaults.top_k.value_or(0));
  sampling.top_k = static_cast<int32_t>(std::max<int64_t>(top_k, 0));
  sampling.repetition_penalty =
      fields.Number("repetition_penalty").value_or(defaults.repetition_penalty.value_or(1.0f));
  sampling.frequency_penalty = fields.Number("frequency_penalty").value_or(0.0f);
  sampling.presence_penalty = fields.Number("presence_penalty").value_or(0.0f);
  sampling.logit_bias = ReadLogitBias(fields);
}

void ReadLength(const RequestFields& fields, CompletionRequest& request) {
  SamplingParams& sampling = request.sampling;
  // Newer clients send the name of the chat API here too.
  const auto max_tokens = fields.Integer("max_tokens", 0, kMaxInt32);
  const auto max_completion_tokens = fields.Integer("max_completion_tokens", 0, kMaxInt32);
  request.max_tokens_given = max_tokens || max_completion_tokens;
  sampling.max_tokens = max_completion_tokens.value_or(max_tokens.value_or(16));
  if (sampling.max_tokens == 0 && !request.echo) {
    fields.Fail("max_tokens", "must be at least 1 unless 'echo' is set");
  }
  sampling.min_tokens = fields.Integer("min_tokens", 0, kMaxInt32).value_or(0);
  sampling.ignore_eos = fields.Bool("ignore_eos").value_or(false);
  sampling.stop_token_ids = fields.TokenIds("stop_token_ids").value_or(std::vector<int32_t>());
}

void ReadChoices(const RequestFields& fields, CompletionRequest& request) {
  request.num_choices = fields.Integer("n", 1, CompletionRequest::kMaxChoices).value_or(1);
  const auto best_of = fields.Integer("best_of", 1, CompletionRequest::kMaxChoices);
  if (best_of && *best_of != request.num_choices) {
    fields.Fail("best_of", "is supported only when it equals 'n'");
  }
  const auto logprobs = fields.Integer("logprobs", 0, kMaxInt32);
  if (!logprobs) return;
  request.sampling.logprobs = static_cast<int32_t>(*logprobs);
  if (request.echo) request.sampling.prompt_logprobs = request.sampling.logprobs;
}

void ReadStream(const RequestFields& fields, CompletionRequest& request) {
  request.stream = fields.Bool("stream").value_or(false);
  const Json* options = fields.Object("stream_options");
  if (options == nullptr) return;
  if (!request.stream) fields.Fail("stream_options", "is allowed only when 'stream' is true");
  const RequestFields inner(*options, "stream_options.");
  request.include_usage = inner.Bool("include_usage").value_or(false);
  request.continuous_usage =
      request.include_usage && inner.Bool("continuous_usage_stats").value_or(false);
}

}  // namespace

CompletionRequest ParseCompletionRequest(std::string_view body, const GenerationConfig& defaults) {
  const Json json = ParseRequestObject(body);
  const RequestFields fields(json);
  RefuseUnsupported(fields);
  CompletionRequest request;
  request.model = fields.String("model").value_or("");
  request.prompts = ReadPrompts(fields);
  request.echo = fields.Bool("echo").value_or(false);
  ReadSampling(fields, defaults, request.sampling);
  ReadLength(fields, request);
  ReadChoices(fields, request);
  ReadStream(fields, request);
  if (const auto seed = fields.Integer("seed", std::numeric_limits<int64_t>::min(),
                                       std::numeric_limits<int64_t>::max())) {
    request.seed = static_cast<uint64_t>(*seed);
  }
  request.stop = ReadStops(fields);
  request.include_stop = fields.Bool("include_stop_str_in_output").value_or(false);
  request.skip_special_tokens = fields.Bool("skip_special_tokens").value_or(true);
  request.priority = static_cast<int32_t>(fields.Integer("priority", -1000, 1000).value_or(0));
  request.cache_salt = fields.String("cache_salt").value_or("");
  fields.String("user");  // known, and only checked for its type
  return request;
}

}  // namespace tandem
