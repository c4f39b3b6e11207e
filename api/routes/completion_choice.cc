#include "api/routes/completion_choice.h"

#include <algorithm>

#include "api/openai/token_text.h"

namespace tandem {

CompletionChoice::CompletionChoice(const Tokenizer& tokenizer, const GenerationRequest& ask,
                                   const std::vector<TokenId>& prompt,
                                   const std::string& prompt_text)
    : tokenizer_(tokenizer),
      with_logprobs_(ask.sampling.logprobs.has_value()),
      with_token_ids_(ask.return_token_ids),
      num_top_(static_cast<size_t>(ask.sampling.logprobs.value_or(0))),
      num_prompt_top_(ask.prompt_logprobs),
      include_stop_(ask.include_stop),
      detokenizer_(tokenizer, ask.skip_special_tokens),
      matcher_(ask.stop, ask.include_stop) {
  if (!prompt_text.empty()) detokenizer_.StartAfterText();
  if (!ask.echo) return;
  echo_ = prompt_text;
  echo_pending_ = true;
  decoded_characters_ = CountCharacters(prompt_text);
  if (with_logprobs_) AddPrompt(prompt);
}

// The entries of an echoed prompt; their log-probabilities come with the engine's events.
void CompletionChoice::AddPrompt(const std::vector<TokenId>& prompt) {
  Detokenizer detokenizer(tokenizer_);
  int64_t offset = 0;
  for (const TokenId id : prompt) {
    held_.push_back({.id = id, .text_offset = offset});
    offset += CountCharacters(detokenizer.Push(id));
  }
}

CompletionChoice::Delta CompletionChoice::Advance(const std::vector<TokenEvent>& events) {
  Delta delta;
  for (const TokenEvent& event : events) {
    if (finished()) break;
    num_cached_ = std::max(num_cached_, event.num_cached);
    if (!event.prompt.empty()) TakePromptLogprobs(event.prompt);
    if (event.token) TakeToken(*event.token, delta);
    if (event.finish && !finished()) TakeFinish(event, delta);
  }
  if (with_logprobs_) ReleaseLogprobs(delta);
  return delta;
}

void CompletionChoice::TakePromptLogprobs(const std::vector<ScoredToken>& scored) {
  for (const ScoredToken& token : scored) {
    if (num_prompt_top_) {
      ScoredToken& kept = prompt_logprobs_.emplace_back(token);
      const auto limit = static_cast<size_t>(*num_prompt_top_);
      if (kept.top.size() > limit) kept.top.resize(limit);
    }
    if (next_prompt_entry_ >= held_.size()) continue;
    ReportedToken& entry = held_[next_prompt_entry_++];
    entry = Report(token, entry.text_offset);
  }
}

ReportedToken CompletionChoice::Report(const ScoredToken& scored, int64_t offset) const {
  ReportedToken entry{.id = scored.token.id,
                      .logprob = scored.token.logprob,
                      .top = scored.top,
                      .text_offset = offset};
  // The prompt's may have more, for prompt_logprobs.
  if (entry.top.size() > num_top_) entry.top.resize(num_top_);
  return entry;
}

void CompletionChoice::TakeToken(const ScoredToken& token, Delta& delta) {
  ++num_generated_;
  if (with_token_ids_) delta.token_ids.push_back(token.token.id);
  if (with_logprobs_) {
    held_.push_back(Report(token, decoded_characters_));
  }
  Match(detokenizer_.Push(token.token.id), delta);
}

void CompletionChoice::TakeFinish(const TokenEvent& event, Delta& delta) {
  if (event.stop_token) {
    ++num_generated_;
    if (with_token_ids_) delta.token_ids.push_back(*event.stop_token);
    if (include_stop_) Match(detokenizer_.Push(*event.stop_token), delta);
  }
  Match(detokenizer_.Finish(), delta);
  if (finished()) return;  // the last characters completed a stop string
  Emit(matcher_.Finish(), delta);
  stopped_by_string_ = matcher_.stopped();  // a match that waited for a longer one
  reason_ = stopped_by_string_ ? FinishReason::kStop : *event.finish;
  message_ = event.message;
}

void CompletionChoice::Match(const std::string& text, Delta& delta) {
  if (finished()) return;
  if (with_logprobs_) decoded_characters_ += CountCharacters(text);
  const StopMatcher::Step step = matcher_.Push(text);
  Emit(step.text, delta);
  if (!step.stopped) return;
  stopped_by_string_ = true;
  reason_ = FinishReason::kStop;
}

void CompletionChoice::Emit(std::string_view text, Delta& delta) {
  if (echo_pending_) {
    echo_pending_ = false;
    delta.text.append(echo_);
    if (with_logprobs_) emitted_characters_ += CountCharacters(echo_);
    echo_ = std::string();
  }
  delta.text.append(text);
  if (with_logprobs_) emitted_characters_ += CountCharacters(text);
}

// A token's entry goes out with the first of its text; what a stop string cut off is dropped, and
// at any other end everything goes out.
void CompletionChoice::ReleaseLogprobs(Delta& delta) {
  size_t count = 0;
  const bool all = finished() && !stopped_by_string_;
  while (count < held_.size() && (all || held_[count].text_offset < emitted_characters_)) ++count;
  const auto end = held_.begin() + static_cast<std::ptrdiff_t>(count);
  delta.logprobs.assign(std::move_iterator(held_.begin()), std::move_iterator(end));
  held_.erase(held_.begin(), end);
}

}  // namespace tandem
