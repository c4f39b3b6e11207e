// The loop on its thread: submission, cancellation, pauses, draining, failures, overload.
#include "scheduler/engine_loop.h"

#include <gtest/gtest.h>
#include <time.h>

#include <mutex>
#include <random>
#include <thread>

#include "kernels/core/error.h"
#include "tests/scheduler/loop_client.h"

namespace tandem {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(EngineLoop, AnswersARequest) {
  FakeRunner runner(SmallLimits());
  EngineLoop loop(runner, SmallConfig());
  Client client(MakeRequest(1, 40, 20));
  ASSERT_EQ(client.SubmitTo(loop), std::nullopt);
  ASSERT_TRUE(client.WaitForEnd());
  EXPECT_EQ(client.got.tokens,
            runner.ExpectedOutput(client.request->prompt, client.request->sampling, {}));
  const EngineStats stats = loop.Stats();  // counted before the end is told
  EXPECT_EQ(stats.accepted, 1u);
  EXPECT_EQ(stats.finished, 1u);
  EXPECT_EQ(stats.generated_tokens, 20u);
  EXPECT_EQ(stats.num_queued_tokens, 0);
  EXPECT_EQ(runner.violation(), "");
}

TEST(EngineLoop, RejectsWithAReasonAndWithoutAnEvent) {
  FakeRunner runner(SmallLimits());
  EngineLoop loop(runner, SmallConfig());
  Client empty(MakeRequest(1, 0, 1)), late(MakeRequest(2, 5, 1)), large(MakeRequest(3, 600, 1));
  Request past = MakeRequest(2, 5, 1);
  past.deadline = Clock::now() - seconds(1);
  EXPECT_EQ(empty.SubmitTo(loop), Rejection::kInvalid);
  EXPECT_EQ(Client(past).SubmitTo(loop), Rejection::kDeadlinePassed);
  EXPECT_EQ(large.SubmitTo(loop), Rejection::kContextExceeded);
  EXPECT_TRUE(empty.outbox->Drain().empty());
  EXPECT_EQ(loop.Stats().rejected, 3u);
}

TEST(EngineLoop, CancelsBeforeTheNextStep) {
  FakeRunner runner(SmallLimits());
  EngineLoop loop(runner, SmallConfig());
  Client client(Endless(1));
  ASSERT_EQ(client.SubmitTo(loop), std::nullopt);
  ASSERT_TRUE(client.WaitForTokens(3));
  loop.Cancel(RequestId{1});
  loop.Cancel(RequestId{77});
  ASSERT_TRUE(client.WaitForEnd());
  EXPECT_TRUE(client.got.ends[0] == FinishReason::kCancelled ||
              client.got.ends[0] == FinishReason::kLength);
}

TEST(EngineLoop, ACancellationDuringAStepStopsTheNextOne) {
  FakeRunner runner(SmallLimits());
  Gate gate;
  runner.SetOnStep([&](const StepBatch&) { gate.Pass(); });
  EngineLoop loop(runner, SmallConfig());
  Client client(Endless(1));
  ASSERT_EQ(client.SubmitTo(loop), std::nullopt);
  ASSERT_TRUE(gate.WaitForArrival());
  loop.Cancel(RequestId{1});
  gate.Open();
  ASSERT_TRUE(client.WaitForEnd());
  EXPECT_EQ(client.got.ends, std::vector{FinishReason::kCancelled});
  EXPECT_EQ(runner.num_steps(), 1);
}

TEST(EngineLoop, BoundsItsQueue) {
  FakeRunner runner(SmallLimits());
  Gate gate;
  runner.SetOnStep([&](const StepBatch&) { gate.Pass(); });
  SchedulerConfig config = SmallConfig();
  config.max_queued_requests = 3;
  EngineLoop loop(runner, config);
  Client first(MakeRequest(1, 5, 2));
  ASSERT_EQ(first.SubmitTo(loop), std::nullopt);
  ASSERT_TRUE(gate.WaitForArrival());  // it is running: not in the queue any more
  std::vector<std::unique_ptr<Client>> clients;
  int64_t num_accepted = 0;
  for (uint64_t id = 2; id < 12; ++id) {
    clients.push_back(std::make_unique<Client>(MakeRequest(id, 5, 2)));
    const auto rejection = clients.back()->SubmitTo(loop);
    num_accepted += !rejection;
    EXPECT_EQ(rejection.value_or(Rejection::kQueueFull), Rejection::kQueueFull);
  }
  EXPECT_EQ(num_accepted, 3);
  gate.Open();
  EXPECT_TRUE(loop.Drain(Clock::now() + kPatience));
  EXPECT_EQ(loop.Stats().finished, static_cast<uint64_t>(num_accepted) + 1);
}

TEST(EngineLoop, EndsWhatMissesItsDeadline) {
  FakeRunner runner(SmallLimits());
  runner.SetOnStep([](const StepBatch&) { std::this_thread::sleep_for(milliseconds(2)); });
  EngineLoop loop(runner, SmallConfig());
  Request request = Endless(1);
  request.deadline = Clock::now() + milliseconds(30);
  Client client(request);
  ASSERT_EQ(client.SubmitTo(loop), std::nullopt);
  ASSERT_TRUE(client.WaitForEnd());
  EXPECT_EQ(client.got.ends, std::vector{FinishReason::kDeadline});
}

TEST(EngineLoop, PausesBetweenStepsAndRethrows) {
  FakeRunner runner(SmallLimits());
  EngineLoop loop(runner, SmallConfig());
  Client client(Endless(1));
  ASSERT_EQ(client.SubmitTo(loop), std::nullopt);
  ASSERT_TRUE(client.WaitForTokens(2));
  std::thread::id engine_thread;
  loop.Paused([&] { engine_thread = std::this_thread::get_id(); });
  EXPECT_NE(engine_thread, std::this_thread::get_id());
  EXPECT_THROW(loop.Paused([] { throw ConfigError("no"); }), ConfigError);
  EXPECT_TRUE(loop.Healthy());
}

TEST(EngineLoop, ChangesWeightsUnderRunningRequests) {
  FakeRunner runner(SmallLimits());
  EngineLoop loop(runner, SmallConfig());
  Client running(Endless(1)), before(MakeRequest(2, 64, 2)), after(MakeRequest(3, 64, 20));
  ASSERT_EQ(running.SubmitTo(loop), std::nullopt);
  ASSERT_EQ(before.SubmitTo(loop), std::nullopt);
  ASSERT_TRUE(before.WaitForEnd());
  loop.UpdateWeights([&] { runner.SetWeights(9); });
  ASSERT_EQ(after.SubmitTo(loop), std::nullopt);
  ASSERT_TRUE(after.WaitForEnd());
  EXPECT_EQ(after.got.tokens,
            runner.ExpectedOutput(after.request->prompt, after.request->sampling, {}));
  ASSERT_TRUE(running.WaitForEnd());
  EXPECT_EQ(running.got.tokens.size(), 490u);
  EXPECT_EQ(runner.violation(), "");
}

TEST(EngineLoop, DrainsAndThenRefuses) {
  FakeRunner runner(SmallLimits());
  EngineLoop loop(runner, SmallConfig());
  Client client(MakeRequest(1, 20, 50)), late(MakeRequest(2, 20, 50));
  ASSERT_EQ(client.SubmitTo(loop), std::nullopt);
  EXPECT_TRUE(loop.Drain(Clock::now() + kPatience));
  client.got.Take(client.outbox->Drain());
  EXPECT_EQ(client.got.ends, std::vector{FinishReason::kLength});
  EXPECT_EQ(late.SubmitTo(loop), Rejection::kDraining);
}

TEST(EngineLoop, DrainEndsWhatIsLeftAtTheDeadline) {
  FakeRunner runner(SmallLimits());
  runner.SetOnStep([](const StepBatch&) { std::this_thread::sleep_for(milliseconds(5)); });
  EngineLoop loop(runner, SmallConfig());
  Client client(Endless(1));
  ASSERT_EQ(client.SubmitTo(loop), std::nullopt);
  EXPECT_FALSE(loop.Drain(Clock::now() + milliseconds(20)));
  client.got.Take(client.outbox->Drain());
  EXPECT_EQ(client.got.ends, std::vector{FinishReason::kDrained});
}

TEST(EngineLoop, TheDestructorCancelsWhatIsLeft) {
  FakeRunner runner(SmallLimits());
  std::vector<std::unique_ptr<Client>> clients;
  {
    EngineLoop loop(runner, SmallConfig());
    for (uint64_t id = 1; id <= 30; ++id) {
      clients.push_back(std::make_unique<Client>(Endless(id)));
      ASSERT_EQ(clients.back()->SubmitTo(loop), std::nullopt);
    }
    ASSERT_TRUE(clients[0]->WaitForTokens(1));
  }
  for (const auto& client : clients) {
    client->got.Take(client->outbox->Drain());
    ASSERT_EQ(client->got.ends.size(), 1u);
  }
  EXPECT_EQ(clients.back()->got.ends[0], FinishReason::kCancelled);
}

class Recorder : public EngineObserver {
 public:
  void OnStarted(Seconds) override { ++num_started; }
  void OnFirstToken(Seconds) override { ++num_first; }
  void OnNextToken(Seconds) override { ++num_next; }
  void OnStep(Seconds, int64_t num_tokens, int64_t) override { num_step_tokens += num_tokens; }
  void OnFailure(std::string_view what) override {
    const std::lock_guard lock(mutex);
    failures.emplace_back(what);
  }
  std::atomic<int64_t> num_started = 0, num_first = 0, num_next = 0, num_step_tokens = 0;
  std::mutex mutex;
  std::vector<std::string> failures;
};

TEST(EngineLoop, TellsTheObserver) {
  FakeRunner runner(SmallLimits());
  Recorder recorder;
  EngineLoop loop(runner, SmallConfig(), &recorder);
  Client client(MakeRequest(1, 20, 10));
  ASSERT_EQ(client.SubmitTo(loop), std::nullopt);
  ASSERT_TRUE(client.WaitForEnd());
  EXPECT_EQ(recorder.num_started, 1);
  EXPECT_EQ(recorder.num_first, 1);
  EXPECT_EQ(recorder.num_next, 9);
  EXPECT_EQ(recorder.num_step_tokens, 29);
}

TEST(EngineLoop, GoesOnAfterAFailedStepAndHidesTheDetails) {
  FakeRunner runner(SmallLimits());
  Recorder recorder;
  EngineLoop loop(runner, SmallConfig(), &recorder);
  runner.FailNext(1);
  Client first(MakeRequest(1, 20, 10)), second(MakeRequest(2, 20, 10));
  ASSERT_EQ(first.SubmitTo(loop), std::nullopt);
  ASSERT_TRUE(first.WaitForEnd());
  EXPECT_EQ(first.got.ends, std::vector{FinishReason::kFailed});
  EXPECT_EQ(first.got.message.find("0x1234"), std::string::npos);
  EXPECT_FALSE(first.got.message.empty());
  EXPECT_TRUE(loop.Healthy());
  ASSERT_EQ(second.SubmitTo(loop), std::nullopt);
  ASSERT_TRUE(second.WaitForEnd());
  EXPECT_EQ(second.got.ends, std::vector{FinishReason::kLength});
  const std::lock_guard lock(recorder.mutex);
  ASSERT_EQ(recorder.failures.size(), 1u);
  EXPECT_NE(recorder.failures[0].find("0x1234"), std::string::npos);
}

TEST(EngineLoop, IsUnhealthyAfterThreeFailuresInARow) {
  FakeRunner runner(SmallLimits());
  Gate gate;
  runner.SetOnStep([&](const StepBatch&) { gate.Pass(); });
  runner.FailNext(3);
  SchedulerConfig config = SmallConfig();
  config.max_sequences = 1;
  EngineLoop loop(runner, config);
  std::vector<std::unique_ptr<Client>> clients;
  for (uint64_t id = 1; id <= 6; ++id) {
    clients.push_back(std::make_unique<Client>(MakeRequest(id, 20, 10)));
    ASSERT_EQ(clients.back()->SubmitTo(loop), std::nullopt);
  }
  gate.Open();
  for (const auto& client : clients) {
    ASSERT_TRUE(client->WaitForEnd());
    EXPECT_EQ(client->got.ends, std::vector{FinishReason::kFailed});
  }
  EXPECT_FALSE(loop.Healthy());
  EXPECT_EQ(runner.num_steps(), 3);
  EXPECT_EQ(Client(MakeRequest(7, 20, 10)).SubmitTo(loop), Rejection::kUnhealthy);
  EXPECT_TRUE(loop.Drain(Clock::now() + kPatience));
}

TEST(EngineLoop, StaysHealthyThroughAnOutageShorterThanItsPatience) {
  FakeRunner runner(SmallLimits());
  SchedulerConfig config = SmallConfig();
  config.give_up_after = kPatience;
  EngineLoop loop(runner, config);
  runner.FailNext(10);
  for (uint64_t id = 1; id <= 11; ++id) {
    Client client(MakeRequest(id, 20, 10));
    ASSERT_EQ(client.SubmitTo(loop), std::nullopt);
    ASSERT_TRUE(client.WaitForEnd());
    EXPECT_EQ(client.got.ends,
              std::vector{id <= 10 ? FinishReason::kFailed : FinishReason::kLength});
  }
  EXPECT_TRUE(loop.Healthy());
  const EngineStats stats = loop.Stats();
  EXPECT_EQ(stats.num_free_pages + stats.num_cached_pages, stats.num_pages);
}

TEST(EngineLoop, GivesUpWhenStepsHaveFailedForLongEnough) {
  FakeRunner runner(SmallLimits());
  SchedulerConfig config = SmallConfig();
  config.give_up_after = milliseconds(30);
  EngineLoop loop(runner, config);
  runner.FailNext(1'000'000);
  const auto begin = Clock::now();
  for (uint64_t id = 1; loop.Healthy(); ++id) {
    Client client(MakeRequest(id, 20, 10));
    if (client.SubmitTo(loop)) break;
    ASSERT_TRUE(client.WaitForEnd());
    ASSERT_LT(Clock::now() - begin, kPatience);
  }
  EXPECT_FALSE(loop.Healthy());
  EXPECT_GE(Clock::now() - begin, milliseconds(30));
}

// A runner that breaks its own contract fails the step like a broken device.
class SilentRunner : public Runner {
 public:
  const RunnerLimits& limits() const override { return limits_; }
  void Run(const StepBatch&, StepResult& result) override { result.sequences.clear(); }

