// Random requests, cancellations, failures and weights on small pools: every output is the pure
// function's, every request ends once, and the integrity of pages holds after each step.
#include <gtest/gtest.h>

#include <random>

#include "tests/scheduler/harness.h"

namespace tandem {
namespace {

constexpr uint64_t kNumRequests = 400;

class SchedulerFuzz : public ::testing::TestWithParam<uint32_t> {
 protected:
  std::mt19937 random{GetParam()};

  int64_t Draw(int64_t begin, int64_t end) {  // in [begin, end)
    return begin + static_cast<int64_t>(random() % static_cast<uint32_t>(end - begin));
  }
  bool Chance(int64_t one_in) { return Draw(0, one_in) == 0; }

  RunnerLimits DrawLimits() {
    const int64_t num_pages = Draw(6, 40);
    return {.num_pages = num_pages,
            .max_context = Draw(40, num_pages * 16 + 1),
            .max_step_tokens = Draw(4, 80),
            .max_sequences = Draw(1, 12),
            .vocab_size = 40};
  }

  // Few beginnings, so that prefixes meet often.
  Request DrawRequest(uint64_t id, const RunnerLimits& limits) {
    Request request{.id = RequestId{id}};
    const int64_t num_prompt = Draw(1, limits.max_context);
    const auto begin = static_cast<TokenId>(Draw(0, 3));
    for (int64_t i = 0; i < num_prompt; ++i) {
      request.prompt.push_back(static_cast<TokenId>((begin + i) % limits.vocab_size));
    }
    if (Chance(2)) request.prompt.back() = static_cast<TokenId>(Draw(0, limits.vocab_size));
    request.sampling.max_tokens =
        Draw(0, std::min<int64_t>(60, limits.max_context - num_prompt) + 1);
    request.sampling.seed = static_cast<uint64_t>(Draw(0, 3));
    request.sampling.min_tokens = Chance(3) ? Draw(0, 9) : 0;
    request.sampling.ignore_eos = Chance(3);
    if (Chance(2)) request.eos_ids = {static_cast<TokenId>(Draw(0, limits.vocab_size))};
    if (Chance(4))
      request.sampling.stop_token_ids = {static_cast<TokenId>(Draw(0, limits.vocab_size))};
    if (Chance(5)) request.sampling.prompt_logprobs = 0;
    request.priority = static_cast<int32_t>(Draw(0, 3));
    request.cache_salt = static_cast<uint64_t>(Draw(0, 2));
    return request;
  }

  void ExpectPromptScores(const Harness& harness, const Request& request, const Received& got) {
    const bool asked = request.sampling.prompt_logprobs.has_value();
    ASSERT_EQ(got.prompt.size(), asked ? request.prompt.size() - 1 : 0);
    for (size_t i = 0; i < got.prompt.size(); ++i) {
      ASSERT_EQ(got.prompt[i].token.id, request.prompt[i + 1]);
      ASSERT_EQ(got.prompt[i].token.logprob, harness.runner.PromptLogprob(request.prompt, i));
    }
  }
};

TEST_P(SchedulerFuzz, OutputsAreTheSameWhateverTheSchedule) {
  const RunnerLimits limits = DrawLimits();
  SchedulerConfig config{.max_sequences = Draw(1, 12),
                         .max_step_tokens = Draw(4, 80),
                         .max_prefill_chunk = Draw(1, 80),
                         .max_queued_requests = Chance(3) ? Draw(1, 20) : 1000,
                         .prefix_caching = !Chance(4),
                         .target_itl = std::chrono::milliseconds(Draw(0, 5)),
                         .priority_slowdown = Chance(2) ? 1.2 : 0.0};
  SCOPED_TRACE(testing::Message() << "pages " << limits.num_pages << ", context "
                                  << limits.max_context);
  Harness harness(limits, config);
  harness.time_per_token = std::chrono::microseconds(Draw(0, 300));
  uint64_t next_id = 1;
  int64_t num_idle_steps = 0;
  while (next_id <= kNumRequests || harness.scheduler.HasWork()) {
    while (next_id <= kNumRequests && Chance(3)) {
      Request request = DrawRequest(next_id, limits);
      if (Chance(10)) request.deadline = harness.now + std::chrono::milliseconds(Draw(0, 200));
      harness.Add(request);
      ++next_id;
    }
    if (next_id > 1 && Chance(20)) {
      harness.scheduler.Cancel(
          RequestId{static_cast<uint64_t>(Draw(1, static_cast<int64_t>(next_id)))},
          FinishReason::kCancelled);
    }
    if (Chance(200)) harness.runner.FailNext(1);
    if (!harness.Step() && ++num_idle_steps > 10000) break;
    ASSERT_EQ(harness.runner.violation(), "");
  }
  const EngineStats stats = harness.scheduler.stats();
  RecordProperty("preemptions", std::to_string(stats.preemptions));
  RecordProperty("cached_prompt_tokens", std::to_string(stats.cached_prompt_tokens));
  EXPECT_EQ(stats.finished + stats.cancelled + stats.failed, kNumRequests);
  EXPECT_EQ(stats.num_free_pages + stats.num_cached_pages, limits.num_pages);
  for (const auto& [id, request] : harness.requests) {
    const Received& got = harness.received.at(id);
    ASSERT_EQ(got.ends.size(), 1u);
    ASSERT_FALSE(got.after_end);
    const auto expected = harness.Expected(static_cast<uint64_t>(id));
    if (got.ends[0] == FinishReason::kStop || got.ends[0] == FinishReason::kLength) {
      ASSERT_EQ(got.Output(), expected) << static_cast<uint64_t>(id);
      ExpectPromptScores(harness, *request, got);
    } else {  // cut short, but right as far as it goes
      ASSERT_LE(got.tokens.size(), expected.size());
      ASSERT_TRUE(std::equal(got.tokens.begin(), got.tokens.end(), expected.begin()));
    }
  }
}

// The runner notices if K and V of earlier weights are used.
TEST_P(SchedulerFuzz, SurvivesChangesOfWeights) {
  const RunnerLimits limits = DrawLimits();
  Harness harness(limits, {});
  uint64_t next_id = 1;
  while (next_id <= 100 || harness.scheduler.HasWork()) {
    if (next_id <= 100 && Chance(3)) harness.Add(DrawRequest(next_id++, limits));
    if (Chance(15)) {
      harness.runner.SetWeights(random());
      harness.scheduler.WeightsChanged();
    }
    harness.Step();
    ASSERT_EQ(harness.runner.violation(), "");
  }
  EXPECT_EQ(harness.scheduler.stats().finished, 100u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, SchedulerFuzz, ::testing::Range(0u, 24u));

}  // namespace
}  // namespace tandem
