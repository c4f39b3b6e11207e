// Steps that are prepared before the step before them is completed: when there is one, what is in
// it, and whose pages are held for it.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <random>

#include "tests/scheduler/harness.h"

namespace tandem {
namespace {

using std::chrono::milliseconds;

// Drives a scheduler as EngineLoop does with a runner that overlaps.
class AheadHarness : public Harness {
 public:
  explicit AheadHarness(const RunnerLimits& limits = SmallLimits(),
                        const SchedulerConfig& config = SmallConfig())
      : Harness(limits, config, Overlap::kYes) {}

  const StepBatch& Launch() {
    const StepBatch& batch = scheduler.Prepare(now);
    runner.Launch(batch);
    batches_.push_back(&batch);
    return batch;
  }

  const StepBatch* LaunchAhead() {
    const StepBatch* const batch = scheduler.PrepareAhead(now);
    if (batch == nullptr) return nullptr;
    runner.Launch(*batch);
    batches_.push_back(batch);
    return batch;
  }

  void Finish() {
    const StepBatch& batch = *batches_.front();
    runner.Await(result);
    CheckResult(batch, result, runner.limits().vocab_size);
    now += time_per_token * NumTokens(batch);
    scheduler.Complete(result, now);
    batches_.pop_front();
    scheduler.CheckIntegrity();
    Deliver();
    EXPECT_EQ(runner.violation(), "");
  }

  // Steps until nothing is under way; false when there was nothing to do.
  bool Overlap(const std::function<bool()>& may_go_on) {
    scheduler.Expire(now);
    const bool has_work = scheduler.HasWork();
    try {
      if (has_work) Launch();
      while (!batches_.empty()) {
        if (may_go_on()) LaunchAhead();
        scheduler.CheckIntegrity();
        Finish();
        now += milliseconds(1);
      }
    } catch (const DeviceError&) {
      batches_.clear();
      scheduler.Fail();
    }
    scheduler.CheckIntegrity();
    Deliver();
    EXPECT_EQ(runner.num_under_way(), 0u);
    return has_work && runner.violation().empty();
  }

  // Until every request has drawn its first token; then nothing is under way.
  void Prefill() {
    while (std::ranges::any_of(requests, [&](const auto& entry) {
      return !received.at(entry.first).ended() && received.at(entry.first).tokens.empty();
    })) {
      ASSERT_TRUE(Overlap([] { return false; }));
    }
  }

  int64_t num_free() const { return scheduler.stats().num_free_pages; }