 private:
  RunnerLimits limits_ = SmallLimits();
};

TEST(EngineLoop, DoesNotTrustAnAnswerThatDoesNotFit) {
  SilentRunner runner;
  EngineLoop loop(runner, SmallConfig());
  Client client(MakeRequest(1, 20, 10));
  ASSERT_EQ(client.SubmitTo(loop), std::nullopt);
  ASSERT_TRUE(client.WaitForEnd());
  EXPECT_EQ(client.got.ends, std::vector{FinishReason::kFailed});
}

TEST(EngineLoop, SleepsWhenItIsIdle) {
  FakeRunner runner(SmallLimits());
  EngineLoop loop(runner, SmallConfig());
  const auto cpu_seconds = [&] {  // of the engine thread
    timespec time{};
    loop.Paused([&] { clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time); });
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  const double before = cpu_seconds();
  std::this_thread::sleep_for(milliseconds(300));
  EXPECT_LT(cpu_seconds() - before, 0.003);  // 1 % of a core
}

// Several threads, a pool and a queue far too small, cancellations anywhere: each accepted request
// ends exactly once, with a right output as far as it got, and no page is lost.
TEST(EngineLoop, SurvivesOverload) {
  RunnerLimits limits = SmallLimits();
  limits.num_pages = 40;
  limits.vocab_size = 100;
  FakeRunner runner(limits);
  SchedulerConfig config = SmallConfig();
  config.max_queued_requests = 30;
  constexpr uint64_t kNumThreads = 4, kNumEach = 250;
  std::array<std::vector<std::unique_ptr<Client>>, kNumThreads> accepted;
  std::atomic<uint64_t> num_rejected = 0;
  Gate gate;  // the first step waits until the queue is full
  runner.SetOnStep([&](const StepBatch&) { gate.Pass(); });
  EngineLoop loop(runner, config);
  const auto submit = [&](uint64_t thread) {
    std::mt19937 random(static_cast<uint32_t>(thread));
    for (uint64_t i = 0; i < kNumEach; ++i) {
      Request request{.id = RequestId{thread * kNumEach + i}};
      request.prompt = MakePrompt(1 + random() % 90, 0);
      for (TokenId& token : request.prompt) token %= 3 + static_cast<TokenId>(i % 5);
      request.sampling.max_tokens = random() % 60;
      request.sampling.seed = i;
      request.priority = static_cast<int32_t>(random() % 3);
      request.eos_ids = {5};
      if (random() % 10 == 0) request.deadline = Clock::now() + milliseconds(random() % 50 + 1);
      auto client = std::make_unique<Client>(request);
      std::optional<Rejection> rejection;
      while ((rejection = client->SubmitTo(loop)) == Rejection::kQueueFull) {
        num_rejected += 1;
        gate.Open();
        std::this_thread::sleep_for(milliseconds(1));
      }
      if (rejection) continue;  // its deadline passed meanwhile
      accepted[thread].push_back(std::move(client));
      if (random() % 4 == 0) {
        loop.Cancel(accepted[thread][random() % accepted[thread].size()]->request->id);
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    for (uint64_t thread = 0; thread < kNumThreads; ++thread) threads.emplace_back(submit, thread);
  }
  EXPECT_TRUE(loop.Drain(Clock::now() + kPatience));
  EXPECT_TRUE(loop.Healthy());
  EXPECT_GT(num_rejected, 0u);

  uint64_t num_accepted = 0;
  for (const auto& clients : accepted) {
    for (const auto& client : clients) {
      ++num_accepted;
      ExpectAnswer(*client, runner);
    }
  }
  const EngineStats stats = loop.Stats();
  EXPECT_EQ(stats.accepted, num_accepted);
  EXPECT_EQ(stats.finished + stats.cancelled + stats.failed, num_accepted);
  EXPECT_EQ(stats.failed, 0u);
  EXPECT_EQ(stats.num_free_pages + stats.num_cached_pages, limits.num_pages);
  EXPECT_EQ(stats.num_running + stats.num_waiting + stats.num_queued_tokens, 0);
  EXPECT_EQ(runner.violation(), "");
}

}  // namespace
}  // namespace tandem
