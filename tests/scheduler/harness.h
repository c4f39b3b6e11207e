#pragma once
// A Scheduler driven by hand with a FakeRunner, and what a connection would keep of each request.

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <numeric>
#include <vector>

#include "scheduler/scheduler.h"
#include "tests/support/fake_runner.h"

namespace tandem {

inline RunnerLimits SmallLimits() {
  return {.num_pages = 64,
          .max_context = 512,
          .max_step_tokens = 64,
          .max_sequences = 8,
          .vocab_size = 1000};
}

inline SchedulerConfig SmallConfig() {
  return {.max_sequences = 8, .max_step_tokens = 64, .max_prefill_chunk = 32};
}

// Tokens begin, begin + 1, ... (below 1000).
inline std::vector<TokenId> MakePrompt(int64_t num_tokens, TokenId begin = 0) {
  std::vector<TokenId> prompt(static_cast<size_t>(num_tokens));
  for (size_t i = 0; i < prompt.size(); ++i) {
    prompt[i] = static_cast<TokenId>((begin + static_cast<TokenId>(i)) % 1000);
  }
  return prompt;
}

inline Request MakeRequest(uint64_t id, int64_t num_prompt, int64_t max_tokens) {
  Request request{.id = RequestId{id},
                  .prompt = MakePrompt(num_prompt, static_cast<TokenId>(id * 37))};
  request.sampling.max_tokens = max_tokens;
  return request;
}

// What arrived in a request's outbox.
struct Received {
  std::vector<TokenId> tokens;
  std::vector<ScoredToken> prompt;
  std::vector<FinishReason> ends;
  std::optional<TokenId> stop_token;
  std::string message;
  int64_t num_cached = 0;
  bool after_end = false;  // an event after the terminal one

  void Take(std::vector<TokenEvent> events) {
    for (TokenEvent& event : events) {
      after_end |= !ends.empty();
      num_cached = event.num_cached;
      if (!event.prompt.empty()) {
        EXPECT_TRUE(prompt.empty() && tokens.empty());
        prompt = std::move(event.prompt);
      }
      if (event.token) tokens.push_back(event.token->token.id);
      if (event.stop_token) stop_token = event.stop_token;
      if (event.finish) {
        ends.push_back(*event.finish);
        message = event.message;
      }
    }
  }
  bool ended() const { return !ends.empty(); }
  std::vector<TokenId> Output() const {  // with the end token
    std::vector<TokenId> output = tokens;
    if (stop_token) output.push_back(*stop_token);
    return output;
  }
};

inline int64_t NumTokens(const StepBatch& batch) {
  int64_t num_tokens = 0;
  for (const SequenceStep& step : batch.sequences) num_tokens += step.count;
  return num_tokens;
}

class Harness {
 public:
  explicit Harness(const RunnerLimits& limits = SmallLimits(),
                   const SchedulerConfig& config = SmallConfig(), Overlap overlap = Overlap::kNo)
      : runner(limits, overlap), scheduler(limits, config, observer) {}

  void Add(const Request& request) {
    auto shared = std::make_shared<const Request>(request);
    auto outbox = std::make_shared<Outbox>(nullptr);
    scheduler.Add({shared, outbox}, now);
    requests[request.id] = shared;
    outboxes[request.id] = outbox;
    received[request.id];
  }

  // Delivers what is due, then computes a step if there is work. False when there was none.
  bool Step() {
    scheduler.Expire(now);
    const bool has_work = scheduler.HasWork();
    if (has_work) {
      const StepBatch& batch = scheduler.Prepare(now);
      last_batch_size = batch.sequences.size();
      try {
        runner.Run(batch, result);
        now += time_per_token * NumTokens(batch);
        scheduler.Complete(result, now);
      } catch (const DeviceError&) {
        scheduler.Fail();
      }
    }
    scheduler.CheckIntegrity();
    Deliver();
    EXPECT_EQ(runner.violation(), "");
    now += std::chrono::milliseconds(1);
    return has_work && runner.violation().empty();
  }

  void Deliver() {
    scheduler.TakeDeliveries(deliveries);
    for (Delivery& delivery : deliveries) delivery.outbox->Push(std::move(delivery.event));
    deliveries.clear();
    for (auto& [id, outbox] : outboxes) received[id].Take(outbox->Drain());
  }

  int64_t RunAll(int64_t max_steps = 100000) {
    int64_t num_steps = 0;
    while (num_steps < max_steps && Step()) ++num_steps;
    EXPECT_FALSE(scheduler.HasWork());
    return num_steps;
  }

  Received& Got(uint64_t id) { return received.at(RequestId{id}); }

  std::vector<TokenId> Expected(uint64_t id) const {
    const Request& request = *requests.at(RequestId{id});
    return runner.ExpectedOutput(request.prompt, request.sampling, request.eos_ids);
  }

  void ExpectComplete(uint64_t id) {
    EXPECT_EQ(Got(id).Output(), Expected(id)) << "request " << id;
    ASSERT_EQ(Got(id).ends.size(), 1u) << "request " << id;
    EXPECT_FALSE(Got(id).after_end);
    EXPECT_EQ(Got(id).ends[0], Got(id).stop_token ? FinishReason::kStop : FinishReason::kLength);
  }

  FakeRunner runner;
  EngineObserver observer;
  Scheduler scheduler;
  Clock::time_point now{};
  std::chrono::microseconds time_per_token{0};  // that a step takes, and no time besides
  std::map<RequestId, std::shared_ptr<const Request>> requests;
  std::map<RequestId, std::shared_ptr<Outbox>> outboxes;
  std::map<RequestId, Received> received;
  std::vector<Delivery> deliveries;
  StepResult result;
  size_t last_batch_size = 0;
};

}  // namespace tandem
