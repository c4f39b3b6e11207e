#pragma once
// What the routes that generate text share: checks that a request fits the model, the ids and seeds
// of its engine requests, and the start of its run. On the I/O thread; outlives the runs it
// started.

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "api/openai/generation_request.h"
#include "api/routes/completion_run.h"
#include "api/routes/router.h"
#include "api/routes/served_model.h"
#include "engine/base/log.h"

namespace tandem {

class Generator {
 public:
  // All outlive it. `prompt_log`: where the beginning of every prompt is logged; null: nowhere.
  Generator(const ServedModel& model, ServerMetrics& metrics, Logger* prompt_log = nullptr);

  const ServedModel& model() const { return model_; }

  // The rest throw InvalidRequest and ApiFailure.

  // `field` is where the text came from, for errors. At least one token.
  EncodedPrompt Encode(std::string_view text, SpecialTokens special, const char* field) const;
  // Whether model, sampling and lengths are possible.
  void Check(const GenerationRequest& ask, const std::vector<EncodedPrompt>& prompts,
             const char* field) const;
  // After Check, so that a wrong request is told so in any state of the circuit breaker. `ask` is
  // moved into the run.
  Reply Start(const Call& call, GenerationRequest ask, std::vector<EncodedPrompt> prompts,
              std::unique_ptr<const AnswerFormat> format);

 private:
  // What the breaker does not let pass.
  HttpResponse Refuse(const GenerationRequest& ask, const std::vector<EncodedPrompt>& prompts,
                      uint64_t cache_salt, const AnswerFormat& format) const;
  void CheckLength(const GenerationRequest& ask, int64_t num_prompt, const char* field) const;

  const ServedModel& model_;
  ServerMetrics& metrics_;
  Logger* const prompt_log_;
  const int64_t max_prompt_bytes_;  // a longer text cannot fit the context, whatever its tokens
  std::mt19937_64 seeds_{std::random_device{}()};
  uint64_t next_id_ = 1;
};

// Throws 404 unless the name is served (or absent).
void CheckModelName(const ServedModel& model, std::string_view name);

// Throws InvalidRequest naming `field` unless the vocabulary has the id.
void CheckVocabulary(const ServedModel& model, TokenId id, const char* field);

// Seconds since 1970.
int64_t UnixNow();

}  // namespace tandem
