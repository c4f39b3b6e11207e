#include "scheduler/queue_ledger.h"

#include <gtest/gtest.h>

namespace tandem {
namespace {

using std::chrono::milliseconds;

constexpr int32_t kUrgent = 0;
constexpr int32_t kPatient = 7;

// Slots of which all are taken, from `begin` on.
class BusyQueue {
 public:
  explicit BusyQueue(SchedulerConfig config = {}) : ledger(WithTenSlots(config)) {
    Step(milliseconds(0), 0, true);
  }

  // `num_left` of the most urgent priority went on to run since the step before.
  void Step(milliseconds after, int64_t num_left, bool somebody_waits) {
    now_ += after;
    ledger.Leave(Departures(static_cast<size_t>(num_left), {.priority = kUrgent}));
    ledger.Advance({.now = now_, .num_running = 10, .somebody_waits = somebody_waits});
  }
  void Join(int64_t num_requests, int32_t priority = kUrgent) {
    for (int64_t i = 0; i < num_requests; ++i) ledger.Join(priority, 0);
  }

  QueueLedger ledger;

 private:
  static SchedulerConfig WithTenSlots(SchedulerConfig config) {
    config.max_sequences = 10;
    return config;
  }
  Clock::time_point now_{};
};

TEST(QueueLedger, CountsOnlyWhatIsAsUrgentOrMore) {
  QueueLedger ledger({.max_queued_requests = 2, .max_queued_tokens = 100});
  ledger.Join(kPatient, 60);
  EXPECT_TRUE(ledger.HasRoom(kPatient, 40));
  EXPECT_FALSE(ledger.HasRoom(kPatient, 41));
  EXPECT_TRUE(ledger.HasRoom(kUrgent, 500)) << "nobody is ahead of it";
  ledger.Join(kPatient, 0);
  EXPECT_FALSE(ledger.HasRoom(kPatient, 1));
  EXPECT_TRUE(ledger.HasRoom(kUrgent, 1));
  ledger.Join(kUrgent, 100);
  EXPECT_FALSE(ledger.HasRoom(kUrgent, 1)) << "tokens";
  EXPECT_EQ(ledger.num_tokens(), 160);
  ledger.Leave(
      {{.priority = kPatient, .num_tokens = 60}, {.priority = kUrgent, .num_tokens = 100}});
  EXPECT_EQ(ledger.num_tokens(), 0);
  EXPECT_TRUE(ledger.HasRoom(kPatient, 100));
}

TEST(QueueLedger, ExpectsTheWaitByHowFastTheQueueMoved) {
  BusyQueue queue;
  queue.Join(100);
  EXPECT_EQ(queue.ledger.ExpectedWait(kUrgent).count(), 0.0) << "no time has passed";
  for (int i = 0; i < 20; ++i) queue.Step(milliseconds(10), 1, true);  // 100 a second
  EXPECT_NEAR(queue.ledger.ExpectedWait(kUrgent).count(), 0.81, 1e-9) << "80, and itself";
  queue.Join(39);
  EXPECT_NEAR(queue.ledger.ExpectedWait(kUrgent).count(), 1.2, 1e-9);
  EXPECT_NEAR(queue.ledger.ExpectedWait(kUrgent - 1).count(), 0.01, 1e-9) << "goes before them";
}

TEST(QueueLedger, LearnsAnotherPace) {
  BusyQueue queue;
  queue.Join(1'000'000);
  for (int i = 0; i < 1000; ++i) queue.Step(milliseconds(10), 1, true);
  for (int i = 0; i < 8; ++i) queue.Step(milliseconds(10), 10, true);
  const double num_before = 1'000'000 - 1000 - 80 + 1;
  const double pace = num_before / queue.ledger.ExpectedWait(kUrgent).count();
  EXPECT_GT(pace, 400.0) << "100 a second before, 1000 for the last 80 of them";
  EXPECT_LT(pace, 1000.0);
}

TEST(QueueLedger, BeforeTheFirstEndsTheWaitIsAtLeastTheirTimeSoFar) {
  BusyQueue queue;
  queue.Join(100);
  queue.Step(milliseconds(600), 0, true);
  EXPECT_NEAR(queue.ledger.ExpectedWait(kUrgent).count(), 6.06, 1e-9) << "ten of them every 600 ms";
}

TEST(QueueLedger, FreeSlotsAreNoWaitAndSayNothingOfThePace) {
  QueueLedger ledger({.max_sequences = 4});
  Clock::time_point now{};
  for (int i = 0; i < 50; ++i) {  // all that come find slots
    ledger.Join(kUrgent, 1);
    ledger.Leave({{.priority = kUrgent, .num_tokens = 1}});
    now += milliseconds(1);
    ledger.Advance({.now = now, .num_running = 1, .somebody_waits = false});
  }
  for (int i = 0; i < 40; ++i) ledger.Join(kUrgent, 1);
  EXPECT_EQ(ledger.ExpectedWait(kUrgent).count(), 0.0) << "nobody has waited yet";
  ledger.Advance({.now = now, .num_running = 4, .somebody_waits = true});
  now += milliseconds(100);
  ledger.Leave({{.priority = kUrgent, .num_tokens = 1}});
  ledger.Advance({.now = now, .num_running = 4, .somebody_waits = true});
  EXPECT_NEAR(ledger.ExpectedWait(kUrgent).count(), 1.0, 1e-9) << "39, and itself";
  ledger.Advance({.now = now, .num_running = 1, .somebody_waits = false});
  EXPECT_NEAR(ledger.ExpectedWait(kUrgent).count(), 0.925, 1e-9) << "three slots are free";
}

TEST(QueueLedger, RefusesWhatWouldWaitTooLong) {
  BusyQueue queue({.max_queue_time = milliseconds(500)});
  queue.Join(80);
  EXPECT_TRUE(queue.ledger.HasRoom(kUrgent, 1));
  for (int i = 0; i < 20; ++i) queue.Step(milliseconds(10), 1, true);
  EXPECT_FALSE(queue.ledger.HasRoom(kUrgent, 1)) << "60 before it, 10 ms each";
  for (int i = 0; i < 12; ++i) queue.Step(milliseconds(10), 1, true);
  EXPECT_TRUE(queue.ledger.HasRoom(kUrgent, 1));
  EXPECT_TRUE(queue.ledger.HasRoom(kUrgent - 1, 1));
}

}  // namespace
}  // namespace tandem
