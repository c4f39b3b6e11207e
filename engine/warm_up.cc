#include "engine/warm_up.h"

#include <algorithm>
#include <vector>

namespace tandem {
namespace {

class WarmUpSteps {
 public:
  explicit WarmUpSteps(ModelRunner& runner) : runner_(runner) {}

  // So many sequences, each with so many tokens of a prompt, of which the last draws.
  void Run(int64_t num_sequences, int64_t num_tokens) {
    const RunnerLimits& limits = runner_.limits();
    const std::vector<TokenId> history(static_cast<size_t>(num_tokens), 0);
    const auto num_pages =
        static_cast<size_t>((num_tokens + limits.page_tokens - 1) / limits.page_tokens);
    std::vector<PageId> pages(num_pages);
    for (size_t i = 0; i < num_pages; ++i) {
      pages[i] = static_cast<PageId>(static_cast<int64_t>(i) % limits.num_pages);
    }
    // They share the pages: what comes out means nothing.
    batch_.sequences.assign(static_cast<size_t>(num_sequences), {.history = history,
                                                                 .num_prompt = num_tokens,
                                                                 .count = num_tokens,
                                                                 .pages = pages,
                                                                 .sampling = &sampling_,
                                                                 .sample = true});
    runner_.Run(batch_, result_);
  }

 private:
  ModelRunner& runner_;
  const SamplingParams sampling_{.temperature = 0.8f, .top_p = 0.9f};
  StepBatch batch_;
  StepResult result_;
};

}  // namespace

void WarmUp(ModelRunner& runner) {
  if (!runner.records_steps()) return;
  const RunnerLimits& limits = runner.limits();
  WarmUpSteps steps(runner);
  const int64_t room = limits.num_pages * limits.page_tokens;
  const int64_t longest = std::min({limits.max_step_tokens, limits.max_context, room});
  const int64_t each = std::clamp<int64_t>(limits.max_step_tokens / limits.max_sequences, 1, room);
  steps.Run(1, longest);
  steps.Run(limits.max_sequences, std::min(each, longest));
  // The largest first: recordings are dropped when scratch memory grows.
  std::vector<int64_t> sizes = PaddedSizes(limits.max_sequences);
  std::reverse(sizes.begin(), sizes.end());
  for (int launched = 0; launched < 2; ++launched) {  // the second time is recorded
    for (const int64_t size : sizes) steps.Run(size, 1);
  }
}

}  // namespace tandem
