// What one sees of the scheduler step by step: outputs, ends, the prefix cache, failures.
#include "scheduler/scheduler.h"

#include <gtest/gtest.h>

#include "kernels/core/error.h"
#include "tests/scheduler/harness.h"

namespace tandem {
namespace {

TEST(Scheduler, DrawsTheFirstTokenInTheStepThatEndsThePrompt) {
  Harness harness;
  harness.Add(MakeRequest(1, 20, 3));
  ASSERT_TRUE(harness.Step());
  EXPECT_EQ(harness.Got(1).tokens.size(), 1u);
  EXPECT_EQ(harness.RunAll(), 2);
  harness.ExpectComplete(1);
}

TEST(Scheduler, CutsALongPromptIntoChunks) {
  Harness harness;
  harness.Add(MakeRequest(1, 100, 1));
  EXPECT_EQ(harness.RunAll(), 4);  // 32 + 32 + 32 + 4
  harness.ExpectComplete(1);
}

TEST(Scheduler, OutputsDoNotDependOnWhoElseRuns) {
  Harness harness;
  for (uint64_t id = 1; id <= 20; ++id) {
    harness.Add(MakeRequest(id, 1 + static_cast<int64_t>(id * 7 % 50), 30));
    harness.Step();
  }
  harness.RunAll();
  for (uint64_t id = 1; id <= 20; ++id) harness.ExpectComplete(id);
  EXPECT_EQ(harness.scheduler.stats().finished, 20u);
  EXPECT_EQ(harness.scheduler.stats().generated_tokens, 600u);
}

TEST(Scheduler, EndsAtAnEndToken) {
  Harness harness;
  Request request = MakeRequest(1, 10, 20);
  const auto output = harness.runner.ExpectedOutput(request.prompt, request.sampling, {});
  request.eos_ids = {output[4]};
  harness.Add(request);
  harness.RunAll();
  harness.ExpectComplete(1);
  EXPECT_EQ(harness.Got(1).tokens.size(), 4u);
  EXPECT_EQ(harness.Got(1).ends[0], FinishReason::kStop);
  EXPECT_EQ(harness.Got(1).stop_token, output[4]);
  EXPECT_EQ(harness.scheduler.stats().generated_tokens, 5u);
}

TEST(Scheduler, IgnoresTheEndTokenWhenAskedToButNotAStopToken) {
  Harness harness;
  Request request = MakeRequest(1, 10, 20);
  const auto output = harness.runner.ExpectedOutput(request.prompt, request.sampling, {});
  request.eos_ids = {output[4]};
  request.sampling.ignore_eos = true;
  request.sampling.stop_token_ids = {output[9]};
  harness.Add(request);
  harness.RunAll();
  EXPECT_EQ(harness.Got(1).tokens.size(), 9u);
  EXPECT_EQ(harness.Got(1).stop_token, output[9]);
}

TEST(Scheduler, DoesNotEndBeforeMinTokens) {
  Harness harness;
  Request request = MakeRequest(1, 10, 20);
  const auto output = harness.runner.ExpectedOutput(request.prompt, request.sampling, {});
  request.eos_ids = {output[0]};
  request.sampling.min_tokens = 6;
  harness.Add(request);
  harness.RunAll();
  EXPECT_GE(harness.Got(1).tokens.size(), 6u);
  harness.ExpectComplete(1);
}

TEST(Scheduler, OnlyEvaluatesThePromptWhenMaxTokensIsZero) {
  Harness harness;
  Request request = MakeRequest(1, 70, 0);
  request.sampling.prompt_logprobs = 0;
  harness.Add(request);
  harness.RunAll();
  const Received& got = harness.Got(1);
  EXPECT_TRUE(got.tokens.empty());
  ASSERT_EQ(got.prompt.size(), 69u);
  for (size_t i = 0; i < got.prompt.size(); ++i) {
    EXPECT_EQ(got.prompt[i].token.id, request.prompt[i + 1]);
    EXPECT_EQ(got.prompt[i].token.logprob, harness.runner.PromptLogprob(request.prompt, i));
  }
  EXPECT_EQ(got.ends, std::vector{FinishReason::kLength});
}

TEST(Scheduler, FillsTheContextToTheLastToken) {
  RunnerLimits limits = SmallLimits();
  limits.max_context = 32;
  limits.num_pages = 2;
  Harness harness(limits);
  harness.Add(MakeRequest(1, 16, 16));
  harness.RunAll();
  harness.ExpectComplete(1);
}

TEST(Scheduler, FailsOnlyTheSequenceWhoseLogitsAreNotFinite) {
  Harness harness;
  Request bad = MakeRequest(1, 40, 5);
  bad.prompt[3] = 999;
  harness.runner.SetPoison(999);
  harness.Add(bad);
  harness.Add(MakeRequest(2, 20, 5));
  harness.RunAll();
  EXPECT_EQ(harness.Got(1).ends, std::vector{FinishReason::kFailed});
  EXPECT_NE(harness.Got(1).message.find("not finite"), std::string::npos);
  harness.ExpectComplete(2);
}

TEST(Scheduler, FailsTheSequencesOfAFailedStepAndNoOthers) {
  Harness harness;
  for (uint64_t id = 1; id <= 12; ++id) harness.Add(MakeRequest(id, 20, 5));
  harness.Step();
  harness.runner.FailNext(1);
  harness.Step();
  const auto failed = static_cast<uint64_t>(harness.last_batch_size);
  EXPECT_EQ(harness.scheduler.stats().failed, failed);
  harness.RunAll();
  EXPECT_EQ(harness.scheduler.stats().finished, 12 - failed);
  for (uint64_t id = 1; id <= 12; ++id) {
    ASSERT_EQ(harness.Got(id).ends.size(), 1u);
    if (harness.Got(id).ends[0] != FinishReason::kFailed) harness.ExpectComplete(id);
    EXPECT_EQ(harness.Got(id).message.find("0x"), std::string::npos);
  }
}

TEST(Scheduler, TakesAPrefixFromTheCacheButNeverTheLastToken) {
  Harness harness;
  Request first = MakeRequest(1, 64, 2);
  harness.Add(first);
  harness.RunAll();
  Request second = first;
  second.id = RequestId{2};
  harness.Add(second);
  harness.Step();
  EXPECT_EQ(harness.Got(2).num_cached, 48);  // 63 tokens may be reused: three full pages
  harness.RunAll();
  harness.ExpectComplete(2);
  EXPECT_EQ(harness.scheduler.stats().cached_prompt_tokens, 48u);
  EXPECT_EQ(harness.scheduler.stats().prompt_tokens, 128u);
}

TEST(Scheduler, CachesTheOutputForTheNextTurn) {
  Harness harness;
  harness.Add(MakeRequest(1, 20, 30));
  harness.RunAll();
  Request next = MakeRequest(2, 1, 1);
  next.prompt = harness.requests.at(RequestId{1})->prompt;
  next.prompt.insert(next.prompt.end(), harness.Got(1).tokens.begin(), harness.Got(1).tokens.end());
  harness.Add(next);
  harness.RunAll();
  EXPECT_EQ(harness.Got(2).num_cached, 48);  // 49 of the 50 were computed
  harness.ExpectComplete(2);
}

TEST(Scheduler, SharesNoPrefixBetweenTenants) {
  Harness harness;
  Request mine = MakeRequest(1, 64, 1);
  mine.cache_salt = 1;
  Request theirs = mine;
  theirs.id = RequestId{2};
  theirs.cache_salt = 2;
  harness.Add(mine);
  harness.RunAll();
  harness.Add(theirs);
  harness.RunAll();
  EXPECT_EQ(harness.Got(2).num_cached, 0);
}

TEST(Scheduler, SharesNothingWhenCachingIsOff) {
  SchedulerConfig config = SmallConfig();
  config.prefix_caching = false;
  Harness harness(SmallLimits(), config);
  Request request = MakeRequest(1, 64, 1);
  harness.Add(request);
  harness.RunAll();
  request.id = RequestId{2};
  harness.Add(request);
  harness.RunAll();
  EXPECT_EQ(harness.Got(2).num_cached, 0);
  EXPECT_EQ(harness.scheduler.stats().num_free_pages, 64);
}

TEST(Scheduler, ComputesPromptLogprobsInFullAndSharesTheirPages) {
  Harness harness;
  Request request = MakeRequest(1, 64, 1);
  harness.Add(request);
  harness.RunAll();
  request.id = RequestId{2};
  request.sampling.prompt_logprobs = 0;
  harness.Add(request);
  harness.RunAll();
  EXPECT_EQ(harness.Got(2).num_cached, 0);
  EXPECT_EQ(harness.Got(2).prompt.size(), 63u);
  EXPECT_EQ(harness.scheduler.stats().num_cached_pages, 4);  // the same four pages
}

// n choices of one prompt arrive together: the prompt is computed once.
TEST(Scheduler, ComputesAPrefixOnceForSequencesThatArriveTogether) {
  Harness harness;
  for (uint64_t id = 1; id <= 6; ++id) {
    Request request = MakeRequest(1, 100, 4);
    request.id = RequestId{id};
    request.sampling.seed = id;
    harness.Add(request);
  }
  harness.RunAll();
  for (uint64_t id = 1; id <= 6; ++id) harness.ExpectComplete(id);
  EXPECT_EQ(harness.scheduler.stats().cached_prompt_tokens, 5u * 96u);
}

TEST(Scheduler, RecomputesWithTheWeightsThatItHas) {
  Harness harness;
  harness.Add(MakeRequest(1, 40, 20));
  Request scored = MakeRequest(2, 200, 2);
  scored.sampling.prompt_logprobs = 0;
  harness.Add(scored);
  harness.Step();
  harness.Step();
  const std::vector<TokenId> before = harness.Got(1).tokens;
  ASSERT_EQ(before.size(), 1u);
  harness.runner.SetWeights(2);
  harness.scheduler.WeightsChanged();
  harness.RunAll();  // stale K and V would be noticed by the runner
  EXPECT_EQ(harness.Got(1).tokens.size(), 20u);
  EXPECT_GT(harness.scheduler.stats().recomputed_tokens, 0u);
  ASSERT_EQ(harness.Got(2).prompt.size(), 199u);
  for (size_t i = 0; i < 199; ++i) {
    EXPECT_EQ(harness.Got(2).prompt[i].token.logprob,
              harness.runner.PromptLogprob(scored.prompt, i));
  }
  Request again = MakeRequest(1, 40, 20);
  again.id = RequestId{3};
  harness.Add(again);
  harness.RunAll();
  harness.ExpectComplete(3);
}

TEST(Scheduler, CancelsInEveryPhase) {
  RunnerLimits limits = SmallLimits();
  limits.num_pages = 12;
  Harness harness(limits);
  harness.Add(MakeRequest(1, 96, 60));  // prefills for three steps
  harness.Add(MakeRequest(2, 90, 10));  // queued: the pool is too small for both
  harness.Step();
  harness.scheduler.Cancel(RequestId{2}, FinishReason::kCancelled);
  harness.Deliver();
  EXPECT_EQ(harness.Got(2).ends, std::vector{FinishReason::kCancelled});
  EXPECT_TRUE(harness.Got(1).tokens.empty());
  harness.scheduler.Cancel(RequestId{1}, FinishReason::kCancelled);  // prefilling
  harness.Deliver();
  EXPECT_EQ(harness.Got(1).ends, std::vector{FinishReason::kCancelled});
  harness.scheduler.CheckIntegrity();

  harness.Add(MakeRequest(3, 10, 50));
  harness.Step();
  harness.Step();
  EXPECT_EQ(harness.Got(3).tokens.size(), 2u);
  harness.scheduler.Cancel(RequestId{3}, FinishReason::kCancelled);  // decoding
  harness.Deliver();
  EXPECT_EQ(harness.Got(3).ends, std::vector{FinishReason::kCancelled});

  harness.Add(MakeRequest(4, 60, 100));
  harness.Add(MakeRequest(5, 60, 100));
  while (harness.scheduler.stats().preemptions == 0) ASSERT_TRUE(harness.Step());
  harness.scheduler.Cancel(RequestId{5}, FinishReason::kCancelled);  // preempted
  harness.Deliver();
  EXPECT_EQ(harness.Got(5).ends, std::vector{FinishReason::kCancelled});
  harness.RunAll();
  harness.ExpectComplete(4);
  harness.scheduler.Cancel(RequestId{4}, FinishReason::kCancelled);  // over: ignored
  harness.Deliver();
  const EngineStats stats = harness.scheduler.stats();
  EXPECT_EQ(stats.num_free_pages + stats.num_cached_pages, 12);
  EXPECT_EQ(stats.cancelled, 4u);
}

TEST(Scheduler, EndsWhatMissesItsDeadlineQueuedOrRunning) {
  RunnerLimits limits = SmallLimits();
  limits.num_pages = 12;
  Harness harness(limits);
  Request running = MakeRequest(1, 96, 60);
  running.deadline = harness.now + std::chrono::milliseconds(10);
  Request queued = MakeRequest(2, 96, 10);
  queued.deadline = harness.now + std::chrono::milliseconds(4);
  Request patient = MakeRequest(3, 10, 40);
  patient.deadline = harness.now + std::chrono::hours(1);
  harness.Add(running);
  harness.Add(queued);
  harness.Add(patient);
  harness.RunAll();
  EXPECT_EQ(harness.Got(1).ends, std::vector{FinishReason::kDeadline});
  EXPECT_FALSE(harness.Got(1).tokens.empty());
  EXPECT_EQ(harness.Got(2).ends, std::vector{FinishReason::kDeadline});
  EXPECT_TRUE(harness.Got(2).tokens.empty());
  harness.ExpectComplete(3);
}

TEST(Scheduler, CountsWhatLeavesTheQueueOnce) {
  Harness harness;
  harness.Add(MakeRequest(1, 20, 2));
  harness.Add(MakeRequest(2, 30, 2));
  harness.scheduler.Cancel(RequestId{2}, FinishReason::kCancelled);
  harness.RunAll();
  const Departures departures = harness.scheduler.TakeDepartures();
  ASSERT_EQ(departures.size(), 2u);
  EXPECT_EQ(departures[0].num_tokens, 30) << "the cancelled one left first";
  EXPECT_EQ(departures[1].num_tokens, 20);
  EXPECT_TRUE(harness.scheduler.TakeDepartures().empty());
}

TEST(Scheduler, TellsEveryRequestWhenItIsAbandoned) {
  Harness harness;
  for (uint64_t id = 1; id <= 12; ++id) harness.Add(MakeRequest(id, 20, 5));
  harness.Step();
  harness.scheduler.Abandon();
  harness.Deliver();
  for (uint64_t id = 1; id <= 12; ++id) {
    EXPECT_EQ(harness.Got(id).ends, std::vector{FinishReason::kFailed});
  }
  EXPECT_FALSE(harness.scheduler.HasWork());
  EXPECT_EQ(harness.scheduler.TakeDepartures().size(), 12u);
}

// Where the queue is over its bounds, the last of the less urgent ones make room; never a preempted
// one, which ran already, and never one as urgent as the newcomer.
TEST(Scheduler, GivesThePlacesOfTheLeastUrgentToAMoreUrgentRequest) {
  SchedulerConfig config = SmallConfig();
  config.max_sequences = 1;
  config.max_queued_requests = 3;
  Harness harness(SmallLimits(), config);
  const auto add = [&harness](uint64_t id, int32_t priority) {
    Request request = MakeRequest(id, 20, 3);
    request.priority = priority;
    harness.Add(request);
  };
  add(1, 5);
  harness.Step();  // runs
  add(2, 5);
  add(3, 9);
  add(4, 9);
  add(5, 5);  // one too many: 4 came last
  add(6, 5);  // 3
  add(7, 5);  // nobody is less urgent: whoever let it in has to know
  add(8, 1);  // 7, and 6, since there were already too many
  harness.RunAll();
  for (const uint64_t id : {3, 4, 6, 7}) {
    EXPECT_EQ(harness.Got(id).ends, std::vector{FinishReason::kDisplaced}) << id;
    EXPECT_TRUE(harness.Got(id).tokens.empty());
  }
  for (const uint64_t id : {1, 2, 5, 8}) harness.ExpectComplete(id);
  EXPECT_EQ(harness.scheduler.stats().cancelled, 4u);
  EXPECT_EQ(harness.scheduler.TakeDepartures().size(), 8u);
}

TEST(Scheduler, GivesUpTokensOfTheQueueToo) {
  SchedulerConfig config = SmallConfig();
  config.max_queued_tokens = 100;
  Harness harness(SmallLimits(), config);
  Request low = MakeRequest(1, 60, 1);
  low.priority = 1;
  harness.Add(low);
  harness.Add(MakeRequest(2, 200, 1));  // alone it may be as long as it likes
  harness.RunAll();
  EXPECT_EQ(harness.Got(1).ends, std::vector{FinishReason::kDisplaced});
  harness.ExpectComplete(2);
}

TEST(SchedulerConfig, IsClampedToTheRunner) {
  const RunnerLimits limits{.num_pages = 4,
                            .max_context = 64,
                            .max_step_tokens = 6,
                            .max_sequences = 10,
                            .vocab_size = 8};
  const SchedulerConfig config = ClampToLimits({}, limits);
  EXPECT_EQ(config.max_step_tokens, 6);
  EXPECT_EQ(config.max_prefill_chunk, 6);
  EXPECT_EQ(config.max_sequences, 6);
  EXPECT_THROW(ClampToLimits({.max_sequences = 0}, limits), ConfigError);
  EXPECT_THROW(ClampToLimits({.max_queued_tokens = -1}, limits), ConfigError);
  EXPECT_THROW(ClampToLimits({}, RunnerLimits{}), ConfigError);
}

}  // namespace
}  // namespace tandem
