#pragma once
// One engine request's tokens on their way to a client: whole UTF-8 characters, stop strings held
// back, log-probabilities with the text they belong to. Knows no HTTP. Used on the I/O thread.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/openai/answer_format.h"
#include "api/openai/generation_request.h"
#include "engine/text/detokenizer.h"
#include "engine/text/stop_matcher.h"
#include "scheduler/request.h"

namespace tandem {

class CompletionChoice {
 public:
  // The tokenizer outlives this. `prompt` is read only here.
  CompletionChoice(const Tokenizer& tokenizer, const GenerationRequest& ask,
                   const std::vector<TokenId>& prompt, const std::string& prompt_text);

  struct Delta {
    std::string text;
    std::vector<ReportedToken> logprobs;
    std::vector<TokenId> token_ids;  // all that came, also where their text is held back
  };
  // What these events made ready. After finished(), nothing more.
  Delta Advance(const std::vector<TokenEvent>& events);

  // Of the prompt's tokens from the second on, where asked for by prompt_logprobs.
  const std::vector<ScoredToken>& prompt_logprobs() const { return prompt_logprobs_; }

  bool finished() const { return reason_.has_value(); }
  // A stop string was found: the engine still runs and must be told.
  bool stopped_by_string() const { return stopped_by_string_; }
  FinishReason reason() const { return *reason_; }
  const std::string& message() const { return message_; }   // of kFailed
  int64_t num_generated() const { return num_generated_; }  // with the token that ended it
  int64_t num_cached() const { return num_cached_; }

 private:
  void AddPrompt(const std::vector<TokenId>& prompt);
  void TakePromptLogprobs(const std::vector<ScoredToken>& scored);
  ReportedToken Report(const ScoredToken& scored, int64_t offset) const;
  void TakeToken(const ScoredToken& token, Delta& delta);
  void TakeFinish(const TokenEvent& event, Delta& delta);
  void Match(const std::string& text, Delta& delta);
  void Emit(std::string_view text, Delta& delta);
  void ReleaseLogprobs(Delta& delta);

  const Tokenizer& tokenizer_;
  const bool with_logprobs_;
  const bool with_token_ids_;
  const size_t num_top_;  // alternatives of each entry
  const std::optional<int32_t> num_prompt_top_;
  const bool include_stop_;
  Detokenizer detokenizer_;
  StopMatcher matcher_;
  std::string echo_;  // the prompt's text, until it is emitted
  bool echo_pending_ = false;
  std::vector<ReportedToken> held_;  // of text that is not emitted yet
  std::vector<ScoredToken> prompt_logprobs_;
  size_t next_prompt_entry_ = 1;    // of held_, the next that prompt log-probabilities fill
  int64_t decoded_characters_ = 0;  // of text that came out of the detokenizer, and the echo
  int64_t emitted_characters_ = 0;
  int64_t num_generated_ = 0;
  int64_t num_cached_ = 0;
  bool stopped_by_string_ = false;
  std::optional<FinishReason> reason_;
  std::string message_;
};

}  // namespace tandem
