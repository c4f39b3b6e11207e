#include "trainer/evaluation/sequence_scorer.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/base/printable.h"
#include "kernels/core/check.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

constexpr int64_t kMaxSequences = 256;

int64_t PagesOf(int64_t num_tokens) {
  return (num_tokens + KvLayout::kPageTokens - 1) / KvLayout::kPageTokens;
}

// The last token of a sequence is only predicted.
int64_t ComputedTokens(const std::vector<TokenId>& sequence) { return std::ssize(sequence) - 1; }

int64_t PageBytes(const ModelConfig& config) {
  // Of the widest cache; a narrower one has room for more.
  return KvLayout{.num_layers = config.num_layers,
                  .num_kv_heads = config.num_kv_heads,
                  .head_dim = config.head_dim,
                  .dtype = DType::kF32}
      .page_bytes();
}

std::unique_ptr<ModelRunner> LoadRunner(const std::filesystem::path& directory,
                                        const ScorerOptions& options) {
  ModelConfig config = ReadModelConfig(directory);
  if (!options.rope_scaling.empty()) ApplyRopeScaling(options.rope_scaling, config);
  // One sequence of the whole context, or a step of many short ones. Untouched pages take nothing.
  const int64_t num_pages =
      std::max(PagesOf(config.max_context()), PagesOf(options.max_step_tokens) + kMaxSequences);
  return ModelRunner::Load(directory,
                           {.device = options.device,
                            .dtype = options.dtype,
                            .kv_bytes = num_pages * PageBytes(config),
                            .max_sequences = std::min(kMaxSequences, options.max_step_tokens),
                            .max_step_tokens = options.max_step_tokens,
                            .num_threads = static_cast<int>(options.threads),
                            .rope_scaling = options.rope_scaling});
}

}  // namespace

SequenceScorer::SequenceScorer(const std::filesystem::path& directory, const ScorerOptions& options)
    : where_(directory.string()), runner_(LoadRunner(directory, options)) {
  sampling_.prompt_logprobs = 0;
  pages_.resize(static_cast<size_t>(runner_->limits().num_pages));
  std::iota(pages_.begin(), pages_.end(), 0);
}

std::vector<std::vector<float>> SequenceScorer::Score(
    std::span<const std::vector<TokenId>> sequences) {
  std::vector<std::vector<float>> logprobs(sequences.size());
  for (size_t begin = 0; begin < sequences.size();) {
    std::vector<Cursor> group = TakeGroup(sequences, begin);
    begin += group.size();
    for (size_t first = 0; first < group.size();) {
      RunStep(sequences, std::span(group).subspan(first), logprobs);
      while (first < group.size() &&
             group[first].done == ComputedTokens(sequences[group[first].sequence])) {
        ++first;
      }
    }
  }
  return logprobs;
}

std::vector<SequenceScorer::Cursor> SequenceScorer::TakeGroup(
    std::span<const std::vector<TokenId>> sequences, size_t begin) {
  std::vector<Cursor> group;
  size_t num_pages = 0;
  for (size_t s = begin; s < sequences.size(); ++s) {
    const std::vector<TokenId>& sequence = sequences[s];
    CHECK(sequence.size() >= 2 && std::ssize(sequence) <= max_context(), sequence.size());
    const auto needed = static_cast<size_t>(PagesOf(ComputedTokens(sequence)));
    if (num_pages + needed > pages_.size()) break;
    group.push_back({.sequence = s, .first_page = num_pages});
    num_pages += needed;
  }
  CHECK(!group.empty());
  return group;
}

// One forward pass over what is left of the first sequences of `group`.
void SequenceScorer::RunStep(std::span<const std::vector<TokenId>> sequences,
                             std::span<Cursor> group, std::vector<std::vector<float>>& logprobs) {
  const RunnerLimits& limits = runner_->limits();
  batch_.sequences.clear();
  int64_t room = limits.max_step_tokens;
  for (Cursor& cursor : group) {
    if (room == 0 || std::ssize(batch_.sequences) == limits.max_sequences) break;
    const std::vector<TokenId>& sequence = sequences[cursor.sequence];
    const int64_t count = std::min(room, ComputedTokens(sequence) - cursor.done);
    batch_.sequences.push_back(
        {.history = sequence,
         .num_prompt = std::ssize(sequence),
         .first = cursor.done,
         .count = count,
         .pages = std::span(pages_).subspan(cursor.first_page,
                                            static_cast<size_t>(PagesOf(ComputedTokens(sequence)))),
         .sampling = &sampling_,
         .prompt_logprobs = true});
    cursor.done += count;
    room -= count;
  }
  runner_->Run(batch_, result_);
  for (size_t i = 0; i < batch_.sequences.size(); ++i) {
    std::vector<float>& target = logprobs[group[i].sequence];
    for (const ScoredToken& scored : result_.sequences[i].prompt) {
      if (!std::isfinite(scored.token.logprob)) {
        throw FormatError(Quoted(where_) + " gives logits that are not finite in " +
                          std::string(Name(runner_->options().dtype)) +
                          "; try --dtype f32, or evaluate a checkpoint from before");
      }
      target.push_back(scored.token.logprob);
    }
  }
}

}  // namespace tandem
