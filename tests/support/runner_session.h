#pragma once
// One sequence driven straight on a Runner, without a scheduler: chunks, then one token a step.

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "engine/runner.h"

namespace tandem {

struct SessionOptions {
  SamplingParams sampling{};
  int64_t max_new_tokens = 16;
  int64_t chunk = 1 << 30;  // tokens of the prompt in one step
  PageId first_page = 0;    // the session uses pages from here on
};

struct SessionResult {
  std::vector<TokenId> tokens;
  std::vector<float> logprobs;         // of the drawn tokens
  std::vector<float> prompt_logprobs;  // of prompt tokens 1.., when sampling.prompt_logprobs is set
};

inline SessionResult RunSession(Runner& runner, const std::vector<TokenId>& prompt,
                                const SessionOptions& options) {
  SessionResult session;
  std::vector<TokenId> history = prompt;
  const auto total = static_cast<int64_t>(prompt.size()) + options.max_new_tokens;
  history.reserve(static_cast<size_t>(total));
  std::vector<PageId> pages(static_cast<size_t>((total + 15) / 16));
  std::iota(pages.begin(), pages.end(), options.first_page);
  int64_t first = 0;
  StepResult result;
  while (static_cast<int64_t>(session.tokens.size()) < options.max_new_tokens) {
    const auto length = static_cast<int64_t>(history.size());
    const int64_t count =
        std::min({options.chunk, length - first, runner.limits().max_step_tokens});
    StepBatch batch;
    batch.sequences.push_back({.history = history,
                               .num_prompt = static_cast<int64_t>(prompt.size()),
                               .first = first,
                               .count = count,
                               .pages = pages,
                               .sampling = &options.sampling,
                               .sample = first + count == length,
                               .prompt_logprobs = options.sampling.prompt_logprobs.has_value()});
    runner.Run(batch, result);
    for (const ScoredToken& scored : result.sequences[0].prompt) {
      session.prompt_logprobs.push_back(scored.token.logprob);
    }
    first += count;
    if (const auto& sampled = result.sequences[0].sampled) {
      session.tokens.push_back(sampled->token.id);
      session.logprobs.push_back(sampled->token.logprob);
      history.push_back(sampled->token.id);
    }
  }
  return session;
}

}  // namespace tandem
