// The scheduler under load, in simulated time: a step takes what a line of cost says, requests come
// when they come, and latencies are exact. In miniature what configs/load/ asks of a real server:
// overload, long prompts beside short ones, urgent requests beside a flood.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "scheduler/inbox.h"
#include "tests/scheduler/harness.h"

namespace tandem {
namespace {

using Seconds = std::chrono::duration<double>;

// A step of a 26M model on two cores, roughly: a token costs three times as much where 4000 others
// are before it.
Seconds StepTime(const StepSize& size) {
  return Seconds(0.001 + 0.00008 * static_cast<double>(size.num_tokens) + 4e-8 * size.num_pairs);
}

Clock::duration Ticks(Seconds seconds) {
  return std::chrono::duration_cast<Clock::duration>(seconds);
}

// Of the nearest rank.
double Percentile(std::vector<double> values, double percent) {
  EXPECT_FALSE(values.empty());
  if (values.empty()) return NAN;
  std::ranges::sort(values);
  const auto rank = std::ceil(percent / 100.0 * static_cast<double>(values.size()));
  return values[static_cast<size_t>(std::max(rank, 1.0)) - 1];
}

struct Arrival {
  Seconds at{0};
  std::string kind;
  int64_t num_prompt = 8;
  int64_t num_output = 50;
  int32_t priority = 0;
};

struct Outcome {
  Arrival arrival;
  std::optional<Rejection> rejection;
  std::optional<FinishReason> finish;
  Seconds ended{0};
  std::vector<Seconds> tokens;  // when they came
};

// Poisson arrivals of one kind in [begin, end).
void AddPoisson(const Arrival& like, double rate, Seconds begin, Seconds end,
                std::vector<Arrival>& arrivals) {
  std::mt19937_64 random(7 + arrivals.size());
  std::exponential_distribution<double> gap(rate);
  for (Seconds at = begin + Seconds(gap(random)); at < end; at += Seconds(gap(random))) {
    arrivals.push_back(like);
    arrivals.back().at = at;
  }
}

class Simulation {
 public:
  explicit Simulation(const SchedulerConfig& config)
      : runner_(Limits()), inbox_(Limits(), config), scheduler_(Limits(), config, observer_) {}

  std::vector<Outcome> Run(std::vector<Arrival> arrivals) {
    std::ranges::sort(arrivals, {}, &Arrival::at);
    for (const Arrival& arrival : arrivals) outcomes_.push_back({.arrival = arrival});
    while (next_ < outcomes_.size() || scheduler_.HasWork()) {
      if (!scheduler_.HasWork() && next_ < outcomes_.size()) {
        now_ = std::max(now_, outcomes_[next_].arrival.at);
      }
      SubmitDue();
      Step();
    }
    return std::move(outcomes_);
  }

 private:
  static RunnerLimits Limits() {
    return {.num_pages = 8192,
            .max_context = 4200,
            .max_step_tokens = 512,
            .max_sequences = 64,
            .vocab_size = 1000};
  }

  Clock::time_point now() const { return Clock::time_point(Ticks(now_)); }

  void SubmitDue() {
    for (; next_ < outcomes_.size() && outcomes_[next_].arrival.at <= now_; ++next_) {
      Outcome& outcome = outcomes_[next_];
      Request request = MakeRequest(next_, outcome.arrival.num_prompt, outcome.arrival.num_output);
      request.priority = outcome.arrival.priority;
      auto outbox = std::make_shared<Outbox>(nullptr);
      outcome.rejection = inbox_.Submit({std::make_shared<const Request>(request), outbox});
      if (outcome.rejection) {
        outcome.ended = now_;
      } else {
        live_[next_] = std::move(outbox);
      }
    }
    inbox_.Take(InboxWait::kNever, {}, commands_);
    for (const Command& command : commands_) {
      scheduler_.Add(std::get<Submission>(command), now());
    }
  }

  // As EngineLoop does it.
  void Step() {
    if (!scheduler_.HasWork()) return;
    const StepBatch& batch = scheduler_.Prepare(now());
    inbox_.Left(scheduler_.TakeDepartures());
    inbox_.Advance(scheduler_.progress(now()));
    runner_.Run(batch, result_);
    StepSize size;
    for (const SequenceStep& step : batch.sequences) size.Add(step.first, step.count);
    now_ += StepTime(size);
    scheduler_.Complete(result_, now());
    inbox_.Left(scheduler_.TakeDepartures());
    scheduler_.TakeDeliveries(deliveries_);
    for (Delivery& delivery : deliveries_) Take(delivery);
  }

