// The loop with a runner that overlaps: what is launched when, and that commands, failures and ends
// find no step under way.

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <random>
#include <string>
#include <thread>

#include "kernels/core/error.h"
#include "tests/scheduler/loop_client.h"

namespace tandem {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Notes what the loop does: L for a launch, A for an await.
class OverlappingLoop : public ::testing::Test {
 protected:
  OverlappingLoop() {
    runner_.SetOnStep([this](const StepBatch&) { Note('L'); });
    runner_.SetOnAwait([this] { Note('A'); });
  }

  void Note(char what) {
    const std::lock_guard lock(mutex_);
    notes_.push_back(what);
  }
  std::string Notes() {
    const std::lock_guard lock(mutex_);
    return notes_;
  }
  // Read on the engine thread, between steps.
  size_t NumUnderWay(EngineLoop& loop) {
    size_t num = 0;
    loop.Paused([&] { num = runner_.num_under_way(); });
    return num;
  }
  std::vector<TokenId> Expected(const Client& client) const {
    const Request& request = *client.request;
    return runner_.ExpectedOutput(request.prompt, request.sampling, request.eos_ids);
  }

  FakeRunner runner_{SmallLimits(), Overlap::kYes};
  std::mutex mutex_;
  std::string notes_;
};

TEST_F(OverlappingLoop, LaunchesAStepBeforeItAwaitsTheOneBefore) {
  EngineLoop loop(runner_, SmallConfig());
  Client client(MakeRequest(1, 20, 5));
  ASSERT_EQ(client.SubmitTo(loop), std::nullopt);
  ASSERT_TRUE(client.WaitForEnd());
  EXPECT_EQ(client.got.tokens, Expected(client));
  EXPECT_EQ(NumUnderWay(loop), 0u);
  EXPECT_EQ(Notes(), "LLALALALAA");
  const EngineStats stats = loop.Stats();
  EXPECT_EQ(stats.steps, 5u);
  EXPECT_EQ(stats.generated_tokens, 5u);
  EXPECT_EQ(stats.finished, 1u);
}

TEST_F(OverlappingLoop, AwaitsTheStepAheadOfWhoeverStops) {
  Request request = MakeRequest(1, 20, 50);
  request.eos_ids = {runner_.ExpectedOutput(request.prompt, request.sampling, {})[2]};
  EngineLoop loop(runner_, SmallConfig());
  Client client(request);
  ASSERT_EQ(client.SubmitTo(loop), std::nullopt);
  ASSERT_TRUE(client.WaitForEnd());
  EXPECT_EQ(client.got.Output(), Expected(client));
  EXPECT_EQ(client.got.ends, std::vector{FinishReason::kStop});
  EXPECT_EQ(NumUnderWay(loop), 0u);
  EXPECT_EQ(Notes(), "LLALALAA");
  const EngineStats stats = loop.Stats();
  EXPECT_EQ(stats.generated_tokens, 3u);
  EXPECT_EQ(stats.num_free_pages + stats.num_cached_pages, stats.num_pages);
}

class Counter : public EngineObserver {
 public:
  void OnFirstToken(Seconds) override { ++num_first; }
  void OnNextToken(Seconds) override { ++num_next; }
  void OnStep(Seconds elapsed, int64_t num_tokens, int64_t) override {
    ++num_steps;
    num_step_tokens += num_tokens;
    step_seconds += elapsed.count();
  }
  void OnFailure(std::string_view what) override { failures.emplace_back(what); }
  // Read when the loop is gone.
  int64_t num_first = 0, num_next = 0, num_steps = 0, num_step_tokens = 0;
  double step_seconds = 0;
  std::vector<std::string> failures;
};

// A step's time begins when the one before it ends.
TEST_F(OverlappingLoop, CountsNoTimeTwice) {
  runner_.SetOnAwait([] { std::this_thread::sleep_for(milliseconds(2)); });
  Counter counter;
  const auto begin = Clock::now();
  double busy_seconds = 0;
  {
    EngineLoop loop(runner_, SmallConfig(), &counter);
    Client client(MakeRequest(1, 20, 30));
    ASSERT_EQ(client.SubmitTo(loop), std::nullopt);
    ASSERT_TRUE(client.WaitForEnd());
    loop.Paused([] {});
    busy_seconds = loop.Stats().busy_seconds;
  }
  const double elapsed = std::chrono::duration<double>(Clock::now() - begin).count();
  EXPECT_EQ(counter.num_first, 1);
  EXPECT_EQ(counter.num_next, 29);
  EXPECT_EQ(counter.num_steps, 30);
  EXPECT_EQ(counter.num_step_tokens, 49);
  EXPECT_GE(busy_seconds, 30 * 0.002);
  EXPECT_LE(busy_seconds, elapsed);
  EXPECT_NEAR(counter.step_seconds, busy_seconds, 1e-6);
}

// When the cancellation comes, one more step may be under way, and nothing is launched after it.
TEST_F(OverlappingLoop, CancelsWhenNothingIsUnderWay) {
  Gate gate;
  runner_.SetOnAwait([&] {
    Note('A');
    gate.Pass();
  });
  EngineLoop loop(runner_, SmallConfig());
  Client client(Endless(1));
  ASSERT_EQ(client.SubmitTo(loop), std::nullopt);
  ASSERT_TRUE(gate.WaitForArrival());
  loop.Cancel(RequestId{1});
  gate.Open();
  ASSERT_TRUE(client.WaitForEnd());
  EXPECT_EQ(client.got.ends, std::vector{FinishReason::kCancelled});
  EXPECT_EQ(client.got.tokens.size(), 2u);
  EXPECT_EQ(NumUnderWay(loop), 0u);
  EXPECT_EQ(Notes(), "LLAA");
  EXPECT_EQ(runner_.violation(), "");
}

TEST_F(OverlappingLoop, PausesWhenNothingIsUnderWay) {
  EngineLoop loop(runner_, SmallConfig());
  Client client(Endless(1));
  ASSERT_EQ(client.SubmitTo(loop), std::nullopt);
  for (size_t i = 1; i <= 20; ++i) {
    ASSERT_TRUE(client.WaitForTokens(10 * i));
    EXPECT_EQ(NumUnderWay(loop), 0u);
    EXPECT_THROW(loop.Paused([] { throw ConfigError("no"); }), ConfigError);
  }
  ASSERT_TRUE(client.WaitForEnd());
  EXPECT_EQ(client.got.tokens, Expected(client));
  EXPECT_GT(runner_.num_ahead(), 0);
}

TEST_F(OverlappingLoop, ChangesWeightsUnderRunningRequests) {
  EngineLoop loop(runner_, SmallConfig());
  Client running(Endless(1)), after(MakeRequest(3, 64, 20));
  ASSERT_EQ(running.SubmitTo(loop), std::nullopt);
  for (size_t i = 1; i <= 5; ++i) {
    ASSERT_TRUE(running.WaitForTokens(20 * i));
    loop.UpdateWeights([&] { runner_.SetWeights(i); });
  }
  ASSERT_EQ(after.SubmitTo(loop), std::nullopt);
  ASSERT_TRUE(after.WaitForEnd());
  EXPECT_EQ(after.got.tokens, Expected(after));
  ASSERT_TRUE(running.WaitForEnd());
  EXPECT_EQ(running.got.tokens.size(), 490u);
  EXPECT_EQ(runner_.violation(), "");
}

TEST_F(OverlappingLoop, EndsWhatMissesItsDeadline) {
  runner_.SetOnAwait([] { std::this_thread::sleep_for(milliseconds(2)); });
  EngineLoop loop(runner_, SmallConfig());
  Request request = Endless(1);
  request.deadline = Clock::now() + milliseconds(30);
  Client client(request);
  ASSERT_EQ(client.SubmitTo(loop), std::nullopt);
  ASSERT_TRUE(client.WaitForEnd());
  EXPECT_EQ(client.got.ends, std::vector{FinishReason::kDeadline});
  EXPECT_EQ(NumUnderWay(loop), 0u);
}

TEST_F(OverlappingLoop, DrainEndsWhatIsLeftAtTheDeadline) {
  runner_.SetOnAwait([] { std::this_thread::sleep_for(milliseconds(5)); });
  EngineLoop loop(runner_, SmallConfig());
  Client client(Endless(1));
  ASSERT_EQ(client.SubmitTo(loop), std::nullopt);
  EXPECT_FALSE(loop.Drain(Clock::now() + milliseconds(20)));
  client.got.Take(client.outbox->Drain());
  EXPECT_EQ(client.got.ends, std::vector{FinishReason::kDrained});
}

TEST_F(OverlappingLoop, TheDestructorCancelsAndLeavesNothingUnderWay) {
  Client client(Endless(1)), other(Endless(2));
  {
    EngineLoop loop(runner_, SmallConfig());
    ASSERT_EQ(client.SubmitTo(loop), std::nullopt);
    ASSERT_EQ(other.SubmitTo(loop), std::nullopt);
    ASSERT_TRUE(client.WaitForTokens(30));
  }
  for (Client* each : {&client, &other}) {
    each->got.Take(each->outbox->Drain());
    ASSERT_EQ(each->got.ends.size(), 1u);
  }
  EXPECT_EQ(runner_.num_under_way(), 0u);
}

TEST_F(OverlappingLoop, GoesOnAfterAFailureOfEitherKind) {
  Counter counter;
  std::atomic<int> num_launches = 0, num_awaits = 0;
  runner_.SetOnStep([&](const StepBatch&) {
    if (++num_launches % 20 == 10) runner_.FailNextLaunch();
  });
  runner_.SetOnAwait([&] {
    if (++num_awaits % 20 == 18) runner_.FailNext(1);
  });
  {
    EngineLoop loop(runner_, SmallConfig(), &counter);
    for (uint64_t id = 1; id <= 4; ++id) {
      Client client(Endless(id));
      ASSERT_EQ(client.SubmitTo(loop), std::nullopt);
      ASSERT_TRUE(client.WaitForEnd());
      EXPECT_EQ(client.got.ends, std::vector{FinishReason::kFailed});
      EXPECT_GT(client.got.tokens.size(), 5u);
      EXPECT_EQ(NumUnderWay(loop), 0u);
      const EngineStats stats = loop.Stats();
      EXPECT_EQ(stats.num_free_pages + stats.num_cached_pages, stats.num_pages);
    }
    num_launches = num_awaits = -100;
    Client last(MakeRequest(9, 20, 10));
    ASSERT_EQ(last.SubmitTo(loop), std::nullopt);
    ASSERT_TRUE(last.WaitForEnd());
    EXPECT_EQ(last.got.tokens, Expected(last));
    EXPECT_TRUE(loop.Healthy());
  }
  EXPECT_EQ(counter.failures.size(), 4u);
  EXPECT_EQ(runner_.violation(), "");
}

TEST_F(OverlappingLoop, IsUnhealthyAfterThreeFailuresInARow) {
  runner_.FailNext(3);
  EngineLoop loop(runner_, SmallConfig());
  for (uint64_t id = 1; id <= 3; ++id) {
    Client client(MakeRequest(id, 20, 10));
    ASSERT_EQ(client.SubmitTo(loop), std::nullopt);
    ASSERT_TRUE(client.WaitForEnd());
    EXPECT_EQ(client.got.ends, std::vector{FinishReason::kFailed});
  }
  loop.Paused([] {});
  EXPECT_FALSE(loop.Healthy());
  EXPECT_EQ(Client(MakeRequest(7, 20, 10)).SubmitTo(loop), Rejection::kUnhealthy);
}

// Says of its tenth step what nobody asked for, while the eleventh is under way.
class LyingRunner : public FakeRunner {
 public:
  LyingRunner() : FakeRunner(SmallLimits(), Overlap::kYes) {}
  void Await(StepResult& result) override {
    FakeRunner::Await(result);
    if (++num_awaited_ == 10) result.sequences.clear();
  }

