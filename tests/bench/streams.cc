#include "tests/bench/streams.h"

#include <algorithm>
#include <numeric>

#include "kernels/core/check.h"

namespace tandem {

Streams::Streams(Runner& runner, int64_t count, int64_t prompt_tokens, int64_t total_tokens)
    : runner_(runner), histories_(static_cast<size_t>(count)), pages_(histories_.size()) {
  sampling_.temperature = 0;
  const int64_t page_tokens = runner.limits().page_tokens;
  const int64_t pages = (total_tokens + page_tokens - 1) / page_tokens;
  CHECK(pages * count <= runner.limits().num_pages, pages, count, runner.limits().num_pages);
  for (size_t stream = 0; stream < histories_.size(); ++stream) {
    histories_[stream].reserve(static_cast<size_t>(total_tokens));
    for (int64_t i = 0; i < prompt_tokens; ++i) {
      histories_[stream].push_back(static_cast<TokenId>(
          (i * 7919 + static_cast<int64_t>(stream) * 104729 + 3) % runner.limits().vocab_size));
    }
    pages_[stream].resize(static_cast<size_t>(pages));
    std::iota(pages_[stream].begin(), pages_[stream].end(),
              static_cast<PageId>(static_cast<int64_t>(stream) * pages));
  }
}

void Streams::Prefill() {
  const RunnerLimits& limits = runner_.limits();
  int64_t room = 0;  // of the step that is being filled
  for (size_t stream = 0; stream < histories_.size(); ++stream) {
    const auto length = static_cast<int64_t>(histories_[stream].size());
    for (int64_t first = 0; first < length;) {
      if (room == 0) room = limits.max_step_tokens;
      const int64_t count = std::min(room, length - first);
      batch_.sequences.push_back(Step(stream, first, count));
      streams_.push_back(stream);
      first += count;
      room -= count;
      const bool is_full =
          room == 0 || static_cast<int64_t>(streams_.size()) == limits.max_sequences;
      const bool is_last = first == length && stream + 1 == histories_.size();
      if (!is_full && !is_last) continue;
      Run();
      room = 0;
    }
  }
}

void Streams::Decode(int64_t num_steps) {
  for (int64_t step = 0; step < num_steps; ++step) {
    for (size_t stream = 0; stream < histories_.size(); ++stream) {
      const auto last = static_cast<int64_t>(histories_[stream].size()) - 1;
      batch_.sequences.push_back(Step(stream, last, 1));
      streams_.push_back(stream);
    }
    Run();
  }
}

SequenceStep Streams::Step(size_t stream, int64_t first, int64_t count) const {
  const std::vector<TokenId>& history = histories_[stream];
  return {.history = history,
          .num_prompt = static_cast<int64_t>(history.size()),
          .first = first,
          .count = count,
          .pages = pages_[stream],
          .sampling = &sampling_,
          .sample = first + count == static_cast<int64_t>(history.size())};
}

void Streams::Run() {
  runner_.Run(batch_, result_);
  for (size_t i = 0; i < result_.sequences.size(); ++i) {
    if (!result_.sequences[i].sampled) continue;
    histories_[streams_[i]].push_back(result_.sequences[i].sampled->token.id);
  }
  batch_.sequences.clear();
  streams_.clear();
}

}  // namespace tandem