  void Take(const Delivery& delivery) {
    const auto index = static_cast<size_t>(delivery.id);
    Outcome& outcome = outcomes_[index];
    if (delivery.event.token) outcome.tokens.push_back(now_);
    if (!delivery.event.finish) return;
    outcome.finish = delivery.event.finish;
    outcome.ended = now_;
    live_.erase(index);
    inbox_.Forget(delivery.id);
    inbox_.Ended(1);
  }

  FakeRunner runner_;
  EngineObserver observer_;
  Inbox inbox_;
  Scheduler scheduler_;
  Seconds now_{0};
  std::vector<Outcome> outcomes_;
  size_t next_ = 0;  // of outcomes_: not submitted yet
  std::map<size_t, std::shared_ptr<Outbox>> live_;
  std::vector<Command> commands_;
  std::vector<Delivery> deliveries_;
  StepResult result_;
};

bool IsWhole(const Outcome& outcome) { return outcome.finish == FinishReason::kLength; }

// Of those of a kind that came whole, in seconds.
std::vector<double> Latencies(const std::vector<Outcome>& outcomes, const std::string& kind) {
  std::vector<double> seconds;
  for (const Outcome& outcome : outcomes) {
    if (outcome.arrival.kind != kind || !IsWhole(outcome)) continue;
    seconds.push_back((outcome.ended - outcome.arrival.at).count());
  }
  return seconds;
}

std::vector<double> Gaps(const std::vector<Outcome>& outcomes, const std::string& kind) {
  std::vector<double> seconds;
  for (const Outcome& outcome : outcomes) {
    if (outcome.arrival.kind != kind) continue;
    for (size_t i = 1; i < outcome.tokens.size(); ++i) {
      seconds.push_back((outcome.tokens[i] - outcome.tokens[i - 1]).count());
    }
  }
  return seconds;
}

// A second of them in which so many were answered within the limit.
double Goodput(const std::vector<Outcome>& outcomes, double within, Seconds begin, Seconds end) {
  int64_t num_good = 0;
  for (const Outcome& outcome : outcomes) {
    const double took = (outcome.ended - outcome.arrival.at).count();
    if (IsWhole(outcome) && took <= within && outcome.ended >= begin && outcome.ended < end) {
      ++num_good;
    }
  }
  return static_cast<double>(num_good) / (end - begin).count();
}

// 64 sequences decode in 6.1 ms and bring 8 prompt tokens each: about 180 requests a second.
constexpr double kCapacity = 180.0;
constexpr double kGoodSeconds = 0.6;

SchedulerConfig ServerConfig() {
  return {.max_queue_time = std::chrono::milliseconds(100),
          .target_itl = std::chrono::milliseconds(15),
          .priority_slowdown = 1.2};
}

std::vector<Outcome> RunAtRate(const SchedulerConfig& config, double rate) {
  std::vector<Arrival> arrivals;
  AddPoisson({.kind = "short"}, rate, Seconds(0), Seconds(10), arrivals);
  return Simulation(config).Run(arrivals);
}

TEST(Load, OverloadKeepsTheLatencyOfThoseAdmittedAndTheGoodput) {
  const auto edge = RunAtRate(ServerConfig(), kCapacity);
  const double edge_p95 = Percentile(Latencies(edge, "short"), 95);
  const double edge_goodput = Goodput(edge, kGoodSeconds, Seconds(2), Seconds(10));
  EXPECT_GT(edge_goodput, 0.9 * kCapacity);
  for (const double load : {1.5, 3.0}) {
    SCOPED_TRACE(testing::Message() << load << " times the capacity");
    const auto over = RunAtRate(ServerConfig(), load * kCapacity);
    EXPECT_LE(Percentile(Latencies(over, "short"), 95), 1.5 * edge_p95);
    EXPECT_GE(Goodput(over, kGoodSeconds, Seconds(2), Seconds(10)), 0.98 * edge_goodput);
    for (const Outcome& outcome : over) {
      EXPECT_TRUE(IsWhole(outcome) || outcome.rejection == Rejection::kQueueFull);
    }
  }
  // What the bound is for: without it all wait, and nobody has an answer in time.
  SchedulerConfig unbounded = ServerConfig();
  unbounded.max_queue_time = std::chrono::milliseconds(0);
  const auto over = RunAtRate(unbounded, 3.0 * kCapacity);
  EXPECT_GT(Percentile(Latencies(over, "short"), 95), 3.0 * edge_p95);
  EXPECT_LT(Goodput(over, kGoodSeconds, Seconds(2), Seconds(10)), 0.2 * edge_goodput);
}

TEST(Load, RecoversWithinASecondOfAnOverload) {
  std::vector<Arrival> arrivals;
  AddPoisson({.kind = "flood"}, 3.0 * kCapacity, Seconds(0), Seconds(5), arrivals);
  AddPoisson({.kind = "after"}, 0.3 * kCapacity, Seconds(6), Seconds(10), arrivals);
  const auto outcomes = Simulation(ServerConfig()).Run(arrivals);
  const auto calm = RunAtRate(ServerConfig(), 0.3 * kCapacity);
  EXPECT_LE(Percentile(Latencies(outcomes, "after"), 95),
            1.1 * Percentile(Latencies(calm, "short"), 95));
  for (const Outcome& outcome : outcomes) {
    EXPECT_TRUE(IsWhole(outcome) || outcome.arrival.kind == "flood");
  }
}

// Five in a hundred prompts have 4096 tokens; 80 % of the capacity in tokens in all.
TEST(Load, LongPromptsDoNotHoldUpTheTokensOfShortOnes) {
  const auto run = [](const SchedulerConfig& config, bool with_long) {
    std::vector<Arrival> arrivals;
    AddPoisson({.kind = "short"}, 15.0, Seconds(0), Seconds(20), arrivals);
    if (with_long) {
      AddPoisson({.kind = "long", .num_prompt = 4096}, 0.8, Seconds(0), Seconds(20), arrivals);
    }
    return Simulation(config).Run(arrivals);
  };
  SchedulerConfig config = ServerConfig();
  config.max_queue_time = std::chrono::milliseconds(0);
  const auto outcomes = run(config, true);
  const double without = Percentile(Gaps(run(config, false), "short"), 95);
  EXPECT_LE(Percentile(Gaps(outcomes, "short"), 95), std::max(2.0 * without, 0.020));
  EXPECT_EQ(Latencies(outcomes, "short").size() + Latencies(outcomes, "long").size(),
            outcomes.size());
  EXPECT_LT(Percentile(Latencies(outcomes, "long"), 95), 5.0) << "they get on, too";

  config.target_itl = std::chrono::milliseconds(0);
  EXPECT_GT(Percentile(Gaps(run(config, true), "short"), 95), 0.020) << "what the target is for";
}

TEST(Load, AFloodOfLessUrgentRequestsHardlyHoldsUpTheUrgentOnes) {
  const auto run = [](const SchedulerConfig& config, bool with_flood) {
    std::vector<Arrival> arrivals;
    AddPoisson({.kind = "urgent", .priority = -1}, 20.0, Seconds(1), Seconds(20), arrivals);
    if (with_flood) {
      AddPoisson({.kind = "flood", .priority = 1}, 2.0 * kCapacity, Seconds(0), Seconds(20),
                 arrivals);
    }
    return Simulation(config).Run(arrivals);
  };
  SchedulerConfig config = ServerConfig();
  config.max_queued_requests = 50;
  const auto outcomes = run(config, true);
  const auto alone = run(config, false);
  const double longest_step = StepTime({.num_tokens = config.max_step_tokens}).count();
  EXPECT_LE(Percentile(Latencies(outcomes, "urgent"), 95),
            1.2 * Percentile(Latencies(alone, "urgent"), 95) + longest_step);
  EXPECT_EQ(Latencies(outcomes, "urgent").size(), Latencies(alone, "urgent").size());
  EXPECT_GT(Latencies(outcomes, "flood").size(), 0u) << "it uses what is left";

  config.priority_slowdown = 0.0;
  EXPECT_GT(Percentile(Latencies(run(config, true), "urgent"), 95),
            1.5 * Percentile(Latencies(alone, "urgent"), 95) + longest_step)
      << "what the limit is for";
}

}  // namespace
}  // namespace tandem
