#include "api/openai/generation_request.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>

namespace tandem {

namespace {

constexpr int64_t kMaxInt32 = std::numeric_limits<int32_t>::max();

// Fields of this API, or of servers like this one, that change the answer and that are not
// supported: ignoring them would answer another question than the client asked.
constexpr const char* kUnsupported[] = {
    "tools",           "functions",         "function_call",          "grammar",
    "guided_json",     "guided_regex",      "guided_choice",          "guided_grammar",
    "json_schema",     "prompt_embeds",     "structured_outputs",     "bad_words",
    "use_beam_search", "logits_processors", "truncate_prompt_tokens", "allowed_token_ids"};

// false, "", [], {} and 0 ask for nothing.
bool AsksForNothing(const Json& value) {
  if (value.is_boolean()) return !value.get<bool>();
  if (value.is_number()) return value.get<double>() == 0.0;
  return value.is_string() ? value.get_ref<const std::string&>().empty() : value.empty();
}

// "none" and "auto" say nothing where there are no tools.
void CheckToolChoice(const RequestFields& fields) {
  const Json* value = fields.Find("tool_choice");
  if (value == nullptr || *value == Json("none") || *value == Json("auto")) return;
  fields.Fail("tool_choice", "is supported only as \"none\" or \"auto\", as tools are not");
}

void CheckResponseFormat(const RequestFields& fields) {
  const Json* format = fields.Object("response_format");
  if (format == nullptr || format->value("type", Json()) == Json("text")) return;
  fields.Fail("response_format", "supports only {\"type\": \"text\"}");
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
  if (stops.size() > GenerationRequest::kMaxStops) {
    fields.Fail("stop", "has " + std::to_string(stops.size()) + " strings; the limit is " +
                            std::to_string(GenerationRequest::kMaxStops));
  }
  for (const std::string& stop : stops) {
    if (stop.size() > GenerationRequest::kMaxStopBytes) {
      fields.Fail("stop", "has a string longer than " +
                              std::to_string(GenerationRequest::kMaxStopBytes) + " bytes");
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

void ReadEnd(const RequestFields& fields, GenerationRequest& request) {
  SamplingParams& sampling = request.sampling;
  sampling.min_tokens = fields.Integer("min_tokens", 0, kMaxInt32).value_or(0);
  sampling.ignore_eos = fields.Bool("ignore_eos").value_or(false);
  sampling.stop_token_ids = fields.TokenIds("stop_token_ids").value_or(std::vector<int32_t>());
  request.stop = ReadStops(fields);
  request.include_stop = fields.Bool("include_stop_str_in_output").value_or(false);
  request.skip_special_tokens = fields.Bool("skip_special_tokens").value_or(true);
}

void ReadStream(const RequestFields& fields, GenerationRequest& request) {
  request.stream = fields.Bool("stream").value_or(false);
  const Json* options = fields.Object("stream_options");
  if (options == nullptr) return;
  if (!request.stream) fields.Fail("stream_options", "is allowed only when 'stream' is true");
  const RequestFields inner(*options, "stream_options.");
  request.include_usage = inner.Bool("include_usage").value_or(false);
  const bool continuous = inner.Bool("continuous_usage_stats").value_or(false);
  request.continuous_usage = request.include_usage && continuous;
}

void ReadPromptLogprobs(const RequestFields& fields, GenerationRequest& request) {
  const auto count = fields.Integer("prompt_logprobs", 0, kMaxInt32);
  if (!count) return;
  if (request.stream) fields.Fail("prompt_logprobs", "is not available in a stream");
  request.prompt_logprobs = request.sampling.prompt_logprobs = static_cast<int32_t>(*count);
}

}  // namespace

void ReadGenerationFields(const RequestFields& fields, const GenerationConfig& defaults,
                          GenerationRequest& request) {
  RefuseUnsupported(fields, kUnsupported);
  CheckToolChoice(fields);
  CheckResponseFormat(fields);
  request.model = fields.String("model").value_or("");
  ReadSampling(fields, defaults, request.sampling);
  ReadEnd(fields, request);
  ReadStream(fields, request);
  ReadPromptLogprobs(fields, request);
  request.num_choices = fields.Integer("n", 1, GenerationRequest::kMaxChoices).value_or(1);
  if (const auto seed = fields.Integer("seed", std::numeric_limits<int64_t>::min(),
                                       std::numeric_limits<int64_t>::max())) {
    request.seed = static_cast<uint64_t>(*seed);
  }
  request.priority = static_cast<int32_t>(fields.Integer("priority", -1000, 1000).value_or(0));
  request.cache_salt = fields.String("cache_salt").value_or("");
  fields.String("user");  // known, and only checked for its type
}

std::optional<int64_t> ReadFirstInteger(const RequestFields& fields,
                                        std::span<const char* const> names, int64_t min) {
  std::optional<int64_t> first;
  for (const char* name : names) {
    const std::optional<int64_t> value = fields.Integer(name, min, kMaxInt32);
    if (!first) first = value;
  }
  return first;
}

void RefuseUnsupported(const RequestFields& fields, std::span<const char* const> names) {
  for (const char* name : names) {
    const Json* value = fields.Find(name);
    if (value != nullptr && !AsksForNothing(*value)) fields.Fail(name, "is not supported");
  }
}

}  // namespace tandem