 private:
  std::deque<const StepBatch*> batches_;  // under way
};

TEST(StepAhead, HasTheTokenThatIsPending) {
  AheadHarness harness;
  harness.Add(MakeRequest(1, 20, 10));
  const StepBatch& first = harness.Launch();
  EXPECT_EQ(first.sequences[0].follows, -1);
  const StepBatch* const ahead = harness.LaunchAhead();
  ASSERT_NE(ahead, nullptr);
  ASSERT_EQ(ahead->sequences.size(), 1u);
  const SequenceStep& step = ahead->sequences[0];
  EXPECT_EQ(step.follows, 0);
  EXPECT_EQ(step.history.size(), 20u);
  EXPECT_EQ(step.total(), 21);
  EXPECT_EQ(step.first, 20);
  EXPECT_EQ(step.count, 1);
  EXPECT_TRUE(step.sample);
  EXPECT_EQ(step.pages.size(), 2u);
  harness.Finish();
  EXPECT_EQ(harness.Got(1).tokens.size(), 1u);
  harness.Finish();
  EXPECT_EQ(harness.Got(1).tokens.size(), 2u);
  while (harness.Overlap([] { return true; })) continue;
  harness.ExpectComplete(1);
  EXPECT_EQ(harness.scheduler.stats().generated_tokens, 10u);
  EXPECT_EQ(harness.runner.num_steps(), 10);
  EXPECT_EQ(harness.runner.num_ahead(), 8);  // all but the first of each run
}

TEST(StepAhead, LeavesOutWhoeverEndsByLength) {
  AheadHarness harness;
  harness.Add(MakeRequest(1, 5, 2));
  harness.Add(MakeRequest(2, 5, 3));
  harness.Add(MakeRequest(3, 5, 9));
  harness.Prefill();
  ASSERT_EQ(harness.Launch().sequences.size(), 3u);
  const StepBatch* ahead = harness.LaunchAhead();
  ASSERT_NE(ahead, nullptr);
  ASSERT_EQ(ahead->sequences.size(), 2u);
  EXPECT_EQ(ahead->sequences[0].follows, 1);
  EXPECT_EQ(ahead->sequences[1].follows, 2);
  harness.Finish();
  harness.ExpectComplete(1);
  ahead = harness.LaunchAhead();
  ASSERT_NE(ahead, nullptr);
  ASSERT_EQ(ahead->sequences.size(), 1u);
  EXPECT_EQ(ahead->sequences[0].follows, 1);
  harness.Finish();
  harness.ExpectComplete(2);
  harness.Finish();
}

TEST(StepAhead, IsNotThereWhenNobodyGoesOn) {
  AheadHarness harness;
  harness.Add(MakeRequest(1, 5, 1));
  harness.Add(MakeRequest(2, 5, 0));
  harness.Launch();
  EXPECT_EQ(harness.LaunchAhead(), nullptr);
  harness.Finish();
  EXPECT_FALSE(harness.scheduler.HasWork());
}

// Whether there is a step ahead of one that draws for request 1 and `other`.
bool RunsAhead(const Request& other, const SchedulerConfig& config = SmallConfig()) {
  AheadHarness harness(SmallLimits(), config);
  harness.Add(MakeRequest(1, 5, 100));
  harness.Add(other);
  harness.Prefill();
  harness.Launch();
  const bool is_ahead = harness.LaunchAhead() != nullptr;
  harness.Finish();
  if (is_ahead) harness.Finish();
  return is_ahead;
}

TEST(StepAhead, IsNotThereWherePenaltiesNeedThePendingToken) {
  Request request = MakeRequest(2, 5, 100);
  EXPECT_TRUE(RunsAhead(request));
  request.sampling.temperature = 0.5f;
  request.sampling.top_p = 0.9f;
  request.sampling.min_tokens = 50;
  request.sampling.logit_bias = {{.id = 3, .bias = 1.0f}};
  request.sampling.logprobs = 3;
  EXPECT_TRUE(RunsAhead(request));
  Request repetition = request, frequency = request, presence = request;
  repetition.sampling.repetition_penalty = 1.1f;
  frequency.sampling.frequency_penalty = 0.1f;
  presence.sampling.presence_penalty = 0.1f;
  EXPECT_FALSE(RunsAhead(repetition));
  EXPECT_FALSE(RunsAhead(frequency));
  EXPECT_FALSE(RunsAhead(presence));
}

TEST(StepAhead, IsNotThereWhereTheClockDecidesWhoseTurnItIs) {
  SchedulerConfig config = SmallConfig();
  Request request = MakeRequest(2, 5, 100);
  request.priority = 1;
  EXPECT_TRUE(RunsAhead(request, config));
  config.priority_slowdown = 1.5;
  EXPECT_FALSE(RunsAhead(request, config));
  request.priority = 0;
  EXPECT_TRUE(RunsAhead(request, config));
}

TEST(StepAhead, WaitsForPromptsAndTheirLogProbabilities) {
  AheadHarness harness;
  harness.Add(MakeRequest(1, 5, 100));
  harness.Prefill();
  harness.Add(MakeRequest(2, 70, 100));  // in chunks of 32
  for (const bool is_ahead : {false, false, true}) {
    harness.Launch();
    EXPECT_EQ(harness.LaunchAhead() != nullptr, is_ahead);
    harness.Finish();
  }
  harness.Finish();
  Request scored = MakeRequest(3, 5, 100);
  scored.sampling.prompt_logprobs = 0;
  harness.Add(scored);
  for (const bool is_ahead : {false, true}) {
    harness.Launch();
    EXPECT_EQ(harness.LaunchAhead() != nullptr, is_ahead);
    harness.Finish();
  }
  harness.Finish();
}

TEST(StepAhead, IsNotThereWhenADeadlineHasPassed) {
  AheadHarness harness;
  Request request = MakeRequest(1, 5, 100);
  request.deadline = harness.now + milliseconds(50);
  harness.Add(request);
  harness.Launch();
  EXPECT_NE(harness.LaunchAhead(), nullptr);
  harness.Finish();
  harness.now += milliseconds(50);
  EXPECT_EQ(harness.LaunchAhead(), nullptr);
  harness.Finish();
  harness.scheduler.Expire(harness.now);
  EXPECT_FALSE(harness.scheduler.HasWork());
}

// Those who wait come in with the next step that the planner makes.
TEST(StepAhead, IsThereWhileOthersWaitForAPlaceThatIsNotFree) {
  SchedulerConfig config = SmallConfig();
  config.max_sequences = 2;
  AheadHarness harness(SmallLimits(), config);
  harness.Add(MakeRequest(1, 5, 3));
  harness.Add(MakeRequest(2, 5, 100));
  harness.Prefill();
  Request waiting = MakeRequest(3, 5, 4);
  harness.Add(waiting);
  harness.Launch();
  EXPECT_NE(harness.LaunchAhead(), nullptr);
  harness.Finish();
  EXPECT_EQ(harness.LaunchAhead(), nullptr) << "the first one ends";
  harness.Finish();
  while (!harness.Got(3).ended()) ASSERT_TRUE(harness.Overlap([] { return true; }));
  harness.ExpectComplete(3);
}

TEST(StepAhead, IsNotThereWhenAnUrgentRequestWaits) {
  SchedulerConfig config = SmallConfig();
  config.max_sequences = 1;
  AheadHarness harness(SmallLimits(), config);
  harness.Add(MakeRequest(1, 5, 100));
  harness.Prefill();
  Request urgent = MakeRequest(2, 5, 4);
  urgent.priority = -1;
  harness.Launch();
  harness.Add(urgent);
  EXPECT_EQ(harness.LaunchAhead(), nullptr);
  harness.Finish();
}

// For the client it ends at once. Its pages are held as long as the step ahead may write them.
TEST(StepAhead, DropsWhatItComputedForWhoeverHasEnded) {
  SchedulerConfig config = SmallConfig();
  config.prefix_caching = false;
  AheadHarness harness(SmallLimits(), config);
  Request request = MakeRequest(1, 15, 100);
  const TokenId second = harness.runner.ExpectedOutput(request.prompt, request.sampling, {})[1];
  request.sampling.stop_token_ids = {second};
  harness.Add(request);
  harness.Add(MakeRequest(2, 20, 100));
  harness.Prefill();
  const uint64_t generated = harness.scheduler.stats().generated_tokens;
  harness.Launch();
  ASSERT_NE(harness.LaunchAhead(), nullptr);
  const int64_t num_free = harness.num_free();
  harness.Finish();
  harness.ExpectComplete(1);
  EXPECT_FALSE(harness.scheduler.IsLive(RequestId{1}));
  EXPECT_EQ(harness.scheduler.stats().num_running, 1);
  EXPECT_EQ(harness.num_free(), num_free) << "the step ahead still writes them";

  const StepBatch* const third = harness.LaunchAhead();
  ASSERT_NE(third, nullptr);
  ASSERT_EQ(third->sequences.size(), 1u);
  EXPECT_EQ(third->sequences[0].follows, 1);
  harness.Finish();
  EXPECT_EQ(harness.num_free(), num_free + 2);
  EXPECT_EQ(harness.scheduler.stats().generated_tokens, generated + 3);
  harness.Finish();
  EXPECT_EQ(harness.scheduler.stats().finished, 1u);

  harness.Add(MakeRequest(1, 15, 3));  // the id is free
  while (!harness.Got(1).ended()) ASSERT_TRUE(harness.Overlap([] { return true; }));
}

TEST(StepAhead, IsComputedAlsoWhenEverybodyHasEnded) {
  AheadHarness harness;
  Request request = MakeRequest(1, 15, 100);
  request.eos_ids = {harness.runner.ExpectedOutput(request.prompt, request.sampling, {})[0]};
  harness.Add(request);
  harness.Launch();
  ASSERT_NE(harness.LaunchAhead(), nullptr);
  harness.Finish();
  harness.ExpectComplete(1);
  EXPECT_FALSE(harness.scheduler.HasWork());
  EXPECT_EQ(harness.LaunchAhead(), nullptr);
  harness.Finish();
  EXPECT_EQ(harness.num_free(), 64);
  EXPECT_EQ(harness.scheduler.stats().generated_tokens, 1u);
}

TEST(StepAhead, SurvivesLogitsThatAreNotFinite) {
  AheadHarness harness;
  const Request poisoned = MakeRequest(1, 15, 100);
  const Request other = MakeRequest(2, 7, 20);
  harness.runner.SetPoison(
      harness.runner.ExpectedOutput(poisoned.prompt, poisoned.sampling, {})[2]);
  harness.Add(poisoned);
  harness.Add(other);
  while (harness.Overlap([] { return true; })) continue;
  EXPECT_EQ(harness.Got(1).ends, std::vector{FinishReason::kFailed});
  EXPECT_EQ(harness.Got(1).tokens.size(), 3u);
  harness.ExpectComplete(2);
}

// Both fill the same pages in the same steps, and one takes the other's.
TEST(StepAhead, KeepsThePageThatASharedOneReplaces) {
  AheadHarness harness;
  Request request = MakeRequest(1, 15, 60);
  harness.Add(request);
  request.id = RequestId{2};
  harness.Add(request);
  while (harness.Overlap([] { return true; })) continue;
  harness.ExpectComplete(1);
  harness.ExpectComplete(2);
  EXPECT_GT(harness.runner.num_ahead(), 50);
  // 74 tokens have K and V: four full pages once, and nothing else.
  EXPECT_EQ(harness.scheduler.stats().num_cached_pages, 4);
  EXPECT_EQ(harness.num_free(), 60);
}

TEST(StepAhead, TakesPagesThatTheCacheAloneHolds) {
  RunnerLimits limits = SmallLimits();
  limits.num_pages = 6;
  AheadHarness harness(limits);
  harness.Add(MakeRequest(1, 64, 2));
  while (harness.Overlap([] { return true; })) continue;
  ASSERT_EQ(harness.scheduler.stats().num_cached_pages, 4);
  harness.Add(MakeRequest(2, 5, 80));
  while (harness.Overlap([] { return true; })) continue;
  harness.ExpectComplete(2);
  EXPECT_GT(harness.runner.num_ahead(), 75);
}

TEST(StepAhead, IsNotThereWhenPagesAreShort) {
  RunnerLimits limits = SmallLimits();
  limits.num_pages = 2;
  AheadHarness harness(limits);
  harness.Add(MakeRequest(1, 15, 10));
  harness.Add(MakeRequest(2, 15, 10));
  harness.Launch();
  ASSERT_EQ(harness.scheduler.stats().num_running, 1) << "the second would leave no room to grow";
  harness.Finish();
  while (harness.Overlap([] { return true; })) continue;
  harness.ExpectComplete(1);
  harness.ExpectComplete(2);
}

TEST(StepAhead, FailsWithTheStepBeforeIt) {
  for (const bool at_launch : {false, true}) {
    AheadHarness harness;
    harness.Add(MakeRequest(1, 15, 10));
    harness.Add(MakeRequest(2, 15, 10));
    harness.Prefill();
    if (at_launch) {
      harness.Overlap([&] {
        harness.runner.FailNextLaunch();
        return true;
      });
    } else {
      harness.runner.FailNext(1);
      harness.Overlap([] { return true; });
    }
    EXPECT_EQ(harness.Got(1).ends, std::vector{FinishReason::kFailed});
    EXPECT_EQ(harness.Got(2).ends, std::vector{FinishReason::kFailed});
    EXPECT_EQ(harness.scheduler.stats().failed, 2u);
    EXPECT_EQ(harness.num_free() + harness.scheduler.stats().num_cached_pages, 64);
    harness.Add(MakeRequest(3, 15, 10));
    while (harness.Overlap([] { return true; })) continue;
    harness.ExpectComplete(3);
  }
}

// The runner's checks, on which the test below relies.
TEST(StepAhead, TheFakeRunnerSeesPagesOfAStepUnderWay) {
  const std::vector<TokenId> history = MakePrompt(17);
  const SamplingParams sampling;
  const std::vector<PageId> first = {1, 2}, same_tail = {3, 2}, same_head = {1, 3};
  const auto violation = [&](const std::vector<PageId>& pages) {
    FakeRunner runner(SmallLimits(), Overlap::kYes);
    const auto batch = [&](const std::vector<PageId>& table, int64_t begin) {
      return StepBatch{.sequences = {{.history = history,
                                      .num_prompt = 17,
                                      .first = begin,
                                      .count = 17 - begin,
                                      .pages = table,
                                      .sampling = &sampling,
                                      .sample = true}}};
    };
    runner.Launch(batch(first, 16));
    runner.Launch(batch(pages, 16));
    return runner.violation();
  };
  EXPECT_NE(violation(same_tail).find("given to another sequence"), std::string::npos);
  EXPECT_EQ(violation(same_head), "");
}

class StepAheadFuzz : public ::testing::TestWithParam<uint32_t> {
 protected:
  std::mt19937 random{GetParam()};

