// A thousand requests at once on a real model, more than it can take: clients that cancel, leave
// and differ in priority. Each accepted request ends exactly once, what came out of it is what it
// gives alone, and in the end every page of the KV pool is free.

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "api/cli/loop_engine.h"
#include "engine/model_runner.h"
#include "tests/api/support/test_server.h"
#include "tests/support/random_model.h"
#include "tests/support/runner_session.h"

namespace tandem {
namespace {

constexpr int kNumThreads = 4;
constexpr int kNumEach = 250;
constexpr auto kPatience = std::chrono::minutes(5);  // only what hangs needs it

// The shape of stories260K with the byte tokenizer's vocabulary, and a pool of two full contexts.
std::unique_ptr<ModelRunner> SmallRunner() {
  ModelConfig config = Stories260KConfig();
  config.vocab_size = 258;
  ModelRunnerOptions options;
  options.max_context = 128;
  options.max_sequences = 16;
  options.max_step_tokens = 128;
  options.num_threads = 1;  // the clients need a processor too
  const KvLayout layout{config.num_layers, config.num_kv_heads, config.head_dim, DType::kF32};
  options.kv_bytes = layout.page_bytes() * 16;
  ThreadPool pool(1);
  Workspace workspace;
  Context context{.pool = pool, .workspace = workspace};
  return std::make_unique<ModelRunner>(config, RandomWeights(context, config, DType::kF32, 5),
                                       options);
}

SchedulerConfig ShortQueue() {
  return {.max_sequences = 16,
          .max_step_tokens = 128,
          .max_prefill_chunk = 64,
          .max_queued_requests = 40};
}

void ExpectNothingLeft(const EngineStats& stats) {
  EXPECT_EQ(stats.num_running + stats.num_waiting + stats.num_queued_tokens, 0);
  EXPECT_EQ(stats.finished + stats.cancelled + stats.failed, stats.accepted);
  EXPECT_EQ(stats.failed, 0u);
  EXPECT_EQ(stats.num_free_pages + stats.num_cached_pages, stats.num_pages);
}

struct Sent {
  std::shared_ptr<const Request> request;
  std::shared_ptr<Outbox> outbox = std::make_shared<Outbox>([] {});
};

std::shared_ptr<const Request> RandomRequest(uint64_t id, std::mt19937& random) {
  auto request = std::make_shared<Request>();
  request->id = RequestId{id};
  const auto length = 1 + random() % 60;
  for (uint32_t i = 0; i < length; ++i) {
    // Few values, so that prefixes repeat and the cache takes part.
    request->prompt.push_back(static_cast<TokenId>(i < 32 ? i + id % 3 : random() % 258));
  }
  request->sampling.temperature = id % 3 == 0 ? 0.0f : 1.0f;
  request->sampling.seed = id;
  request->sampling.max_tokens = 1 + random() % 40;
  request->sampling.ignore_eos = true;
  request->sampling.logprobs = 0;
  request->priority = static_cast<int32_t>(random() % 3);
  return request;
}

// One client thread: sends its share, again after a full queue, and cancels some of what it sent.
std::vector<Sent> SendAll(EngineLoop& loop, int thread, std::atomic<int>& num_rejected) {
  std::mt19937 random(static_cast<uint32_t>(thread));
  std::vector<Sent> all;
  for (int i = 0; i < kNumEach; ++i) {
    Sent sent{.request = RandomRequest(static_cast<uint64_t>(thread * kNumEach + i), random)};
    while (const auto rejection = loop.Submit(sent.request, sent.outbox)) {
      EXPECT_EQ(*rejection, Rejection::kQueueFull);
      ++num_rejected;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    all.push_back(std::move(sent));
    if (random() % 4 == 0) loop.Cancel(all[random() % all.size()].request->id);
  }
  return all;
}

// What one request was told; the checks that hold for each of them are made here.
struct Told {
  std::vector<TokenId> tokens;
  std::vector<float> logprobs;
  bool whole = false;
};

Told Drained(const Sent& sent) {
  Told told;
  int num_ends = 0;
  for (const TokenEvent& event : sent.outbox->Drain()) {
    EXPECT_EQ(num_ends, 0) << "an event after the end";
    if (event.token) {
      told.tokens.push_back(event.token->token.id);
      told.logprobs.push_back(event.token->token.logprob);
    }
    if (!event.finish) continue;
    ++num_ends;
    told.whole = *event.finish == FinishReason::kLength;
    const bool displaced = *event.finish == FinishReason::kDisplaced;
    EXPECT_TRUE(told.whole || displaced || *event.finish == FinishReason::kCancelled);
    EXPECT_FALSE(displaced && (sent.request->priority == 0 || !told.tokens.empty()));
  }
  EXPECT_EQ(num_ends, 1);
  return told;
}

TEST(Overload, EachRequestEndsOnceAndGivesWhatItGivesAlone) {
  const auto runner = SmallRunner();
  std::vector<Sent> sent;
  std::atomic<int> num_rejected = 0;
  {
    EngineLoop loop(*runner, ShortQueue());
    std::array<std::vector<Sent>, kNumThreads> parts;
    {
      std::vector<std::jthread> threads;
      for (int thread = 0; thread < kNumThreads; ++thread) {
        threads.emplace_back([&, thread] { parts[thread] = SendAll(loop, thread, num_rejected); });
      }
    }
    for (std::vector<Sent>& part : parts) {
      for (Sent& one : part) sent.push_back(std::move(one));
    }
    EXPECT_TRUE(loop.Drain(Clock::now() + kPatience));
    const EngineStats stats = loop.Stats();
    ExpectNothingLeft(stats);
    EXPECT_EQ(stats.accepted, sent.size());
    EXPECT_GT(stats.cancelled, 0u);
    EXPECT_GT(stats.preemptions, 0u);
  }
  EXPECT_GT(num_rejected, 0);
  int num_compared = 0;
  for (const Sent& one : sent) {
    const Told told = Drained(one);
    if (told.tokens.empty() || static_cast<uint64_t>(one.request->id) % 8 != 0) continue;
    const SessionResult alone =
        RunSession(*runner, one.request->prompt,
                   {.sampling = one.request->sampling,
                    .max_new_tokens = static_cast<int64_t>(told.tokens.size())});
    ASSERT_EQ(told.tokens, alone.tokens);
    ASSERT_EQ(told.logprobs, alone.logprobs);
    if (told.whole) {
      EXPECT_EQ(static_cast<int64_t>(told.tokens.size()), one.request->sampling.max_tokens);
    }
    ++num_compared;
  }
  EXPECT_GT(num_compared, 50);
}

// How a client's request went.
struct Outcomes {
  std::atomic<int> whole = 0;
  std::atomic<int> left = 0;     // the client closed before the end
  std::atomic<int> refused = 0;  // 429
};

std::string RandomBody(std::mt19937& random, bool stream) {
  const nlohmann::json body = {{"prompt", std::string(1 + random() % 60, 'a')},
                               {"max_tokens", 1 + random() % 40},
                               {"ignore_eos", true},
                               {"seed", random() % 1000},
                               {"priority", random() % 3},
                               {"stream", stream}};
  return body.dump();
}

// Sends until the queue takes it, and reads the answer.
RawResponse Complete(const TestServer& server, const std::string& body, Outcomes& outcomes) {
  while (true) {
    RawClient client = server.Connect();
    client.WaitAtMost(kPatience);
    client.Send(TestServer::PostBytes(body));
    RawResponse response = client.ReadResponse();
    if (response.status != 429) return response;
    EXPECT_FALSE(response.Header("retry-after").empty());
    ++outcomes.refused;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

// One connection after the other; of five clients one leaves at once and one after a stream's head.
void Ask(const TestServer& server, int thread, Outcomes& outcomes) {
  std::mt19937 random(static_cast<uint32_t>(thread));
  for (int i = 0; i < kNumEach / 4; ++i) {
    const bool stream = random() % 2 == 0;
    const auto manner = random() % 5;
    const std::string body = RandomBody(random, stream);
    if (manner < 2) {
      RawClient client = server.Connect();
      client.WaitAtMost(kPatience);
      client.Send(TestServer::PostBytes(body));
      if (manner == 1 && stream) client.ReceiveUntil("\r\n\r\n");
      ++outcomes.left;
      continue;  // which closes
    }
    const RawResponse response = Complete(server, body, outcomes);
    ASSERT_EQ(response.status, 200) << response.body;
    EXPECT_TRUE(response.complete);
    EXPECT_EQ(stream, response.body.ends_with("data: [DONE]\n\n"));
    EXPECT_NE(response.body.find(R"("finish_reason":"length")"), std::string::npos);
    ++outcomes.whole;
  }
}

TEST(Overload, ClientsThatLeaveGiveTheirPagesBack) {
  const auto runner = SmallRunner();
  SchedulerConfig scheduling = ShortQueue();
  scheduling.max_queued_requests = 4;  // of 16 clients at once
  scheduling.max_sequences = 8;
  EngineLoop loop(*runner, scheduling);
  LoopEngine engine(loop);
  Outcomes outcomes;
  {
    const TestServer server({.max_context = runner->limits().max_context, .engine = &engine});
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 4 * kNumThreads; ++thread) {
      threads.emplace_back([&, thread] { Ask(server, thread, outcomes); });
    }
    threads.clear();
    // A closed connection cancels before the next step: nothing may run on to its own end.
    EXPECT_TRUE(loop.Drain(Clock::now() + kPatience));
  }
  const EngineStats stats = loop.Stats();
  ExpectNothingLeft(stats);
  EXPECT_GE(stats.finished, static_cast<uint64_t>(outcomes.whole));
  EXPECT_GT(stats.cancelled, 0u);
  EXPECT_EQ(outcomes.whole + outcomes.left, 4 * kNumThreads * (kNumEach / 4));
  EXPECT_GT(outcomes.refused, 0);
}

}  // namespace
}  // namespace tandem
