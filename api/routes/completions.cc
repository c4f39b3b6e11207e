#include "api/routes/completions.h"

#include <algorithm>

#include "kernels/core/error.h"

namespace tandem {

namespace {

int64_t LongestTokenBytes(const Tokenizer& tokenizer) {
  size_t longest = 1;
  for (TokenId id = 0; id < tokenizer.vocab_size(); ++id) {
    longest = std::max(longest, tokenizer.TokenBytes(id).size());
  }
  return static_cast<int64_t>(longest);
}

ApiError ContextExceeded(std::string message) {
  return {.status = 400,
          .message = std::move(message),
          .param = "prompt",
          .code = "context_length_exceeded"};
}

std::string MaximumContext(int64_t max_context) {
  return "this model's maximum context length is " + std::to_string(max_context) + " tokens";
}

// Special tokens are no text to continue: after bos alone a completion starts a text.
std::string TextOf(const Tokenizer& tokenizer, const std::vector<TokenId>& ids) {
  return tokenizer.Decode(ids, /*skip_special=*/true);
}

}  // namespace

std::optional<ApiError> CheckModelName(const ServedModel& model, std::string_view name) {
  if (name.empty() || model.Answers(name)) return std::nullopt;
  ApiError error =
      ErrorOfStatus(404, "the model '" + std::string(name.substr(0, 256)) +
                             "' does not exist; this server has '" + model.names.front() + "'");
  error.param = "model";
  error.code = "model_not_found";
  return error;
}

CompletionsRoute::CompletionsRoute(const ServedModel& model, ServerMetrics& metrics)
    : model_(model),
      metrics_(metrics),
      max_prompt_bytes_(model.max_context * LongestTokenBytes(model.tokenizer)) {}

Reply CompletionsRoute::operator()(Call& call) {
  CompletionRequest ask = ParseCompletionRequest(call.request.body, model_.defaults);
  call.request.body = std::string();
  if (const auto error = CheckModelName(model_, ask.model)) return ErrorResponse(*error);
  Validate(ask.sampling, model_.vocab_size);
  Encoded encoded = EncodePrompts(ask);
  if (const auto* error = std::get_if<ApiError>(&encoded)) return ErrorResponse(*error);

  CompletionTask task;
  task.prompts = std::move(std::get<std::vector<EncodedPrompt>>(encoded));
  task.cache_salt = CombineSalt(call.tenant.salt, ask.cache_salt);
  task.ask = std::move(ask);
  task.trace_id = call.request.id;
  task.received = call.request.received;
  task.seed = seeds_();
  task.first_id = next_id_;
  next_id_ += task.prompts.size() * static_cast<size_t>(task.ask.num_choices);
  auto run = std::make_unique<CompletionRun>(model_, metrics_, std::move(task));
  if (const auto error = run->Start(call.wake)) return ErrorResponse(*error);
  return run;
}

CompletionsRoute::Encoded CompletionsRoute::EncodePrompts(const CompletionRequest& ask) const {
  std::vector<EncodedPrompt> prompts;
  for (const CompletionPrompt& prompt : ask.prompts) {
    auto encoded = EncodePrompt(prompt);
    if (const auto* error = std::get_if<ApiError>(&encoded)) return *error;
    prompts.push_back(std::move(std::get<EncodedPrompt>(encoded)));
    const auto num_prompt = static_cast<int64_t>(prompts.back().ids.size());
    if (const auto error = CheckLength(ask, num_prompt)) return *error;
  }
  return prompts;
}

std::variant<EncodedPrompt, ApiError> CompletionsRoute::EncodePrompt(
    const CompletionPrompt& prompt) const {
  EncodedPrompt encoded;
  if (const auto* text = std::get_if<std::string>(&prompt)) {
    const auto size = static_cast<int64_t>(text->size());
    if (size > max_prompt_bytes_) {
      return ContextExceeded(MaximumContext(model_.max_context) + ", but the prompt's " +
                             std::to_string(size) + " bytes are more than that in any case");
    }
    encoded.ids = model_.tokenizer.Encode(*text, SpecialTokens::kAdd);
    if (encoded.ids.empty() && model_.tokenizer.bos_id()) {
      encoded.ids.push_back(*model_.tokenizer.bos_id());
    }
    encoded.text = *text;
  } else {
    encoded.ids = std::get<std::vector<TokenId>>(prompt);
    for (const TokenId id : encoded.ids) {
      if (id >= model_.vocab_size) {
        throw InvalidRequest("prompt", "'prompt' has the token id " + std::to_string(id) +
                                           "; the vocabulary ends at " +
                                           std::to_string(model_.vocab_size - 1));
      }
    }
    encoded.text = TextOf(model_.tokenizer, encoded.ids);
  }
  if (encoded.ids.empty()) throw InvalidRequest("prompt", "'prompt' must have at least one token");
  return encoded;
}

std::optional<ApiError> CompletionsRoute::CheckLength(const CompletionRequest& ask,
                                                      int64_t num_prompt) const {
  // One token must fit, unless only the prompt is asked about.
  const int64_t least = std::min<int64_t>(ask.sampling.max_tokens, 1);
  const int64_t wanted = ask.max_tokens_given ? ask.sampling.max_tokens : least;
  const int64_t total = num_prompt + wanted;
  if (total <= model_.max_context) return std::nullopt;
  return ContextExceeded(MaximumContext(model_.max_context) + ", but " + std::to_string(total) +
                         " were asked for: " + std::to_string(num_prompt) + " in the prompt, " +
                         std::to_string(wanted) + " for the completion");
}

}  // namespace tandem
