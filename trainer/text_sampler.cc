#include "trainer/text_sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "engine/text/detokenizer.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

constexpr int64_t kStepTokens = 64;  // of a prompt at once

}  // namespace

TextSampler::TextSampler(Runner& runner, const Tokenizer& tokenizer, TextSamplerOptions options)
    : runner_(runner), tokenizer_(tokenizer), options_(std::move(options)) {}

std::string TextSampler::Continue(const std::vector<TokenId>& prompt) {
  const RunnerLimits& limits = runner_.limits();
  const int64_t room = std::min(limits.max_context, limits.num_pages * limits.page_tokens);
  const auto num_prompt = std::ssize(prompt);
  if (num_prompt == 0) throw ConfigError("the sample's prompt has no token; give some text");
  if (num_prompt >= room) {
    throw ConfigError(
        fmt::format("the sample's prompt has {} tokens; the limit is {}", num_prompt, room - 1));
  }
  const SamplingParams params{.temperature = options_.temperature,
                              .seed = options_.seed,
                              .max_tokens = options_.max_tokens};
  std::vector<PageId> pages(static_cast<size_t>(limits.num_pages));
  std::iota(pages.begin(), pages.end(), 0);
  std::vector<TokenId> history = prompt;
  const int64_t longest = std::min(num_prompt + options_.max_tokens, room);
  Detokenizer detokenizer(tokenizer_);
  detokenizer.StartAfterText();
  std::string text;
  StepResult result;
  for (int64_t first = 0; std::ssize(history) < longest;) {
    const int64_t count =
        std::min({std::ssize(history) - first, kStepTokens, limits.max_step_tokens});
    const bool is_whole = first + count == std::ssize(history);
    runner_.Run({.sequences = {{.history = history,
                                .num_prompt = num_prompt,
                                .first = first,
                                .count = count,
                                .pages = pages,
                                .sampling = &params,
                                .eos_ids = options_.eos_ids,
                                .sample = is_whole}}},
                result);
    first += count;
    if (!is_whole) continue;
    const TokenId id = result.sequences.front().sampled->token.id;
    if (id < 0) return text + " (the logits are not finite)";
    if (std::ranges::find(options_.eos_ids, id) != options_.eos_ids.end()) break;
    history.push_back(id);
    text += detokenizer.Push(id);
  }
  return text + detokenizer.Finish();
}

std::unique_ptr<ModelRunner> MakeSamplingRunner(const ModelConfig& config, ModelWeights weights,
                                                Device device, int64_t max_context,
                                                int num_threads) {
  ModelRunnerOptions options{.device = device,
                             .dtype = weights.dtype,
                             .kv_dtype = std::nullopt,
                             .max_context = max_context,
                             .kv_bytes = std::numeric_limits<int64_t>::max(),
                             .max_sequences = 1,
                             .max_step_tokens = kStepTokens,
                             .num_threads = num_threads,
                             .rope_scaling = {}};
  return std::make_unique<ModelRunner>(config, std::move(weights), options);
}

}  // namespace tandem
