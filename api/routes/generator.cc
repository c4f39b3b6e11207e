#include "api/routes/generator.h"

#include <algorithm>
#include <chrono>

#include "api/routes/answer_cache.h"
#include "api/routes/degraded_answer.h"
#include "api/routes/engine_errors.h"
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

[[noreturn]] void FailContext(int64_t max_context, const std::string& but, const char* field) {
  throw ApiFailure({.status = 400,
                    .message = "this model's maximum context length is " +
                               std::to_string(max_context) + " tokens, but " + but,
                    .param = field,
                    .code = "context_length_exceeded"});
}

}  // namespace

Generator::Generator(const ServedModel& model, ServerMetrics& metrics, Logger* prompt_log)
    : model_(model),
      metrics_(metrics),
      prompt_log_(prompt_log),
      max_prompt_bytes_(model.max_context * LongestTokenBytes(model.tokenizer)) {}

EncodedPrompt Generator::Encode(std::string_view text, SpecialTokens special,
                                const char* field) const {
  const auto size = static_cast<int64_t>(text.size());
  if (size > max_prompt_bytes_) {
    FailContext(model_.max_context,
                "the prompt's " + std::to_string(size) + " bytes are more than that in any case",
                field);
  }
  EncodedPrompt prompt{.ids = model_.tokenizer.Encode(text, special), .text = std::string(text)};
  if (prompt.ids.empty() && model_.tokenizer.bos_id()) {
    prompt.ids.push_back(*model_.tokenizer.bos_id());
  }
  if (prompt.ids.empty()) {
    throw InvalidRequest(field, "'" + std::string(field) + "' must have at least one token");
  }
  return prompt;
}

void Generator::Check(const GenerationRequest& ask, const std::vector<EncodedPrompt>& prompts,
                      const char* field) const {
  CheckModelName(model_, ask.model);
  Validate(ask.sampling, model_.vocab_size);
  for (const EncodedPrompt& prompt : prompts) {
    CheckLength(ask, static_cast<int64_t>(prompt.ids.size()), field);
  }
}

void Generator::CheckLength(const GenerationRequest& ask, int64_t num_prompt,
                            const char* field) const {
  // One token must fit, unless only the prompt is asked about.
  const int64_t least = std::min<int64_t>(ask.sampling.max_tokens, 1);
  const int64_t wanted = ask.max_tokens_given ? ask.sampling.max_tokens : least;
  const int64_t total = num_prompt + wanted;
  if (total <= model_.max_context) return;
  FailContext(model_.max_context,
              std::to_string(total) + " were asked for: " + std::to_string(num_prompt) +
                  " in the prompt, " + std::to_string(wanted) + " for the completion",
              field);
}

Reply Generator::Start(const Call& call, GenerationRequest ask, std::vector<EncodedPrompt> prompts,
                       std::unique_ptr<const AnswerFormat> format) {
  const uint64_t cache_salt = CombineSalt(call.tenant.salt, ask.cache_salt);
  auto permit = model_.breaker.Admit();
  if (!permit) return Refuse(ask, prompts, cache_salt, *format);
  if (prompt_log_ != nullptr) {
    for (const EncodedPrompt& prompt : prompts) {
      prompt_log_->Info(
          "prompt",
          {{"id", call.request.id}, {"tokens", prompt.ids.size()}, {"text", prompt.text}});
    }
  }
  CompletionTask task;
  task.cache_salt = cache_salt;
  task.trace_id = call.request.id;
  task.received = call.request.received;
  task.queue_wait = model_.queue_wait;
  task.seed = seeds_();
  task.first_id = next_id_;
  next_id_ += prompts.size() * static_cast<size_t>(ask.num_choices);
  task.ask = std::move(ask);
  task.prompts = std::move(prompts);
  task.format = std::move(format);
  auto run = std::make_unique<CompletionRun>(model_, metrics_, std::move(task), std::move(*permit));
  if (const auto error = run->Start(call.wake)) throw ApiFailure(*error);
  return run;
}

// With an answer to each prompt or an error.
HttpResponse Generator::Refuse(const GenerationRequest& ask,
                               const std::vector<EncodedPrompt>& prompts, uint64_t cache_salt,
                               const AnswerFormat& format) const {
  CircuitBreaker& breaker = model_.breaker;
  const AnswerCache* cache = AnswerCache::Takes(ask) ? model_.answer_cache : nullptr;
  std::vector<DegradedText> texts;
  for (const EncodedPrompt& prompt : prompts) {
    const CachedAnswer* cached = cache ? cache->Find(cache_salt, prompt.ids, ask) : nullptr;
    if (cached != nullptr) {
      texts.push_back({cached->text, cached->finish_reason});
    } else if (model_.degraded_answer) {
      texts.push_back({*model_.degraded_answer});
    } else {
      return ErrorResponse(ErrorOfBreaker(breaker));
    }
  }
  breaker.CountDegraded();
  return DegradedAnswer(texts, ask, format);
}

void CheckModelName(const ServedModel& model, std::string_view name) {
  if (name.empty() || model.Answers(name)) return;
  ApiError error =
      ErrorOfStatus(404, "the model '" + std::string(name.substr(0, 256)) +
                             "' does not exist; this server has '" + model.names.front() + "'");
  error.param = "model";
  error.code = "model_not_found";
  throw ApiFailure(std::move(error));
}

void CheckVocabulary(const ServedModel& model, TokenId id, const char* field) {
  if (id < model.vocab_size) return;
  throw InvalidRequest(field, "'" + std::string(field) + "' has the token id " +
                                  std::to_string(id) + "; the vocabulary ends at " +
                                  std::to_string(model.vocab_size - 1));
}

int64_t UnixNow() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

}  // namespace tandem