 private:
  int num_awaited_ = 0;
};

TEST(LyingRunner, FailsAndLeavesNothingUnderWay) {
  LyingRunner runner;
  EngineLoop loop(runner, SmallConfig());
  Client client(MakeRequest(1, 20, 50)), next(MakeRequest(2, 20, 50));
  ASSERT_EQ(client.SubmitTo(loop), std::nullopt);
  ASSERT_TRUE(client.WaitForEnd());
  EXPECT_EQ(client.got.ends, std::vector{FinishReason::kFailed});
  EXPECT_EQ(client.got.tokens.size(), 9u);
  loop.Paused([&] { EXPECT_EQ(runner.num_under_way(), 0u); });
  ASSERT_EQ(next.SubmitTo(loop), std::nullopt);
  ASSERT_TRUE(next.WaitForEnd());
  EXPECT_EQ(next.got.ends, std::vector{FinishReason::kLength});
  EXPECT_EQ(runner.violation(), "");
}

// As a broken invariant of the scheduler while a step is completed and the next is under way.
class BreakingObserver : public EngineObserver {
 public:
  void OnNextToken(Seconds) override {
    if (++num_tokens == 5) throw InternalError("an invariant");
  }
  int num_tokens = 0;
};

TEST_F(OverlappingLoop, GivesUpWithNothingUnderWayAndAnswersCommands) {
  BreakingObserver observer;
  EngineLoop loop(runner_, SmallConfig(), &observer);
  Client client(Endless(1));
  ASSERT_EQ(client.SubmitTo(loop), std::nullopt);
  ASSERT_TRUE(client.WaitForEnd());
  EXPECT_EQ(client.got.ends, std::vector{FinishReason::kFailed});
  EXPECT_EQ(NumUnderWay(loop), 0u);
  EXPECT_FALSE(loop.Healthy());
}

// Threads that submit, cancel, pause and fail steps anywhere: each accepted request ends exactly
// once, with a right output as far as it got, and no page is lost.
TEST_F(OverlappingLoop, SurvivesWhateverComes) {
  RunnerLimits limits = SmallLimits();
  limits.num_pages = 60;
  limits.vocab_size = 100;
  FakeRunner runner(limits, Overlap::kYes);
  SchedulerConfig config = SmallConfig();
  config.max_step_failures = 1'000'000;
  constexpr uint64_t kNumThreads = 3, kNumEach = 200;
  std::array<std::vector<std::unique_ptr<Client>>, kNumThreads> accepted;
  EngineLoop loop(runner, config);
  const auto submit = [&](uint64_t thread) {
    std::mt19937 random(static_cast<uint32_t>(thread));
    for (uint64_t i = 0; i < kNumEach; ++i) {
      Request request{.id = RequestId{thread * kNumEach + i}};
      request.prompt = MakePrompt(1 + random() % 30, 0);
      for (TokenId& token : request.prompt) token %= 3 + static_cast<TokenId>(i % 5);
      request.sampling.max_tokens = random() % 200;
      request.sampling.seed = i;
      request.eos_ids = {5};
      if (random() % 10 == 0) request.deadline = Clock::now() + milliseconds(random() % 50 + 1);
      accepted[thread].push_back(std::make_unique<Client>(request));
      if (accepted[thread].back()->SubmitTo(loop)) {
        accepted[thread].pop_back();  // its deadline passed meanwhile
        continue;
      }
      if (random() % 4 == 0) {
        loop.Cancel(accepted[thread][random() % accepted[thread].size()]->request->id);
      }
      if (random() % 20 == 0) runner.FailNext(1);
      if (random() % 20 == 0) runner.FailNextLaunch();
      if (random() % 10 == 0) {
        loop.Paused([&] { EXPECT_EQ(runner.num_under_way(), 0u); });
      }
      if (random() % 3 == 0) accepted[thread].back()->WaitForEnd();
    }
  };
  {
    std::vector<std::jthread> threads;
    for (uint64_t thread = 0; thread < kNumThreads; ++thread) threads.emplace_back(submit, thread);
  }
  EXPECT_TRUE(loop.Drain(Clock::now() + kPatience));
  EXPECT_TRUE(loop.Healthy());
  EXPECT_GT(runner.num_ahead(), runner.num_steps() / 20);

  uint64_t num_accepted = 0, num_whole = 0;
  for (const auto& clients : accepted) {
    for (const auto& client : clients) {
      ++num_accepted;
      num_whole += ExpectAnswer(*client, runner);
    }
  }
  EXPECT_GT(num_whole, num_accepted / 4);
  loop.Paused([] {});  // the step ahead of the last end is done too, and has given its pages back
  const EngineStats stats = loop.Stats();
  EXPECT_EQ(stats.finished + stats.cancelled + stats.failed, num_accepted);
  EXPECT_EQ(stats.num_free_pages + stats.num_cached_pages, limits.num_pages);
  EXPECT_EQ(runner.violation(), "");
}

}  // namespace
}  // namespace tandem
