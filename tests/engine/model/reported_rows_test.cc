// What ModelRunner reports of the rows of a mixed step: drawn tokens and prompt positions, with and
// without the best alternatives.

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "engine/model_runner.h"
#include "tests/support/random_model.h"

namespace tandem {
namespace {

// A sequence of one step, with pages of its own.
struct Asked {
  std::vector<TokenId> history;
  int64_t num_prompt = 0;
  SamplingParams sampling;
  std::vector<PageId> pages = {0, 1};

  Asked(int64_t length, TokenId first, PageId page) : num_prompt(length) {
    history.resize(static_cast<size_t>(length));
    std::iota(history.begin(), history.end(), first);
    std::iota(pages.begin(), pages.end(), page);
    sampling.temperature = 0.8f;
    sampling.seed = static_cast<uint64_t>(first);
  }
  SequenceStep Step() const {
    return {.history = history,
            .num_prompt = num_prompt,
            .first = 0,
            .count = num_prompt,
            .pages = pages,
            .sampling = &sampling,
            .sample = true,
            .prompt_logprobs = sampling.prompt_logprobs.has_value()};
  }
};

class ReportedRows : public testing::Test {
 protected:
  ReportedRows() {
    ThreadPool pool(1);
    Workspace workspace;
    Context context{.pool = pool, .workspace = workspace};
    const ModelConfig config = Stories260KConfig();
    runner_ = std::make_unique<ModelRunner>(
        config, RandomWeights(context, config, DType::kF32, 5),
        ModelRunnerOptions{.max_context = 64, .max_sequences = 8, .num_threads = 2});
  }

  StepResult Run(std::vector<const Asked*> asked) {
    StepBatch batch;
    for (const Asked* one : asked) batch.sequences.push_back(one->Step());
    StepResult result;
    runner_->Run(batch, result);
    return result;
  }

  std::unique_ptr<ModelRunner> runner_;
};

void ExpectSame(const ScoredToken& got, const ScoredToken& want) {
  EXPECT_EQ(got.token.id, want.token.id);
  EXPECT_EQ(got.token.logprob, want.token.logprob);
  ASSERT_EQ(got.top.size(), want.top.size());
  for (size_t i = 0; i < got.top.size(); ++i) {
    EXPECT_EQ(got.top[i].id, want.top[i].id);
    EXPECT_EQ(got.top[i].logprob, want.top[i].logprob);
  }
}

// The best of all have the token itself among them, descend, and sum to one.
TEST_F(ReportedRows, AllAlternativesAreTheDistribution) {
  Asked asked(9, 3, 0);
  const int64_t vocab = runner_->config().vocab_size;
  asked.sampling.logprobs = static_cast<int32_t>(vocab + 10);
  asked.sampling.prompt_logprobs = 2;
  const StepResult result = Run({&asked});
  const ScoredToken& drawn = *result.sequences[0].sampled;
  ASSERT_EQ(static_cast<int64_t>(drawn.top.size()), vocab);
  double sum = 0;
  for (size_t i = 0; i < drawn.top.size(); ++i) {
    sum += std::exp(static_cast<double>(drawn.top[i].logprob));
    if (i > 0) {
      EXPECT_GE(drawn.top[i - 1].logprob, drawn.top[i].logprob);
    }
    if (drawn.top[i].id == drawn.token.id) {
      EXPECT_EQ(drawn.top[i].logprob, drawn.token.logprob);
    }
  }
  EXPECT_NEAR(sum, 1.0, 1e-4);
  ASSERT_EQ(result.sequences[0].prompt.size(), 8u);
  for (size_t i = 0; i < 8; ++i) {
    const ScoredToken& scored = result.sequences[0].prompt[i];
    EXPECT_EQ(scored.token.id, asked.history[i + 1]);
    EXPECT_LT(scored.token.logprob, 0.0f);
    EXPECT_EQ(scored.top.size(), 2u);
  }
}

// Rows that draw, rows of prompts, and rows that want no, few or many alternatives, in one step and
// each in one of its own; more of them than go through the head at once.
TEST_F(ReportedRows, AreTheSameAloneAndInAMixedStep) {
  std::vector<Asked> asked;
  for (int i = 0; i < 6; ++i) asked.emplace_back(7 + 4 * i, 2 + i, 2 * i);
  asked[0].sampling.logprobs = 3;
  asked[1].sampling.prompt_logprobs = 5;
  asked[2].sampling.prompt_logprobs = 0;
  asked[3].sampling.logprobs = 0;
  asked[4].sampling.prompt_logprobs = 1;
  asked[4].sampling.logprobs = 20;
  asked[5].sampling.prompt_logprobs = 4;
  std::vector<const Asked*> all;
  for (const Asked& one : asked) all.push_back(&one);
  const StepResult mixed = Run(all);
  for (size_t i = 0; i < asked.size(); ++i) {
    SCOPED_TRACE("sequence " + std::to_string(i));
    const SequenceResult alone = Run({&asked[i]}).sequences[0];
    const SequenceResult& got = mixed.sequences[i];
    ExpectSame(*got.sampled, *alone.sampled);
    ASSERT_EQ(got.prompt.size(), alone.prompt.size());
    for (size_t j = 0; j < got.prompt.size(); ++j) ExpectSame(got.prompt[j], alone.prompt[j]);
  }
}

}  // namespace
}  // namespace tandem