  int64_t Draw(int64_t begin, int64_t end) {  // in [begin, end)
    return begin + static_cast<int64_t>(random() % static_cast<uint32_t>(end - begin));
  }
  bool Chance(int64_t one_in) { return Draw(0, one_in) == 0; }

  // Few beginnings and short prompts, so that prefixes meet and most steps draw.
  Request DrawRequest(uint64_t id, const RunnerLimits& limits) {
    Request request{.id = RequestId{id}};
    const int64_t num_prompt = Draw(1, std::min<int64_t>(limits.max_context, 40));
    const auto begin = static_cast<TokenId>(Draw(0, 3));
    for (int64_t i = 0; i < num_prompt; ++i) {
      request.prompt.push_back(static_cast<TokenId>((begin + i) % limits.vocab_size));
    }
    SamplingParams& sampling = request.sampling;
    sampling.max_tokens = Draw(0, std::min<int64_t>(120, limits.max_context - num_prompt) + 1);
    sampling.seed = static_cast<uint64_t>(Draw(0, 3));
    sampling.min_tokens = Chance(3) ? Draw(0, 20) : 0;
    sampling.ignore_eos = Chance(2);
    if (Chance(2)) request.eos_ids = {static_cast<TokenId>(Draw(0, limits.vocab_size))};
    if (Chance(4)) sampling.stop_token_ids = {static_cast<TokenId>(Draw(0, limits.vocab_size))};
    if (Chance(10)) sampling.prompt_logprobs = 0;
    if (Chance(20)) sampling.presence_penalty = 0.5f;  // the fake does not mind
    request.priority = Chance(4) ? static_cast<int32_t>(Draw(0, 3)) : 0;
    request.cache_salt = static_cast<uint64_t>(Draw(0, 2));
    return request;
  }
};

// Tokens are those of steps that do not overlap, which are the pure function's.
TEST_P(StepAheadFuzz, ChangesNoToken) {
  constexpr uint64_t kNumRequests = 250;
  const int64_t num_pages = Draw(6, 60);
  const RunnerLimits limits{.num_pages = num_pages,
                            .max_context = Draw(40, num_pages * 16 + 1),
                            .max_step_tokens = Draw(12, 80),
                            .max_sequences = Draw(1, 12),
                            .vocab_size = 40};
  const SchedulerConfig config{.max_sequences = Draw(1, 12),
                               .max_step_tokens = Draw(12, 80),
                               .max_prefill_chunk = Draw(1, 80),
                               .max_queued_requests = Chance(3) ? Draw(1, 20) : 1000,
                               .prefix_caching = !Chance(4),
                               .target_itl = milliseconds(Draw(0, 5)),
                               .priority_slowdown = Chance(3) ? 1.2 : 0.0};
  SCOPED_TRACE(testing::Message() << "pages " << num_pages << ", context " << limits.max_context);
  AheadHarness harness(limits, config);
  harness.time_per_token = std::chrono::microseconds(Draw(0, 300));
  harness.runner.SetPoison(Chance(3) ? 39 : -1);
  const int64_t gap = Draw(2, 8);  // between arrivals, in runs of steps
  uint64_t next_id = 1;
  int64_t num_failures = 0;
  const auto may_go_on = [&] {
    if (Chance(300)) harness.runner.FailNextLaunch(), ++num_failures;
    if (Chance(300)) harness.runner.FailNext(1), ++num_failures;
    return !Chance(12);
  };
  while (next_id <= kNumRequests || harness.scheduler.HasWork()) {
    while (next_id <= kNumRequests && Chance(gap)) {
      Request request = DrawRequest(next_id++, limits);
      if (Chance(10)) request.deadline = harness.now + milliseconds(Draw(0, 200));
      harness.Add(request);
    }
    if (Chance(10)) {
      const auto id = RequestId{static_cast<uint64_t>(Draw(1, static_cast<int64_t>(next_id) + 1))};
      harness.scheduler.Cancel(id, FinishReason::kCancelled);
    }
    if (Chance(60)) {
      harness.scheduler.WeightsChanged();  // to the same
    }
    harness.Overlap(may_go_on);
    ASSERT_EQ(harness.runner.violation(), "");
  }
  // However crowded it was: alone, all draws but the first are ahead.
  harness.runner.SetPoison(-1);
  const int64_t num_ahead = harness.runner.num_ahead();
  harness.Add(MakeRequest(kNumRequests + 1, 1, 20));
  while (harness.Overlap([] { return true; })) continue;
  harness.ExpectComplete(kNumRequests + 1);
  EXPECT_EQ(harness.runner.num_ahead(), num_ahead + 19);
  RecordProperty("ahead", std::to_string(harness.runner.num_ahead()));
  RecordProperty("steps", std::to_string(harness.runner.num_steps()));
  RecordProperty("failures", std::to_string(num_failures));
  const EngineStats stats = harness.scheduler.stats();
  EXPECT_EQ(stats.finished + stats.cancelled + stats.failed, kNumRequests + 1);
  EXPECT_EQ(stats.num_free_pages + stats.num_cached_pages, limits.num_pages);
  for (const auto& [id, request] : harness.requests) {
    const Received& got = harness.received.at(id);
    ASSERT_EQ(got.ends.size(), 1u);
    ASSERT_FALSE(got.after_end);
    const auto expected = harness.Expected(static_cast<uint64_t>(id));
    const std::vector<TokenId> output = got.Output();
    if (got.ends[0] == FinishReason::kStop || got.ends[0] == FinishReason::kLength) {
      ASSERT_EQ(output, expected) << static_cast<uint64_t>(id);
    } else {  // cut short, but right as far as it goes
      ASSERT_LE(output.size(), expected.size());
      ASSERT_TRUE(std::equal(output.begin(), output.end(), expected.begin()));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, StepAheadFuzz, ::testing::Range(0u, 48u));

}  // namespace
}  // namespace tandem
